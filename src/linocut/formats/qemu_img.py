"""Running qemu-img on a foreign file, with every driver named and little left that it could harm.

The file reaches qemu-img as an open descriptor (`/proc/self/fd/N`), so no file name is interpreted, the file is the one that was
inspected, and the directories above it need not be open to the unprivileged user. Nodes are given as JSON objects that name
each driver and forbid a backing file; nothing is probed.

`prlimit` sets memory, processor time and how much may be written to a file, which is nothing at all but for exports; `setpriv`
drops the user, groups and capabilities where we are root, forbids new privileges, and has the kernel end qemu-img if we die. Both
exec, so the process id is qemu-img's own.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from linocut.formats.disk import DiskFormat, DiskLimits
from linocut.formats.errors import ConversionFailed, UnsafeDisk

# Arenas by the dozen would use up the address space that the limit leaves.
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "MALLOC_ARENA_MAX": "2"}
_DETAIL_BYTES: Final = 4096
_CANNOT_RUN: Final = (126, 127)


def source_node(disk_format: DiskFormat, descriptor: int) -> str:
    """Return the node that reads this descriptor as this format and opens nothing else."""
    node: dict[str, object] = {
        "driver": disk_format.qemu_driver,
        "file": {"driver": "file", "filename": f"/proc/self/fd/{descriptor}"},
    }
    if disk_format is not DiskFormat.RAW:
        node["backing"] = None
    if disk_format is DiskFormat.VHD:
        # Some tools round the geometry down; the size is what the footer says it is.
        node["force_size_calc"] = "current_size"
    return f"json:{json.dumps(node)}"


def nbd_node(folder: int, socket: str, export: str) -> str:
    """Return the node that writes to this export of the NBD server at a Unix socket in an open folder."""
    server = {"type": "unix", "path": f"/proc/self/fd/{folder}/{socket}"}
    return f"json:{json.dumps({'driver': 'raw', 'file': {'driver': 'nbd', 'server': server, 'export': export}})}"


@contextmanager
def readable(path: Path, limits: DiskLimits) -> Iterator[int]:
    """Open a file for qemu-img, and let the unprivileged user's group read it where there is such a user."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if limits.run_as is not None:
            os.fchown(descriptor, -1, limits.run_as.gid)
            os.fchmod(descriptor, 0o640)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Open a server's folder, so that its socket can be reached though the folders above it are closed."""
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConversionFailed("The block server is not there.", str(error)) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def start(
    arguments: Sequence[str], descriptors: Sequence[int], limits: DiskLimits, *, output_bytes: int = 0
) -> subprocess.Popen[bytes]:
    """Start qemu-img under its limits, holding the descriptors; it writes no file of more than `output_bytes`."""
    return subprocess.Popen(
        [*_launcher(limits, output_bytes), "qemu-img", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=tuple(descriptors),
        env=_ENVIRONMENT,
    )


def ask(arguments: Sequence[str], descriptor: int, limits: DiskLimits) -> tuple[int, bytes, str]:
    """Run a short command of qemu-img and return its exit code, output and the end of its messages."""
    with start(arguments, [descriptor], limits) as process:
        try:
            output, messages = process.communicate(timeout=limits.inspect_timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise UnsafeDisk("The disk file takes too long to check.", f"qemu-img {arguments[0]}") from error
        except BaseException:
            process.kill()
            raise
    detail = detail_of(messages)
    require_ran(process.returncode, detail)
    return process.returncode, output, detail


def require_ran(code: int, detail: str) -> None:
    """Raise ConversionFailed if qemu-img or its launcher is not there at all."""
    if code in _CANNOT_RUN:
        raise ConversionFailed("The disk tools of this service do not run.", detail)


def detail_of(messages: bytes) -> str:
    """Return the end of a program's messages, as text."""
    return messages[-_DETAIL_BYTES:].decode("utf-8", "replace").strip()


def _launcher(limits: DiskLimits, output_bytes: int) -> list[str]:
    bounds = [f"--as={limits.memory_bytes}", f"--cpu={limits.cpu_s}", f"--fsize={output_bytes}", "--core=0"]
    privileges = ["--no-new-privs", "--pdeathsig=KILL"]
    if limits.run_as is not None:
        user = [f"--reuid={limits.run_as.uid}", f"--regid={limits.run_as.gid}", "--clear-groups"]
        privileges += [*user, "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    return ["prlimit", *bounds, "setpriv", *privileges, "--"]
