"""A service on a state directory of its own, what tests do with it, and what must never be left behind."""

import base64
import functools
import itertools
import json
import os
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from guest_disk import guest_disk
from service_process import ServiceProcess, wait_until

from linocut.blocks import BlockServer, RegionStore, Tree
from linocut.catalog import Catalog
from linocut.cli.failures import CommandFailed
from linocut.cli.uploads import upload
from linocut.cli.wire import Wire
from linocut.model.ids import DiskId, ImageId, InstanceId, Region, RootDigest, SnapshotId
from linocut.model.records import DiskUsage
from linocut.model.states import DiskState, ImageState, InstanceState, OperationState, SnapshotState
from linocut.settings import Settings

REGION: Final = Region("ap-guangzhou")
ELSEWHERE: Final = Region("ap-shanghai")
ZONE: Final = "ap-guangzhou-3"
_SETTINGS: Final = {
    "accelerator": "tcg",
    "fetch_allow": "127.0.0.0/8",
    "shutdown_timeout_s": "0.3",
    "host_vcpus": "8",
    "host_memory_mb": "8192",
    "block_cache_mb": "16",
}
_UNDER_WAY: Final = ("PENDING", "ENQUEUED", "DELAYED")
_RUNNING_ON: Final = frozenset({ImageState.IMPORTING, ImageState.CREATING, ImageState.SYNCING, ImageState.EXPORTING})
_DISK_SETTLED: Final = frozenset({DiskState.ATTACHED, DiskState.UNATTACHED})
_SETTLED: Final = frozenset({InstanceState.RUNNING, InstanceState.STOPPED, InstanceState.LAUNCH_FAILED})


class Files:
    """An HTTP server on loopback that serves the files of a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_FileHandler, directory))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, name: str) -> str:
        """Return the URL of a file."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def close(self) -> None:
        """End serving."""
        self._server.shutdown()
        self._server.server_close()


class _FileHandler(BaseHTTPRequestHandler):
    def __init__(self, directory: Path, request: Any, client: Any, server: socketserver.BaseServer) -> None:
        self._directory = directory
        super().__init__(request, client, server)

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            file = self._directory / self.path.removeprefix("/")
            if not file.is_file():
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            self.wfile.write(file.read_bytes())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class World:
    """A service, its state and its clients."""

    def __init__(self, folder: Path, *, store_mib: int = 0) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.log = folder / "service.log"
        self.files = Files(folder)
        self.is_spoilt = True
        self._store_mib = store_mib
        self.service: ServiceProcess | None = None
        self._names = iter(range(1, 10_000))
        guest_disk(folder / "guest.raw")
        convert = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c"]
        subprocess.run([*convert, folder / "guest.raw", folder / "guest.qcow2"], check=True)
        reaching_out = [
            "qemu-img",
            "create",
            "-q",
            "-u",
            "-f",
            "qcow2",
            "-b",
            "/etc/passwd",
            "-F",
            "raw",
            folder / "unsafe.qcow2",
            "4M",
        ]
        subprocess.run(reaching_out, check=True)
        self.log.touch()

    # The service's life

    def start(self, *, crash_at: str = "", wait: bool = True) -> None:
        """Start the service; with `crash_at` it kills itself there."""
        self.service = ServiceProcess(self.state, self.log, {**_SETTINGS, "crash_at": crash_at}, store_mib=self._store_mib)
        if wait:
            self._connect()

    def kill(self) -> None:
        """Kill the service."""
        self.service.send(signal.SIGKILL)
        assert self.service.await_end() == -signal.SIGKILL

    def end(self) -> None:
        """End the service as its operator would."""
        self.service.send(signal.SIGTERM)
        assert self.service.await_end() == 0

    @contextmanager
    def remembering_failures(self, said: list[str]) -> Iterator[None]:
        """Add what the service logs of failures to a list, whatever else becomes of its log."""
        begin = self.log.stat().st_size
        try:
            yield
        finally:
            with self.log.open("rb") as log:
                log.seek(begin)
                lines = log.read().decode(errors="replace").splitlines()
            said += [line for line in lines if '"level": "warning"' in line or '"level": "error"' in line or "failed" in line]

    def await_crash(self) -> None:
        """Wait until the service has killed itself."""
        assert self.service.await_end() == -signal.SIGKILL, "it ended, but not where it was told to"

    def close(self) -> None:
        """End every process of this state directory."""
        self.files.close()
        if self.service is not None:
            self.service.close()
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(Settings(state=self.state).runtime, ignore_errors=True)

    def _connect(self) -> None:
        endpoint = self.service.await_listening()
        held = json.loads((self.state / "credentials.json").read_text())
        self.wire = Wire(endpoint, (held["SecretId"], held["SecretKey"]), REGION)

    # What users do

    def call(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call a CVM action."""
        return self.wire.call(action, **parameters)

    def call_vpc(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call a VPC action."""
        return self.wire._call(("vpc", "2017-03-12"), action, parameters)

    def call_cbs(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call a CBS action."""
        return self.wire.call_cbs(action, **parameters)

    def new_disk(self) -> str:
        """Return a blank disk of 10 GB that is attached to nothing."""
        order = {"Placement": {"Zone": ZONE}, "DiskChargeType": "POSTPAID_BY_HOUR", "DiskType": "CLOUD_SSD", "DiskSize": 10}
        return str(self.call_cbs("CreateDisks", **order)["DiskIdSet"][0])

    def attached_disk(self, instance_id: str) -> str:
        """Return a new disk that is attached to an instance."""
        disk_id = self.new_disk()
        self.call_cbs("AttachDisks", InstanceId=instance_id, DiskIds=[disk_id])
        assert self.await_disk(disk_id) == DiskState.ATTACHED
        return disk_id

    def call_own(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action of the service's own."""
        return self.wire.call_own(action, **parameters)

    def import_image(self, url: str) -> str:
        """Begin an import and return the image's id."""
        answer = self.call(
            "ImportImage",
            Architecture="x86_64",
            OsType="Debian",
            OsVersion="12",
            ImageUrl=url,
            ImageName=self.new_name("import"),
        )
        return str(answer["ImageId"])

    def upload(self, name: str) -> str:
        """Bring a file of the folder to the service and return the URL to import it from."""
        return upload(self.wire, self.folder / name)

    def create_image(self, instance_id: str, *, force_poweroff: bool = False) -> str:
        """Begin to take an image of an instance and return its id."""
        power = "TRUE" if force_poweroff else "FALSE"
        answer = self.call("CreateImage", InstanceId=instance_id, ImageName=self.new_name("create"), ForcePoweroff=power)
        return str(answer["ImageId"])

    def copy_image(self, image_id: str) -> str:
        """Begin to copy an image to another region and return the copy's id."""
        answer = self.call("SyncImages", ImageIds=[image_id], DestinationRegions=[ELSEWHERE], ImageSetRequired=True)
        return str(answer["ImageSet"][0]["ImageId"])

    def elsewhere(self) -> Wire:
        """Return the wire to another region."""
        held = json.loads((self.state / "credentials.json").read_text())
        return Wire(self.wire.endpoint, (held["SecretId"], held["SecretKey"]), ELSEWHERE)

    def run(self, image_id: str, *, count: int = 1) -> list[str]:
        """Begin to start instances and return their ids."""
        answer = self.call("RunInstances", ImageId=image_id, InstanceCount=count, Placement={"Zone": ZONE})
        return [str(instance_id) for instance_id in answer["InstanceIdSet"]]

    def new_name(self, kind: str) -> str:
        """Return a name that nothing has yet."""
        return f"{kind}-{next(self._names)}"

    def populate(self) -> None:
        """Start the service, import an image and run an instance of it."""
        self.start()
        self.base = self.import_image(self.files.url("guest.raw"))
        assert self.await_image(self.base) == "NORMAL"
        (instance_id,) = self.run(self.base)
        assert self.await_instance(instance_id) == "RUNNING"
        self.await_console(instance_id, b"d.")

    def running(self) -> list[str]:
        """Return the instances that run."""
        return [str(each["InstanceId"]) for each in self.instances() if each["InstanceState"] == InstanceState.RUNNING]

    def running_one(self) -> str:
        """Return the one instance that runs."""
        (instance_id,) = self.running()
        return instance_id

    def stopped_one(self) -> str:
        """Return the one instance, stopped."""
        (instance_id,) = self.running()
        self.call("StopInstances", InstanceIds=[instance_id], StopType="HARD")
        assert self.await_instance(instance_id) == InstanceState.STOPPED
        return instance_id

    def another_one(self) -> str:
        """Return a second instance, running."""
        (instance_id,) = self.run(self.base)
        assert self.await_instance(instance_id) == InstanceState.RUNNING
        return instance_id

    def power_on(self, instance_id: str) -> None:
        """Start a stopped instance."""
        self.call("StartInstances", InstanceIds=[instance_id])
        assert self.await_instance(instance_id) == InstanceState.RUNNING

    def forget_failed_launches(self) -> None:
        """Drop the rows of launches that failed, as the caretaker does after an hour."""
        with self.catalog() as catalog, catalog.begin() as tx:
            for instance in tx.instances.in_states([InstanceState.LAUNCH_FAILED]):
                tx.instances.remove(instance.instance_id)

    def image(self, image_id: str) -> dict[str, Any] | None:
        """Return an image as its owner sees it, or None."""
        found = self.call("DescribeImages", ImageIds=[image_id])["ImageSet"]
        return found[0] if found else None

    def failure(self, image_id: str) -> str:
        """Return why an image did not come to be."""
        return str(self.wire.call_own("DescribeImageProgress", ImageIds=[image_id])["ImageProgressSet"][0]["Failure"])

    def instance(self, instance_id: str) -> dict[str, Any] | None:
        """Return an instance as its owner sees it, or None."""
        found = self.call("DescribeInstances", InstanceIds=[instance_id])["InstanceSet"]
        return found[0] if found else None

    def instance_of(self, instance_id: str) -> dict[str, Any]:
        """Return an instance that exists."""
        found = self.instance(instance_id)
        assert found is not None
        return found

    def instances(self) -> list[dict[str, Any]]:
        """Return all instances."""
        return list(self.wire.pages("DescribeInstances", "InstanceSet"))

    def images(self) -> list[dict[str, Any]]:
        """Return all images."""
        return list(self.wire.pages("DescribeImages", "ImageSet"))

    def await_image(self, image_id: str) -> str:
        """Return the state that an image comes to."""

        def look() -> str | None:
            image = self.image(image_id)
            assert image is not None
            return None if image["ImageState"] in _RUNNING_ON else str(image["ImageState"])

        return wait_until(f"{image_id} settles", look)

    def await_instance(self, instance_id: str) -> str:
        """Return the state that an instance comes to, `GONE` where it ends."""

        def look() -> str | None:
            instance = self.instance(instance_id)
            if instance is None:
                return "GONE"
            is_still = instance["LatestOperationState"] != OperationState.OPERATING
            return str(instance["InstanceState"]) if is_still and instance["InstanceState"] in _SETTLED else None

        return wait_until(f"{instance_id} settles", look)

    def disk(self, disk_id: str) -> dict[str, Any] | None:
        """Return a disk as its owner sees it, or None."""
        found = self.call_cbs("DescribeDisks", DiskIds=[disk_id])["DiskSet"]
        return found[0] if found else None

    def await_disk(self, disk_id: str) -> str:
        """Return the state that a disk comes to."""

        def look() -> str | None:
            disk = self.disk(disk_id)
            assert disk is not None
            return str(disk["DiskState"]) if disk["DiskState"] in _DISK_SETTLED else None

        return wait_until(f"{disk_id} settles", look)

    def await_console(self, instance_id: str, wanted: bytes) -> None:
        """Wait until a guest prints something that it has not printed before."""
        offset = self.console(instance_id)[1]
        wait_until(f"{instance_id} prints {wanted!r}", lambda: wanted in self.console(instance_id, offset)[0])

    def console(self, instance_id: str, offset: int = 0) -> tuple[bytes, int]:
        """Return what a guest has printed from an offset on, and where that ends."""
        answer = self.wire.call_own("DescribeInstanceConsole", InstanceId=instance_id, Offset=offset)
        return base64.b64decode(answer["Output"]), int(answer["NextOffset"])

    # What is there

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """Open the catalog beside the service."""
        with closing(Catalog.open(f"sqlite:///{self.state}/linocut.db")) as catalog:
            yield catalog

    @contextmanager
    def store(self, region: Region = REGION) -> Iterator[RegionStore]:
        """Open a region store beside the service."""
        with RegionStore.open(f"file://{self.state}/stores/{region}") as store:
            yield store

    @contextmanager
    def tree(self, image_id: str, region: Region = REGION) -> Iterator[Tree]:
        """Open the tree of an image's system disk."""
        with self.store(region) as store:
            yield store.tree(self.root(image_id))

    @contextmanager
    def tree_of(self, snapshot_id: str) -> Iterator[Tree]:
        """Open the tree of a snapshot."""
        with self.catalog() as catalog, catalog.read() as tx:
            snapshot = tx.snapshots.get(SnapshotId(snapshot_id))
        assert snapshot is not None
        assert snapshot.root is not None
        with self.store() as store:
            yield store.tree(snapshot.root)

    def loose_disk(self) -> str:
        """Return a disk on the base image that has no instance, as if it had had one."""
        instance_id, root = InstanceId(self.running_one()), self.root(self.base)
        with self.catalog() as catalog, catalog.begin() as tx:
            model = tx.disks.of([instance_id])[instance_id][0]
            disk = replace(
                model,
                disk_id=DiskId(f"disk-{next(self._names):08}"),
                instance_id=None,
                last_instance=InstanceId("ins-00000000"),
                usage=DiskUsage.DATA_DISK,
                state=DiskState.UNATTACHED,
                base_root=root,
                synced_root=None,
                synced_mark=None,
                portable=True,
            )
            tx.disks.add_all([disk])
        return disk.disk_id

    def forget_disk(self, disk_id: str) -> None:
        """Remove a loose disk and what the host keeps of it."""
        with self.catalog() as catalog, catalog.begin() as tx:
            tx.disks.remove([DiskId(disk_id)])
        for kept in self.state.rglob(disk_id):
            shutil.rmtree(kept)

    def root(self, image_id: str) -> RootDigest:
        """Return the root of an image's system disk."""
        with self.catalog() as catalog, catalog.read() as tx:
            snapshots = tx.images.snapshots_of(ImageId(image_id))
        root = next(snapshot.root for snapshot in snapshots if snapshot.usage is DiskUsage.SYSTEM_DISK)
        assert root is not None
        return root

    def object_of(self, digest: str, kind: str = "trees") -> Path:
        """Return the file of an object in the region store."""
        return self.state / "stores" / REGION / kind / digest[:2] / digest

    def block_server(self) -> BlockServer:
        """Return the block server that runs."""
        server = BlockServer.find(Settings(state=self.state).runtime / "blockd" / REGION)
        assert server is not None
        return server

    def has_block_server(self) -> bool:
        """Tell whether a block server runs."""
        return BlockServer.find(Settings(state=self.state).runtime / "blockd" / REGION) is not None

    def machine(self, instance_id: str) -> dict[str, Any]:
        """Return what the host keeps of an instance's machine."""
        record = json.loads((self.state / "instances" / instance_id / "machine.json").read_bytes())
        spec: dict[str, Any] = record["spec"]
        return spec

    def loose(self) -> set[DiskId]:
        """Return the disks that the host keeps for no machine."""
        folder = self.state / "disks"
        return {DiskId(entry.name) for entry in folder.iterdir()} if folder.is_dir() else set()

    def qemu_of(self, instance_id: str) -> int:
        """Return the process of an instance."""
        return int((self.state / "instances" / instance_id / "qemu.pid").read_text())

    def processes(self) -> dict[int, str]:
        """Return every process that works in or on the state directory, with its command."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    opened = [str(link.readlink()) for link in (entry / "fd").iterdir()]
                    places = [command, str((entry / "cwd").readlink()), *opened]
                    if command and any(f"{self.state}/" in place for place in places):
                        found[int(entry.name)] = command
        return found

    # What must be so whenever nothing is under way

    def await_rest(self) -> None:
        """Wait until no workflow is under way and no row in transition."""
        wait_until("no workflow is under way", lambda: not self._workflows_under_way())
        wait_until("no row is in transition", lambda: not self.rows_in_transition())

    def rows_in_transition(self) -> list[str]:
        """Return what the catalog says is under way."""
        with self.catalog() as catalog, catalog.read() as tx:
            images: list[str] = [image.image_id for image in tx.images.in_states(_RUNNING_ON)]
            images += [copy.snapshot_id for copy in tx.snapshot_copies.all()]
            images += [one.snapshot_id for one in tx.snapshots.unfinished()]
            failed = {instance.instance_id for instance in tx.instances.in_states([InstanceState.LAUNCH_FAILED])}
            moving = tx.disks.in_states(set(DiskState) - _DISK_SETTLED)
            images += [disk.disk_id for disk in moving if disk.instance_id not in failed]  # those go with their instance
            return images + [
                instance.instance_id
                for instance in tx.instances.in_states(InstanceState)
                if instance.state not in _SETTLED or instance.latest_operation_state is OperationState.OPERATING
            ]

    def _workflows_under_way(self) -> int:
        with closing(sqlite3.connect(self.state / "workflows.db")) as connection:
            marks = ", ".join("?" * len(_UNDER_WAY))
            query = f"SELECT count(*) FROM workflow_status WHERE status IN ({marks})"  # noqa: S608  constants
            return int(connection.execute(query, _UNDER_WAY).fetchone()[0])

    def assert_nothing_leaked(self) -> None:
        """Assert that files, processes, rows and objects are those of the images and instances that exist."""
        with self.catalog() as catalog, catalog.read() as tx:
            instances = {instance.instance_id: instance.state for instance in tx.instances.in_states(InstanceState)}
            live = tx.snapshots.live_roots(REGION)
            images = tx.images.in_states(ImageState)
            snapshots = {image.image_id: tx.images.snapshots_of(image.image_id) for image in images}
            live_elsewhere = tx.snapshots.live_roots(ELSEWHERE)
            assert tx.copies.under_way() == ()
            assert tx.snapshot_copies.all() == ()
            assert tx.tasks.running() == ()
            without_instance = {disk.disk_id for disk in tx.disks.in_states(DiskState) if disk.instance_id is None}
        assert self.loose() <= without_instance
        self._assert_files({name for name, state in instances.items() if state is not InstanceState.LAUNCH_FAILED})
        self._assert_processes({name for name, state in instances.items() if state is InstanceState.RUNNING})
        for image in images:
            done = image.state is ImageState.NORMAL
            assert all((one.state is SnapshotState.NORMAL) == done == (one.root is not None) for one in snapshots[image.image_id])
        for region, roots in ((REGION, live), (ELSEWHERE, live_elsewhere)):
            with self.store(region) as store:
                report = store.verify(roots)
                assert not any(store.is_arriving(root) for root in roots)
            assert report.is_sound, report
        assert self.block_server().stat()["ingests"] == 0

    def _assert_files(self, instances: set[InstanceId]) -> None:
        assert {entry.name for entry in (self.state / "instances").iterdir()} == instances
        for name in ("imports", "exports", "buckets/.incoming"):
            folder = self.state / name
            assert not folder.exists() or list(folder.iterdir()) == [], name
        assert list((self.state / "uploads").iterdir()) == []

    def _assert_processes(self, running: set[InstanceId]) -> None:
        def strange() -> list[str]:
            commands = [command for process, command in self.processes().items() if process != self.service.pid]
            wanted = [f"-name {instance_id} " for instance_id in running] + ["-m linocut.blocks.server "]
            unknown = [command for command in commands if not any(mark in command for mark in wanted)]
            missing = [mark for mark in wanted if sum(mark in command for command in commands) != 1]
            return unknown + missing

        with suppress(AssertionError):
            wait_until("processes end", lambda: not strange(), 2.0)
        assert strange() == []


def attempt(function: Any, *arguments: object, **options: object) -> Any:
    """Call a function and return what it gives, None where the service dies under the call."""
    with suppress(CommandFailed):
        return function(*arguments, **options)
    return None


class Worlds:
    """Up to `size` worlds at rest, lent to one test at a time each; one that a test leaves spoilt is not lent again."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._places = threading.Semaphore(size)
        self._idle: list[World] = []

    @contextmanager
    def lend(self) -> Iterator[World]:
        """Give a world with one image and one running instance of it; who gets it says whether it is still in order."""
        with self._places:
            world = self._idle.pop() if self._idle else self._new()
            world.is_spoilt = True
            try:
                yield world
            finally:
                if world.is_spoilt:
                    world.close()
                else:
                    self._idle.append(world)

    def close(self) -> None:
        """End all of them."""
        while self._idle:
            self._idle.pop().close()

    def _new(self) -> World:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        world = World(folder)
        try:
            world.populate()
        except BaseException:
            world.close()
            raise
        return world
