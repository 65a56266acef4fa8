"""The door for files of buckets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from asgi_http import Http
from signed_calls import Person

from linocut.cloud.context import Cloud

CONTENT = bytes(range(251)) * 9000


@pytest.fixture
def bucket(person: Person) -> str:
    return f"golden-{person.account.app_id}"


@pytest.fixture
def file(cloud: Cloud, bucket: str) -> Path:
    """Return a file in a bucket, as an export leaves it."""
    found = cloud.settings.state / "buckets" / bucket / "nightly" / 'img "1".raw'
    found.parent.mkdir(parents=True)
    found.write_bytes(CONTENT)
    return found


@pytest.fixture
def path(person: Person, bucket: str, file: Path) -> str:
    order = {"BucketName": bucket, "Key": f"nightly/{file.name}"}
    url: str = person.call("CreateDownload", order, service="linocut")["Url"]
    assert url.startswith("/bucket/")
    return url


def test_a_file_comes_whole_or_from_any_byte_on(http: Http, path: str) -> None:
    head = http.request("HEAD", path)
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(CONTENT)), b"")
    whole = http.request("GET", path)
    assert (whole.status, whole.body) == (200, CONTENT)
    assert whole.headers["content-disposition"] == 'attachment; filename="img__1_.raw"'

    rest = http.request("GET", path, headers={"Range": "bytes=1000-"})

    assert (rest.status, rest.body) == (206, CONTENT[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"
    beyond = http.request("GET", path, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")


def test_an_empty_file_comes_too(http: Http, file: Path, path: str) -> None:
    file.write_bytes(b"")
    assert (http.request("GET", path).status, http.request("GET", path).body) == (200, b"")


@pytest.mark.parametrize("start", [0, 1, 10**17])
def test_an_empty_file_has_no_byte_that_a_range_could_begin_with(http: Http, file: Path, path: str, start: int) -> None:
    file.write_bytes(b"")

    answer = http.request("GET", path, headers={"Range": f"bytes={start}-"})

    assert (answer.status, answer.headers["content-range"], answer.body) == (416, "bytes */0", b"")


def test_a_range_from_the_first_byte_on_is_a_range(http: Http, path: str) -> None:
    answer = http.request("GET", path, headers={"Range": "Bytes=0-"})

    assert (answer.status, answer.body) == (206, CONTENT)
    assert answer.headers["content-range"] == f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=5-9", "bytes=-5", "bytes=0-1,3-4", "bytes=x-", "lines=0-", "bytes=" + "9" * 30 + "-"])
def test_a_range_of_a_form_that_is_not_served_is_ignored(http: Http, path: str, asked: str) -> None:
    answer = http.request("GET", path, headers={"Range": asked})

    assert (answer.status, answer.body) == (200, CONTENT)
    assert "content-range" not in answer.headers


def test_asking_for_the_head_knows_no_ranges(http: Http, path: str) -> None:
    head = http.request("HEAD", path, headers={"Range": "bytes=1000-"})

    assert (head.status, head.headers["content-length"]) == (200, str(len(CONTENT)))
    assert "content-range" not in head.headers


def test_nothing_comes_of_a_link_that_nobody_made_or_of_a_file_that_is_gone(http: Http, file: Path, path: str) -> None:
    for strange in ("/bucket/x", path[:-8] + "AAAAAAAA", path[:-8], "/bucket/" + "A" * 500):
        assert http.request("GET", strange).status == 404
    file.unlink()
    assert http.request("GET", path).status == 404


def test_files_are_listed_and_led_to_for_their_owner_alone(
    person: Person, new_person: Callable[[], Person], bucket: str, file: Path
) -> None:
    stranger = new_person()
    listed = person.call("DescribeBucketFiles", {"BucketName": bucket}, service="linocut")
    assert (listed["BucketName"], [each["Key"] for each in listed["FileSet"]]) == (bucket, [f"nightly/{file.name}"])
    assert person.call("DescribeBucketFiles", service="linocut")["BucketName"] == f"images-{person.account.app_id}"

    for action, order in (("DescribeBucketFiles", {}), ("CreateDownload", {"Key": f"nightly/{file.name}"})):
        code = stranger.code(action, {"BucketName": bucket} | order, service="linocut")
        assert code == "InvalidParameterValue.BucketNotFound"
    assert person.code("CreateDownload", {"BucketName": bucket, "Key": "../x"}, service="linocut") == "ResourceNotFound"
