import os
from pathlib import Path

from linocut.machines.console import read_log, trim_log

_KEPT = 64 * 1024


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, data)
    os.close(descriptor)


def test_a_log_keeps_its_end_and_gives_back_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = b"".join(b"%09d\n" % number for number in range(100_000))
    _write(log, lines)

    trim_log(log, _KEPT)

    kept = read_log(log, 0, len(lines))
    assert log.stat().st_blocks * 512 <= _KEPT + 8192
    assert kept.offset > 0
    assert kept.data == lines[kept.offset :]
    assert len(kept.data) >= _KEPT


def test_an_offset_means_the_same_after_a_trim(tmp_path: Path) -> None:
    log = tmp_path / "log"
    _write(log, b"x" * 1_000_000)
    seen = read_log(log, 999_990, 100).next_offset

    trim_log(log, _KEPT)
    _write(log, b"new")

    assert read_log(log, seen, 100).data == b"new"


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    _write(log, b"hello")

    trim_log(log, _KEPT)

    assert read_log(log, 0, 100).data == b"hello"


def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    trim_log(tmp_path / "log", _KEPT)

    assert read_log(tmp_path / "log", 5, 100).size_bytes == 0


def test_a_log_that_was_replaced_by_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "log").symlink_to(secret)

    try:
        data = read_log(tmp_path / "log", 0, 100).data
    except OSError:
        data = b""

    assert data == b""
