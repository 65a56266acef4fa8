"""Buckets in a directory and on S3: the same verbs, the same promises."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linocut.formats import Bucket, Cancelled, DiskLimits, DiskTooLarge, FetchFailed, PutFailed, is_bucket_base, is_file_key

sys.path.append(str(Path(__file__).parents[1] / "blocks"))

from small_s3 import small_s3

LIMITS = DiskLimits()


@pytest.fixture(params=["directory", "s3", "s3 folder"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    """Yield an empty bucket of either kind."""
    if request.param == "directory":
        yield Bucket.open(f"file://{tmp_path}/buckets", "golden-1")
        return
    with small_s3() as (endpoint, _):
        options = f"?endpoint={endpoint}&region=x&access_key_id=a&secret_access_key=b"
        yield Bucket.open(f"s3://{'all/exports' if request.param == 's3 folder' else ''}{options}", "golden-1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of three parts of an upload and a bit, most of it nothing."""
    found = tmp_path / "disk.raw"
    with found.open("wb") as out:
        out.write(random.Random(1).randbytes(1 << 20))
        out.truncate((50 << 20) + 17)
        out.seek(40 << 20)
        out.write(b"far out")
    return found


def put(bucket: Bucket, key: str, file: Path, cancelled: Callable[[], bool] = lambda: False) -> list[tuple[int, int]]:
    shown: list[tuple[int, int]] = []
    bucket.put(key, file, progress=lambda done, total: shown.append((done, total)), cancelled=cancelled)
    return shown


def get(bucket: Bucket, key: str, to: Path, limits: DiskLimits = LIMITS, cancelled: Callable[[], bool] = lambda: False) -> None:
    bucket.download(key, to, limits=limits, progress=lambda _done, _total: None, cancelled=cancelled)


def is_same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0


def test_what_is_put_is_got_back_with_its_holes(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    shown = put(bucket, "nightly/a_b.raw", file)
    assert shown[-1][0] == shown[-1][1]
    assert file.exists()
    info = bucket.info("nightly/a_b.raw")
    assert info is not None
    assert info.size_bytes == file.stat().st_size
    assert [found.key for found in bucket.list()] == ["nightly/a_b.raw"]

    get(bucket, "nightly/a_b.raw", tmp_path / "back")

    assert is_same(file, tmp_path / "back")
    assert (tmp_path / "back").stat().st_blocks * 512 < 4 << 20
    assert b"".join(bucket.read("nightly/a_b.raw", 40 << 20))[:7] == b"far out"


def test_an_upload_that_is_broken_off_has_no_name(bucket: Bucket, file: Path) -> None:
    asked = iter([False] * 20 + [True] * 1000)
    try:
        put(bucket, "a.raw", file, lambda: next(asked))
    except Cancelled:
        assert bucket.info("a.raw") is None
        assert list(bucket.list()) == []
    else:
        assert bucket.info("a.raw") is not None, "a directory's file is there at once"


def test_putting_twice_replaces_and_deleting_twice_is_harmless(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        put(bucket, "a.raw", file)
    assert [entry.name for entry in tmp_path.glob("buckets/.incoming/*")] == []
    small = tmp_path / "small"
    small.write_bytes(b"small")

    put(bucket, "a.raw", small)

    assert b"".join(bucket.read("a.raw")) == b"small"
    for _ in range(2):
        bucket.delete("a.raw")
    assert bucket.info("a.raw") is None


def test_what_is_not_there_or_too_large_or_not_wanted_is_not_got(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    put(bucket, "a.raw", file)
    with pytest.raises(FetchFailed):
        get(bucket, "b.raw", tmp_path / "back")
    with pytest.raises(DiskTooLarge):
        get(bucket, "a.raw", tmp_path / "back", DiskLimits(file_size_bytes=1 << 20))
    with pytest.raises(Cancelled):
        get(bucket, "a.raw", tmp_path / "back", cancelled=lambda: True)
    assert not (tmp_path / "back").exists()
    with pytest.raises(FetchFailed):
        list(bucket.read("b.raw"))


def test_a_file_on_another_file_system_arrives_with_its_holes(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm") / f"linocut-{os.getpid()}.raw"
    try:
        with elsewhere.open("wb") as out:
            out.truncate(8 << 20)
            out.seek(4 << 20)
            out.write(b"data")
        put(Bucket.open(f"file://{tmp_path}/buckets", "golden-1"), "a.raw", elsewhere)
        arrived = tmp_path / "buckets" / "golden-1" / "a.raw"
        assert is_same(arrived, elsewhere)
        assert arrived.stat().st_blocks * 512 < 1 << 20
    finally:
        elsewhere.unlink()


def test_a_bucket_that_is_closed_to_us_says_so(tmp_path: Path) -> None:
    with small_s3() as (endpoint, _):
        bucket = Bucket.open(f"s3://?endpoint={endpoint}&region=x&access_key_id=a&secret_access_key=b", "forbidden")
        with pytest.raises(FetchFailed):
            get(bucket, "a.raw", tmp_path / "back")


def test_a_bucket_that_does_not_answer_is_waited_for_no_longer_than_patience_lasts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        url = f"s3://?endpoint={endpoint}&region=x&access_key_id=a&secret_access_key=b"
        bucket = Bucket.open(url, "golden-1", patience_s=0.2)
        began = time.monotonic()

        with pytest.raises(FetchFailed):
            bucket.info("a.raw")
        with pytest.raises(FetchFailed):
            list(bucket.list())

        assert time.monotonic() - began < 10


def test_a_directory_that_takes_nothing_says_so(file: Path, tmp_path: Path) -> None:
    bucket = Bucket.open(f"file://{tmp_path}/buckets", "golden-1")
    (tmp_path / "buckets" / "golden-1").mkdir(parents=True)
    (tmp_path / "buckets" / "golden-1" / "taken").write_text("in the way")
    with pytest.raises(PutFailed):
        put(bucket, "taken/a.raw", file)


def test_looking_into_a_bucket_that_is_not_there_makes_nothing(tmp_path: Path) -> None:
    bucket = Bucket.open(f"file://{tmp_path}/buckets", "golden-1")

    assert bucket.info("a.raw") is None
    assert list(bucket.list()) == []
    with pytest.raises(FetchFailed):
        list(bucket.read("a.raw"))
    bucket.delete("a.raw")
    assert not (tmp_path / "buckets").exists()


@pytest.mark.parametrize(
    "base", ["file:///srv/buckets", "s3://?endpoint=http://s3:9000&region=x", "s3://all/exports?endpoint=http://s3:9000", "s3://"]
)
def test_where_buckets_may_be(base: str) -> None:
    assert is_bucket_base(base)


@pytest.mark.parametrize("base", ["", "http://s3:9000", "file://host/dir", "file:relative", "s3://?endpoit=x"])
def test_where_buckets_may_not_be(base: str) -> None:
    assert not is_bucket_base(base)


@pytest.mark.parametrize("key", ["", ".", "..", "a/../b", "a//b", "/a", "a/", "a\nb", "a" * 851])
def test_a_name_that_could_mean_something_else_is_none(key: str) -> None:
    assert not is_file_key(key)


@pytest.mark.parametrize("key", ["a", "a/b", "nightly_img-1.raw", "a b", ".hidden", "ü"])
def test_a_name_may_be_any_other(key: str) -> None:
    assert is_file_key(key)
