"""Disks that are written straight into a file: what QEMU reads of them."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linocut.formats import DiskFormat, DiskLimits, inspect_disk, write_disk

CLUSTER = 65536
CHUNK = 8 * CLUSTER


def pieces_of(disk: bytes) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(disk), CHUNK):
        if any(disk[start : start + CHUNK]):
            yield start, disk[start : start + CHUNK]


def require_same(file: Path, disk_format: DiskFormat, disk: bytes) -> None:
    plain = file.with_name("plain.raw")
    plain.write_bytes(disk)
    compare = ["qemu-img", "compare", "-f", "raw", "-F", disk_format.value, str(plain), str(file)]
    subprocess.run(compare, check=True, capture_output=True)
    if disk_format is DiskFormat.QCOW2:
        said = subprocess.run(["qemu-img", "check", "-f", "qcow2", "--output=json", file], check=True, capture_output=True)
        report = json.loads(said.stdout)
        assert report["check-errors"] == 0
        assert not {"corruptions", "leaks"} & report.keys()


@pytest.mark.parametrize("disk_format", [DiskFormat.RAW, DiskFormat.QCOW2])
@settings(max_examples=15, deadline=None)
@given(
    sectors=st.integers(1, 40 * CLUSTER // 512),
    writes=st.lists(st.tuples(st.integers(0, 40 * CLUSTER - 1), st.integers(1, 3 * CLUSTER))),
)
def test_any_disk_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, disk_format: DiskFormat, sectors: int, writes: list[tuple[int, int]]
) -> None:
    disk = bytearray(sectors * 512)
    for start, length in writes:
        end = min(start + length, len(disk))
        disk[start:end] = random.Random(start).randbytes(max(0, end - start))
    file = tmp_path_factory.mktemp("disk") / "disk"

    write_disk(file, disk_format, len(disk), pieces_of(bytes(disk)))

    require_same(file, disk_format, bytes(disk))


def test_a_large_qcow2_has_tables_enough(tmp_path: Path) -> None:
    size, far = 3 << 40, (3 << 40) - CHUNK
    data = os.urandom(CHUNK)
    file = tmp_path / "disk"

    write_disk(file, DiskFormat.QCOW2, size, ((at, data) for at in (*range(0, 2400 * CHUNK, CHUNK * 300), far)))

    subprocess.run(["qemu-img", "check", "-f", "qcow2", file], check=True, capture_output=True)
    read = ["qemu-io", "-f", "qcow2", "-c", f"read -v {far} 16", str(file)]
    shown = subprocess.run(read, check=True, capture_output=True, text=True)
    assert " ".join(f"{byte:02x}" for byte in data[:16]) in shown.stdout
    assert file.stat().st_size < 24 << 20


@pytest.mark.parametrize("disk_format", [DiskFormat.RAW, DiskFormat.QCOW2])
def test_it_is_sparse_and_is_taken_in_again(tmp_path: Path, disk_format: DiskFormat) -> None:
    disk = bytearray(64 << 20)
    disk[510:512] = b"\x55\xaa"
    disk[40 << 20 : 41 << 20] = os.urandom(1 << 20)
    file = tmp_path / "disk"

    write_disk(file, disk_format, len(disk), pieces_of(bytes(disk)))

    assert file.stat().st_blocks * 512 < 2 << 20
    found = inspect_disk(file, limits=DiskLimits())
    assert (found.format, found.virtual_size_bytes) == (disk_format, len(disk))


def test_a_file_that_was_not_finished_is_no_disk(tmp_path: Path) -> None:
    def breaking_off() -> Iterator[tuple[int, bytes]]:
        yield 0, os.urandom(CHUNK)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_disk(tmp_path / "disk", DiskFormat.QCOW2, 1 << 30, breaking_off())

    assert (tmp_path / "disk").read_bytes()[:4] != b"QFI\xfb"
