"""What the benchmarks of guests stand on: a service with room for many, and plain QEMUs on local files to compare them with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.request import ProxyHandler, Request, build_opener

from measuring import PROJECT, run

from linocut.blocks import BlockServer
from linocut.settings import Settings

sys.path[:0] = [str(PROJECT / "demo"), str(PROJECT / "guests")]

from stage import REGION, Account, Service, served  # noqa: E402  # found by the line above
from tiny import TinyGuest, build_tiny_guest  # noqa: E402  # found by the line above

__all__ = [
    "READY",
    "REGION",
    "Bed",
    "Launched",
    "PlainGuests",
    "TinyGuest",
    "build_tiny_guest",
    "drop_page_cache",
    "in_guest",
    "opened_bed",
    "until",
    "verdict",
]

READY: Final = "linocut-guest ready"
_ROOM: Final = {"LINOCUT_HOST_VCPUS": "64", "LINOCUT_HOST_MEMORY_MB": str(128 * 1024)}
_DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")
_PEER_ADDRESS: Final = "127.9"
_DEADLINE_S: Final = 180.0
_POLL_S: Final = 0.05
Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found | None], *, deadline_s: float = _DEADLINE_S, poll_s: float = _POLL_S) -> Found:
    """Return what `look` finds as soon as it finds something; end the program when it does not."""
    end = time.monotonic() + deadline_s
    while (found := look()) is None:
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not happen within {deadline_s:.0f} s")
        time.sleep(poll_s)
    return found


def verdict(value: float, limit: float) -> str:
    """Say whether a figure keeps to its limit."""
    return "met" if value <= limit else "NOT met"


def in_guest(address: str, script: str) -> str:
    """Return what a shell script prints in the tiny guest at this address."""
    opener = build_opener(ProxyHandler({}))
    request = Request(f"http://{address}/cgi-bin/sh", data=script.encode(), method="POST")  # http only
    with opener.open(request, timeout=_DEADLINE_S) as answer:
        printed = answer.read().decode()
        if answer.headers["X-Exit-Code"] != "0":
            raise SystemExit(f"in {address}: {script!r} failed: {printed}")
    return printed


@dataclass(frozen=True)
class Launched:
    """Instances of one RunInstances call; times in seconds since the epoch."""

    ids: tuple[str, ...]
    asked_s: float
    answered_s: float


class Bed:
    """A service on an empty state directory, and its operator's account."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder = folder
        self._state = service.state
        self._operator: Account = service.operator

    def image(self, disk: Path, name: str) -> str:
        """Import a disk and return the image's id when it is NORMAL."""
        with served(disk) as url:
            order = {"OsType": "Debian", "OsVersion": "12", "Architecture": "x86_64", "ImageName": name, "ImageUrl": url}
            self.call("ImportImage", **order)
            image_id: str = until("the import", lambda: self._named(name))
            self.await_image(image_id)
        return image_id

    def await_image(self, image_id: str) -> None:
        """Wait until an image is NORMAL."""
        until(f"image {image_id}", lambda: self._is_normal(image_id) or None)

    def launch(self, image_id: str, count: int) -> Launched:
        """Run instances of an image; they are pending when this returns."""
        asked_s = time.time()
        answer = self.call(
            "RunInstances",
            ImageId=image_id,
            InstanceCount=count,
            Placement={"Zone": f"{REGION}-3"},
            InstanceType="S5.SMALL1",
        )
        return Launched(tuple(answer.InstanceIdSet), asked_s, time.time())

    def launch_with_disk(self, image_id: str, size_gb: int) -> str:
        """Run an instance with a blank data disk, and return its id when it runs."""
        answer = self.call(
            "RunInstances",
            ImageId=image_id,
            Placement={"Zone": f"{REGION}-3"},
            InstanceType="S5.SMALL1",
            DataDisks=[{"DiskType": "CLOUD_PREMIUM", "DiskSize": size_gb}],
        )
        (instance_id,) = answer.InstanceIdSet
        self.await_running([instance_id])
        return str(instance_id)

    def await_running(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
        """Wait until instances run; return what their launches took in the service's own words, in milliseconds."""

        def look() -> Mapping[str, Mapping[str, float]] | None:
            launches = self.call_own("DescribeLaunches", InstanceIds=list(ids))["LaunchSet"]
            done = {launch["InstanceId"]: launch["Milliseconds"] for launch in launches if launch["StartedTime"]}
            return done if len(done) == len(ids) else None

        return until("the launch", look, poll_s=0.2)

    def address(self, instance_id: str) -> str:
        """Return an instance's address."""
        return str(self.call("DescribeInstances", InstanceIds=[instance_id]).InstanceSet[0].PrivateIpAddresses[0])

    def stop(self, instance_id: str) -> None:
        """Power an instance off and wait until it is."""
        self.call("StopInstances", InstanceIds=[instance_id], StopType="HARD")
        until("the stop", lambda: self._state_of(instance_id) == "STOPPED" or None)

    def terminate(self, ids: Sequence[str]) -> None:
        """Terminate instances and wait until they are gone."""
        self.call("TerminateInstances", InstanceIds=list(ids))
        until("the end", lambda: not self.call("DescribeInstances", InstanceIds=list(ids)).InstanceSet or None, poll_s=0.2)

    def machine(self, instance_id: str) -> Path:
        """Return the folder in which the host keeps an instance."""
        return self._state / "instances" / instance_id

    def process(self, instance_id: str) -> int:
        """Return the number of an instance's QEMU process."""
        return int((self.machine(instance_id) / "qemu.pid").read_text())

    def executed_s(self, instance_id: str) -> float:
        """Return when an instance's QEMU was executed, as exact as the clock of the file system is (4 ms, or 10)."""
        return (self.machine(instance_id) / "qemu.pid").stat().st_mtime

    def command(self, instance_id: str) -> list[str]:
        """Return the command line of an instance's QEMU."""
        return Path(f"/proc/{self.process(instance_id)}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")

    def readers(self) -> Mapping[int, Mapping[str, Any]]:
        """Return who reads from the block server, by process."""
        return {reader["pid"]: reader for reader in self._blocks().stat()["readers"]}

    def drop_caches(self) -> None:
        """Have the block server, and where we may the kernel, forget what they hold in memory."""
        self._blocks().clear_cache()
        drop_page_cache()

    def call(self, action: str, **parameters: object) -> Any:  # noqa: ANN401  # the SDK is untyped
        """Call an action of cvm."""
        return self._operator.call(action, **parameters)

    def cbs(self, action: str, **parameters: object) -> Any:  # noqa: ANN401  # the SDK is untyped
        """Call an action of cbs."""
        return self._operator.cbs(action, **parameters)

    def store(self, region: str) -> Path:
        """Return the folder of a region's store."""
        return self._state / "stores" / region

    def call_own(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action of our own service."""
        return self._operator.call_own(action, **parameters)

    def _blocks(self) -> BlockServer:
        directory = Settings(state=self._state.resolve()).runtime / "blockd" / REGION
        return until("the block server", lambda: BlockServer.find(directory))

    def _named(self, name: str) -> str | None:
        found = self.call("DescribeImages", Filters=[{"Name": "image-name", "Values": [name]}]).ImageSet
        return str(found[0].ImageId) if found else None

    def _is_normal(self, image_id: str) -> bool:
        progress = self.call_own("DescribeImageProgress", ImageIds=[image_id])["ImageProgressSet"][0]
        if progress["ImageState"].endswith("FAILED"):
            raise SystemExit(f"image {image_id}: {progress['Failure']}")
        return bool(progress["ImageState"] == "NORMAL")

    def _state_of(self, instance_id: str) -> str:
        return str(self.call("DescribeInstances", InstanceIds=[instance_id]).InstanceSet[0].InstanceState)


@contextmanager
def opened_bed() -> Iterator[Bed]:
    """Give a running service on an empty state directory; in the end everything is ended and removed."""
    os.environ |= _ROOM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    folder = Path(tempfile.mkdtemp(prefix="linocut-bench-"))
    service = Service(folder)
    try:
        service.start()
        yield Bed(folder, service)
    finally:
        left = service.end()
        shutil.rmtree(folder, ignore_errors=True)
    if left:
        raise SystemExit("something was left running: " + "; ".join(left))


def drop_page_cache() -> None:
    """Have the kernel forget the files that it holds in memory, where we are root."""
    os.sync()
    with suppress(PermissionError):
        _DROP_CACHES.write_text("3\n")


class PlainGuests:
    """Guests with the very command line and priority of one of ours, but an overlay that qemu-img made on a local raw file."""

    def __init__(self, folder: Path, base: Path, command: Sequence[str], config_drive: Path, priority: int) -> None:
        self._folder = folder
        self._priority = priority
        self._base = base
        self._command = command
        self._config_drive = config_drive.read_bytes()
        self._count = 0

    @classmethod
    def like(cls, bed: Bed, image_id: str, base: Path) -> Self:
        """Return guests like those of an image, which the raw file holds as well."""
        call = bed.launch(image_id, 1)
        bed.await_running(call.ids)
        (model,) = call.ids
        priority = os.getpriority(os.PRIO_PROCESS, bed.process(model))
        peers = cls(bed.folder, base, bed.command(model), bed.machine(model) / "config.iso", priority)
        bed.terminate(call.ids)
        return peers

    @contextmanager
    def started(self) -> Iterator["PlainGuest"]:
        """Give a guest that has just been started, from nothing, as tools around libvirt do it; it is gone afterwards."""
        self._count += 1
        folder = self._folder / f"plain-{self._count}"
        command = _localized(self._command, self._base, f"{_PEER_ADDRESS}.{self._count // 250}.{self._count % 250 + 1}")
        asked_s = time.time()
        (folder / "guest").mkdir(parents=True)
        (folder / "config.iso").write_bytes(self._config_drive)
        overlay = next(match[0] for word in command if (match := re.search(r"disk-\w+\.qcow2", word)))
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self._base.resolve(), folder / overlay)
        traced = [*command, "-trace", "blk_co_preadv", "-D", "trace.log"]
        with (folder / "qemu.log").open("wb") as log:
            process = subprocess.Popen(traced, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.setpriority(os.PRIO_PROCESS, process.pid, self._priority)
        try:
            yield PlainGuest(folder, asked_s, time.time())
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder)


@dataclass(frozen=True)
class PlainGuest:
    """A guest without us; times in seconds since the epoch."""

    folder: Path
    asked_s: float
    executed_s: float

    def first_read_s(self) -> float:
        """Return when its QEMU first read from its disk, once it has."""
        return until("a plain QEMU's first read", self._traced)

    def _traced(self) -> float | None:
        with suppress(FileNotFoundError):
            found = re.search(r"@([\d.]+):blk_co_preadv", (self.folder / "trace.log").read_text(errors="replace"))
            return float(found[1]) if found else None
        return None


def _localized(command: Sequence[str], base: Path, address: str) -> list[str]:
    """Return a guest's command line with a local file for the tree, sockets of its own, and another address."""
    words = []
    for word in command:
        local = re.sub(r"(id=(\w+)),fd=\d+", r"\1,path=\2.sock", re.sub(r"tcp:127[.\d]+:", f"tcp:{address}:", word))
        if local.startswith("{") and (node := json.loads(local)).get("driver") == "nbd":
            file = {"driver": "file", "filename": str(base.resolve()), "read-only": True}
            local = json.dumps({"driver": "raw", "node-name": node["node-name"], "read-only": True, "file": file})
        words.append(local)
    return words
