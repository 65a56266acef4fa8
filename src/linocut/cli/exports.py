"""`linocut image export`: an image as a file, in a bucket of the service's or here."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import httpx
from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.images import find_image
from linocut.cli.output import print_json, progress_bar
from linocut.cli.wire import ClientOptions, JsonObject, Wire, connect

_POLL_S: Final = 0.3
_ATTEMPTS: Final = 8
_PAUSE_S: Final = 0.2
_BLOCK_BYTES: Final = 1 << 20
_ZEROS: Final = bytes(_BLOCK_BYTES)
_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
_PARTIAL: Final = 206


def export_image(
    image: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    image_format: Annotated[str, Parameter(name="--format")] = "qcow2",
    bucket: str | None = None,
    prefix: str | None = None,
    root_disk_only: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Write an image's disks into a bucket, wait until they are there, and bring the system disk here with --output.

    Args:
        image: its id, or its name.
        output: a file to bring the system disk to; an existing one is not replaced.
        image_format: raw, qcow2, vhd or vmdk.
        bucket: its name ends in your AppId; without one, images-APPID.
        prefix: what the files' names begin with.
        root_disk_only: leave out data disks; --output does so.
        options: where and who.
    """
    if output is not None:
        check_output(output)
    options = options or ClientOptions()
    wire = connect(options)
    image_id = find_image(wire, image, ("PRIVATE_IMAGE",))
    name = bucket or str(wire.call_own("DescribeBucketFiles")["BucketName"])
    begun = wire.call(
        "ExportImages",
        BucketName=name,
        ImageIds=[image_id],
        ExportFormat=image_format.upper(),
        FileNamePrefixList=[prefix] if prefix else None,
        OnlyExportRootDisk=True if root_disk_only or output is not None else None,
    )
    _await_task(wire, int(begun["TaskId"]), f"Exporting {image_id}")
    paths = [str(path) for path in begun["CosPaths"]]
    if output is not None:
        download(wire, name, paths[0], output)
    if options.json:
        print_json({"BucketName": name, "CosPaths": paths})
        return
    print(output if output is not None else "\n".join(f"s3://{name}/{quote(path)}" for path in paths))


def check_output(file: Path) -> None:
    """Find out, before anything is asked for, whether a download may be written here. Raises Misused, CommandFailed."""
    if file.exists():
        raise Misused(f"{file} exists")
    if not file.parent.is_dir():
        raise CommandFailed(f"there is no folder {file.parent}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise CommandFailed(f"the folder {file.parent} is not writable")


def download(wire: Wire, bucket: str, key: str, file: Path) -> None:
    """Bring a file of a bucket here, whole or not at all. Raises WireError, CommandFailed, OSError."""
    _Download(wire, bucket, key, file).run()


def _await_task(wire: Wire, task_id: int, label: str) -> None:
    """Show the progress of a task until it has ended well. Raises CommandFailed when it does not."""
    with progress_bar(label, 100) as show:
        while True:
            task: JsonObject = wire.call_own("DescribeTasks", TaskIds=[task_id])["TaskSet"][0]
            show(task["Percent"])
            if task["State"] == "SUCCESS":
                return
            if task["State"] != "RUNNING":
                raise CommandFailed(f"task {task_id} is {task['State']}: {task['Error']}")
            time.sleep(_POLL_S)


class _Download:
    """One file on its way here, into `<file>.part` until it is whole. What breaks goes on from the byte that arrived last."""

    def __init__(self, wire: Wire, bucket: str, key: str, file: Path) -> None:
        self._url = wire.endpoint + str(wire.call_own("CreateDownload", BucketName=bucket, Key=key)["Url"])
        self._file = file
        self._part = file.with_name(f"{file.name}.part")

    def run(self) -> None:
        """Bring the file; only attempts that bring it no byte further count against the limit. Raises CommandFailed, OSError."""
        try:
            with self._part.open("wb") as out, httpx.Client(timeout=_TIMEOUT) as http:
                total = int(self._answered(http.head(self._url)).headers["Content-Length"])
                with progress_bar("Downloading", total, unit="B") as show:
                    self._run(http, out.fileno(), total, show)
            self._part.rename(self._file)
        except httpx.TransportError as error:
            raise CommandFailed(f"the download did not begin: {error}") from error
        finally:
            self._part.unlink(missing_ok=True)

    def _run(self, http: httpx.Client, descriptor: int, total: int, show: Callable[[float], None]) -> None:
        arrived = failures = 0
        while arrived < total:
            before = arrived
            arrived, trouble = self._bring_from(http, before, descriptor, show)
            failures = failures + 1 if arrived <= before else 0
            if failures == _ATTEMPTS:
                raise CommandFailed(f"the download broke off at byte {arrived} of {total}: {trouble}")
            if arrived < total:
                time.sleep(_PAUSE_S * 2**failures)

    def _bring_from(self, http: httpx.Client, start: int, descriptor: int, show: Callable[[float], None]) -> tuple[int, str]:
        """Bring the rest of the file; return how many bytes are here now, and what kept the others."""
        arrived = start
        try:
            with http.stream("GET", self._url, headers={"Range": f"bytes={start}-"}) as response:
                for block in self._answered(response).iter_bytes(_BLOCK_BYTES):
                    _append(descriptor, block, arrived)
                    arrived += len(block)
                    show(arrived)
        except httpx.TransportError as error:
            return arrived, str(error)
        return arrived, "it ended early"

    def _answered(self, response: httpx.Response) -> httpx.Response:
        if not response.is_success or (response.request.method == "GET" and response.status_code != _PARTIAL):
            raise CommandFailed(f"the service refused the download: HTTP {response.status_code}")
        return response


def _append(descriptor: int, block: bytes, at: int) -> None:
    """Write a block at the file's end; one of zeros only makes it longer."""
    if block == _ZEROS[: len(block)]:
        os.ftruncate(descriptor, at + len(block))
        return
    view = memoryview(block)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
