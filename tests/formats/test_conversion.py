import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from foreign_disks import MIB, VARIANTS, MakeDisk, qemu_img, with_footer

from linocut.formats import (
    Cancelled,
    ConversionFailed,
    DiskFile,
    DiskLimits,
    FormatError,
    NoSpace,
    RunAs,
    convert_into,
    inspect_disk,
)

DISK_BYTES = 12 * MIB
NOBODY = RunAs(65534, 65534)


@contextmanager
def exporting(target: Path, *options: str, size_bytes: int = DISK_BYTES) -> Iterator[Path]:
    """Serve a fresh raw file as the export `disk`, and give the socket."""
    with target.open("wb") as file:
        file.truncate(size_bytes)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path must be short
    folder.chmod(0o755)
    socket = folder / "nbd"
    server = subprocess.Popen(["qemu-nbd", "-f", "raw", "-x", "disk", "-t", "-k", socket, *options, target])
    try:
        wait_until(socket.exists)
        yield socket
    finally:
        server.terminate()
        server.wait(timeout=10)
        shutil.rmtree(folder)


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.01)


def convert(
    disk: DiskFile,
    socket: Path,
    limits: DiskLimits,
    *,
    export: str = "disk",
    progress: Callable[[float], None] = lambda _fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    convert_into(disk, socket, export, limits=limits, progress=progress, cancelled=cancelled)


def children() -> set[str]:
    """Return the process ids of what this process has started and not ended."""
    return set(" ".join(task.read_text() for task in Path("/proc/self/task").glob("*/children")).split())


@pytest.mark.parametrize("variant", ["raw", *VARIANTS])
def test_the_content_of_a_disk_arrives_in_the_export(
    variant: str, make_disk: MakeDisk, raw_disk: Path, tmp_path: Path, limits: DiskLimits
) -> None:
    disk = inspect_disk(raw_disk if variant == "raw" else make_disk(variant), limits=limits)
    seen: list[float] = []

    with exporting(tmp_path / "target") as socket:
        convert(disk, socket, limits, progress=seen.append)

    qemu_img("compare", "-f", "raw", "-F", "raw", raw_disk, tmp_path / "target")
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


def test_the_content_of_a_vmdk_with_a_footer_arrives(
    make_disk: MakeDisk, raw_disk: Path, tmp_path: Path, limits: DiskLimits
) -> None:
    path = with_footer(make_disk("vmdk stream-optimised"), tmp_path / "disk")

    with exporting(tmp_path / "target") as socket:
        convert(inspect_disk(path, limits=limits), socket, limits)

    qemu_img("compare", "-f", "raw", "-F", "raw", raw_disk, tmp_path / "target")


def test_a_file_of_any_name_is_read_and_nothing_in_the_name_is_interpreted(
    make_disk: MakeDisk, raw_disk: Path, tmp_path: Path, limits: DiskLimits
) -> None:
    odd = tmp_path / 'json:{"driver":"null-co"},file.locking=off, "quoted"\n'
    shutil.copy(make_disk("qcow2 version 3"), odd)

    with exporting(tmp_path / "target") as socket:
        convert(inspect_disk(odd, limits=limits), socket, limits)

    qemu_img("compare", "-f", "raw", "-F", "raw", raw_disk, tmp_path / "target")


def test_a_raw_disk_that_contains_another_disk_stays_raw(tmp_path: Path, make_disk: MakeDisk, limits: DiskLimits) -> None:
    """What a guest wrote at the start of its disk is never taken for a header."""
    inner = make_disk("qcow2 version 3").read_bytes()[: 4 * MIB]
    path, wrapped = tmp_path / "raw", tmp_path / "wrapped"
    path.write_bytes(inner.ljust(DISK_BYTES, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", path, wrapped)

    with exporting(tmp_path / "target") as socket:
        convert(inspect_disk(wrapped, limits=limits), socket, limits)

    assert (tmp_path / "target").read_bytes() == path.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_an_unprivileged_user_reads_the_file_where_the_service_is_root(
    make_disk: MakeDisk, raw_disk: Path, tmp_path: Path, limits: DiskLimits
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    path = private / "disk"
    shutil.copy(make_disk("qcow2 compressed by zlib"), path)
    path.chmod(0o600)
    confined = replace(limits, run_as=NOBODY)

    with exporting(tmp_path / "target") as socket:
        os.chown(socket, -1, NOBODY.gid)
        socket.chmod(0o660)
        convert(inspect_disk(path, limits=confined), socket, confined)

    qemu_img("compare", "-f", "raw", "-F", "raw", raw_disk, tmp_path / "target")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_the_unprivileged_user_cannot_write_where_it_was_not_let(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    confined = replace(limits, run_as=NOBODY)
    path = tmp_path / "disk"
    shutil.copy(make_disk("qcow2 version 3"), path)
    disk = inspect_disk(path, limits=confined)

    with exporting(tmp_path / "target") as socket:
        socket.chmod(0o600)
        with pytest.raises(ConversionFailed) as caught:
            convert(disk, socket, confined)

    assert "Permission denied" in caught.value.detail


def test_a_full_target_is_told_as_such(make_disk: MakeDisk, limits: DiskLimits, tmp_path: Path) -> None:
    disk = inspect_disk(make_disk("qcow2 version 3"), limits=limits)
    fault = "driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={},file.inject-error.0.event=none,"
    fault += "file.inject-error.0.iotype=write,file.inject-error.0.errno=28"
    target = tmp_path / "target"
    target.write_bytes(bytes(DISK_BYTES))

    with serving_node(fault.format(target)) as socket, pytest.raises(NoSpace):
        convert(disk, socket, limits)


@contextmanager
def serving_node(options: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    socket = folder / "nbd"
    server = subprocess.Popen(["qemu-nbd", "--image-opts", "-x", "disk", "-t", "-k", socket, options])
    try:
        wait_until(socket.exists)
        yield socket
    finally:
        server.terminate()
        server.wait(timeout=10)
        shutil.rmtree(folder)


def test_an_export_that_is_too_small_or_missing_is_a_failure(make_disk: MakeDisk, limits: DiskLimits, tmp_path: Path) -> None:
    disk = inspect_disk(make_disk("qcow2 version 3"), limits=limits)

    with exporting(tmp_path / "target", size_bytes=DISK_BYTES - MIB) as socket:
        for export in ("disk", "another"):
            with pytest.raises(ConversionFailed) as caught:
                convert(disk, socket, limits, export=export)
            assert caught.value.detail
    with pytest.raises(ConversionFailed):
        convert(disk, socket, limits)  # the server has gone


@contextmanager
def slow_export(target: Path) -> Iterator[Path]:
    """Serve an export that takes in a mebibyte a second."""
    target.write_bytes(bytes(DISK_BYTES))
    node = f"driver=throttle,throttle-group=slow,file.driver=file,file.filename={target}"
    group = "throttle-group,id=slow,x-bps-write=1048576"
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    socket = folder / "nbd"
    command = ["qemu-nbd", "--object", group, "--image-opts", "-x", "disk", "-t", "-k", socket, node]
    server = subprocess.Popen(command)
    try:
        wait_until(socket.exists)
        yield socket
    finally:
        server.kill()
        server.wait(timeout=10)
        shutil.rmtree(folder)


def test_a_cancelled_conversion_ends_soon_and_leaves_no_process(raw_disk: Path, limits: DiskLimits, tmp_path: Path) -> None:
    disk = inspect_disk(raw_disk, limits=limits)
    running = threading.Event()

    def cancelled() -> bool:
        if running.is_set():
            return True
        running.set()
        return False

    with slow_export(tmp_path / "target") as socket:
        before = children()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            convert(disk, socket, limits, cancelled=cancelled)
        assert time.monotonic() - started < 1.5
        assert children() == before


def test_a_conversion_that_takes_too_long_is_ended(raw_disk: Path, limits: DiskLimits, tmp_path: Path) -> None:
    disk = inspect_disk(raw_disk, limits=limits)

    with slow_export(tmp_path / "target") as socket:
        before = children()
        with pytest.raises(ConversionFailed, match="too long"):
            convert(disk, socket, replace(limits, timeout_s=0.3))
        assert children() == before


def test_an_error_of_the_progress_callback_ends_the_conversion(raw_disk: Path, limits: DiskLimits, tmp_path: Path) -> None:
    def fail(_fraction: float) -> None:
        raise KeyError

    disk = inspect_disk(raw_disk, limits=limits)
    with exporting(tmp_path / "target") as socket:
        before = children()
        with pytest.raises(KeyError):
            convert(disk, socket, limits, progress=fail)
        assert children() == before


def test_a_program_that_needs_more_memory_than_it_may_is_refused_it(
    make_disk: MakeDisk, limits: DiskLimits, tmp_path: Path
) -> None:
    disk = inspect_disk(make_disk("qcow2 version 3"), limits=limits)

    with exporting(tmp_path / "target") as socket, pytest.raises(FormatError) as caught:
        convert(disk, socket, replace(limits, memory_bytes=64 * MIB))

    assert isinstance(caught.value, ConversionFailed)


def test_a_file_that_was_damaged_after_inspection_fails_and_is_told(
    make_disk: MakeDisk, limits: DiskLimits, tmp_path: Path
) -> None:
    path = tmp_path / "disk"
    shutil.copy(make_disk("qcow2 compressed by zlib"), path)
    disk = inspect_disk(path, limits=limits)
    with path.open("r+b") as file:
        file.seek(0)
        file.write(b"not a qcow2 any more")

    with exporting(tmp_path / "target") as socket, pytest.raises(ConversionFailed):
        convert(disk, socket, limits)
