import hashlib

import pytest
from asgi_http import Answer, Http
from signed_calls import Person

from linocut.cloud.context import Cloud

CONTENT = bytes(range(251)) * 400


@pytest.fixture
def path(person: Person) -> str:
    order = {"SizeBytes": len(CONTENT), "Sha256": hashlib.sha256(CONTENT).hexdigest()}
    announced = person.call("CreateUpload", order, service="linocut")
    assert announced["Url"] == f"/upload/{announced['UploadId']}"
    assert announced["ImageUrl"] == f"upload://{announced['UploadId']}"
    return str(announced["Url"])


def _offset(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.headers.get("upload-offset")


def _arrived(cloud: Cloud, path: str) -> bytes:
    return (cloud.settings.state / "uploads" / path.rpartition("/")[2]).read_bytes()


def test_a_file_arrives_in_pieces(http: Http, cloud: Cloud, path: str) -> None:
    assert _offset(http.request("HEAD", path)) == (200, "0")
    assert _offset(http.request("PUT", path, [CONTENT[:10], b"", CONTENT[10:50]])) == (200, "50")
    assert _offset(http.request("HEAD", path)) == (200, "50")
    assert _offset(http.request("PUT", path, CONTENT[50:99], {"Upload-Offset": "50"})) == (200, "99")
    rest = {"Content-Range": f"bytes 99-{len(CONTENT) - 1}/{len(CONTENT)}"}
    assert _offset(http.request("PUT", path, CONTENT[99:], rest)) == (200, str(len(CONTENT)))
    assert _arrived(cloud, path) == CONTENT


def test_a_piece_that_does_not_go_on_where_the_last_ended_is_told_where_that_is(http: Http, cloud: Cloud, path: str) -> None:
    http.request("PUT", path, CONTENT[:50])

    for offset in ("0", "49", "51"):
        assert _offset(http.request("PUT", path, CONTENT[50:], {"Upload-Offset": offset})) == (409, "50")
    assert _arrived(cloud, path) == CONTENT[:50]


def test_what_arrived_before_a_client_went_away_stays(http: Http, cloud: Cloud, path: str) -> None:
    assert _offset(http.request("PUT", path, [CONTENT[:1000], None])) == (409, "1000")

    assert _offset(http.request("PUT", path, CONTENT[1000:], {"Upload-Offset": "1000"})) == (200, str(len(CONTENT)))
    assert _arrived(cloud, path) == CONTENT


def test_more_than_was_announced_is_refused(http: Http, path: str) -> None:
    assert http.request("PUT", path, CONTENT + b"x").status == 413


@pytest.mark.parametrize("header", [{"Upload-Offset": "-1"}, {"Upload-Offset": "x"}, {"Content-Range": "bytes x"}])
def test_an_offset_must_be_a_number(http: Http, path: str, header: dict[str, str]) -> None:
    assert http.request("PUT", path, CONTENT, header).status == 400


@pytest.mark.parametrize("upload_id", ["0" * 48, "..", "%2e%2e%2fsecret.key", "."])
@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_an_upload_that_nobody_announced_does_not_exist(http: Http, method: str, upload_id: str) -> None:
    assert http.request(method, f"/upload/{upload_id}", b"x" if method == "PUT" else b"").status == 404


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"SizeBytes": 0}, "InvalidParameterValue.Range"),
        ({"SizeBytes": 2**62}, "InvalidParameterValue.Range"),
        ({"SizeBytes": 1, "Sha256": "no digest"}, "InvalidParameterValue"),
    ],
)
def test_an_upload_that_cannot_be_is_refused(person: Person, parameters: dict[str, object], code: str) -> None:
    assert person.code("CreateUpload", parameters, service="linocut") == code


def test_an_upload_is_imported_by_who_announced_it_once_it_is_whole(
    http: Http, person: Person, operator: Person, path: str
) -> None:
    order = {
        "Architecture": "x86_64",
        "OsType": "Debian",
        "OsVersion": "12",
        "ImageUrl": f"upload://{path.rpartition('/')[2]}",
        "ImageName": "uploaded",
    }

    assert person.code("ImportImage", order) == "InvalidParameter.InvalidParameterUrlError"
    http.request("PUT", path, CONTENT)
    assert operator.code("ImportImage", order) == "InvalidParameter.InvalidParameterUrlError"
    assert person.code("ImportImage", order) == "OK"
