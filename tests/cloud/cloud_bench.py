"""A cloud to test use cases on: a real catalog and store, machines in memory, workflows that run at once or wait."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from linocut.billing import PriceBook
from linocut.catalog import Catalog
from linocut.cloud import accounts, images, imaging, imports, launches
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.imports import ImportOrder
from linocut.cloud.launches import RunOrder
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.sealing import Seal
from linocut.cloud.workflows import durable
from linocut.cloud.workflows.durable import Progress
from linocut.machines import DiskTake, MachineSpec, MemoryMachines, Taken
from linocut.model.ids import DiskId, ImageId, InstanceId, Region, RootDigest, SecretId, SnapshotId
from linocut.model.records import Account, Disk, Image, Instance, Snapshot
from linocut.model.states import ImageState, InstanceState, OperationState
from linocut.settings import Settings

REGION = Region("ap-guangzhou")
ELSEWHERE = Region("ap-shanghai")
ZONE = "ap-guangzhou-3"
_FILLING = b"disk" * (1 << 18)
DISK = _FILLING[:510] + b"\x55\xaa" + _FILLING[512:]
"""A disk of 1 MiB that a BIOS would take for bootable."""


@dataclass
class Clock:
    """A clock that stands still unless it is moved."""

    at: datetime = datetime(2026, 11, 23, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Move on."""
        self.at += by


@dataclass
class DirectWorkflows:
    """Runs a workflow in the thread that starts it; or, while `held`, only takes note of it."""

    held: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    ended: set[tuple[str, str, str]] = field(default_factory=set)

    def start(self, name: str, resource: str, *, key: str = "") -> None:
        """See Workflows; a workflow that was started is not started again."""
        work = (name, resource, key)
        if work in self.asked:
            return
        self.asked.append(work)
        if not self.held:
            self.run(work)

    def run(self, work: tuple[str, str, str]) -> None:
        """Run a workflow to its end."""
        durable.WORKFLOWS[work[0]].__wrapped__(work[1])  # type: ignore[attr-defined]
        self.ended.add(work)

    def progress(self, name: str, resource: str, *, key: str = "") -> Progress:
        """Tell how far a workflow is."""
        work = (name, resource, key)
        if work in self.ended:
            return Progress.ENDED
        return Progress.UNDER_WAY if work in self.asked else Progress.UNKNOWN

    def is_under_way(self, name: str, resource: str, *, key: str) -> bool:
        """Tell whether a workflow goes on that was started with a key that begins so."""
        going = set(self.asked) - self.ended
        return any((one[0], one[1]) == (name, resource) and one[2].startswith(key) for one in going)


class TakenMachines(MemoryMachines):
    """Machines in memory of which some do not start."""

    def __init__(self) -> None:
        self.refused: Callable[[str, str], None] = lambda _verb, _instance_id: None
        self.taken: list[tuple[DiskTake, ...]] = []
        super().__init__(fault=self._ask)

    def take(self, instance_id: InstanceId, takes: Sequence[DiskTake], **how: Any) -> Taken:
        """See Machines; what was asked for is kept."""
        self.taken.append(tuple(takes))
        return super().take(instance_id, takes, **how)

    def _ask(self, verb: str, instance_id: str) -> None:
        self.refused(verb, instance_id)

    def prepared(self) -> list[MachineSpec]:
        """Return what was prepared."""
        return [self.spec(instance_id) for instance_id in self.list()]


class Bench:
    """A cloud with its accounts, and short words for what tests do with it."""

    def __init__(
        self, catalog: Catalog, stores: RegionStores, settings: Settings, root: RootDigest, clock: Clock | None = None
    ) -> None:
        self.clock = clock or Clock()
        self.workflows = DirectWorkflows()
        self.machines = TakenMachines()
        self.root = root
        self.cloud = Cloud(
            settings=settings,
            catalog=catalog,
            stores=stores,
            machines=self.machines,
            workflows=self.workflows,
            seal=Seal.of(settings),
            now=self.clock.now,
            randomness=random.SystemRandom(),
            stopping=lambda: False,
        )
        self._requests = count(1)
        self.operator = self.caller("operator")

    def change(self, **settings: Any) -> None:
        """Change settings."""
        self.cloud = replace(self.cloud, settings=replace(self.cloud.settings, **settings))
        durable._clouds[:] = [self.cloud]

    def price(self, prices: PriceBook) -> None:
        """Have other prices."""
        self.cloud = replace(self.cloud, prices=prices)
        durable._clouds[:] = [self.cloud]

    def caller(self, name: str, region: Region = REGION) -> Caller:
        """Return a caller of the account with this name, which is made if there is none."""
        if name == "operator":
            accounts.ensure_operator(self.cloud)
        known = {account.name: account for account in accounts.list_accounts(self.cloud)}
        account = known.get(name) or self._new_account(name)
        return Caller(account, SecretId("AKIDtest"), region, f"request-{next(self._requests)}", "127.0.0.1", "en-US")

    def _new_account(self, name: str) -> Account:
        new = accounts.create_account(self.cloud, name)
        return next(account for account in accounts.list_accounts(self.cloud) if account.uin == new.uin)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Have workflows wait."""
        before, self.workflows.held = self.workflows.held, True
        try:
            yield
        finally:
            self.workflows.held = before

    def importing(self, owner: Caller, name: str = "web", **order: Any) -> ImageId:
        """Begin an import that goes no further."""
        with self.holding():
            image_id = imports.import_image(self.cloud, owner, import_order(name, **order))
        assert image_id is not None
        return image_id

    def image(self, owner: Caller, name: str = "web", **order: Any) -> ImageId:
        """Return an image in the state NORMAL, of a small disk that is in the store."""
        image_id = self.importing(owner, name, **order)
        with self.cloud.catalog.begin() as tx:
            image = tx.images.find(image_id)
            assert image is not None
            for snapshot in tx.images.snapshots_of(image_id):
                tx.snapshots.finish(snapshot.snapshot_id, self.root, 1 << 20)
            tx.images.move(image, ImageState.NORMAL, percent=100, size_gb=1)
        self.workflows.ended.add(("import-image", image_id, ""))
        return image_id

    def image_in(self, owner: Caller, state: ImageState, name: str = "web") -> ImageId:
        """Return an image in any state."""
        match state:
            case ImageState.NORMAL:
                return self.image(owner, name)
            case ImageState.CREATING | ImageState.CREATEFAILED:
                return self._creating(owner, state, name)
            case ImageState.SYNCING | ImageState.EXPORTING:
                return self._moved_on(self.image(owner, name), state)
        image_id = self.importing(owner, name)
        if state is not ImageState.IMPORTING:
            with self.cloud.catalog.begin() as tx:
                tx.images.move(self.image_row(image_id), state, failure="It broke.")
        return image_id

    def _moved_on(self, image_id: ImageId, state: ImageState) -> ImageId:
        with self.cloud.catalog.begin() as tx:
            tx.images.move(self.image_row(image_id), state)
        return image_id

    def _creating(self, owner: Caller, state: ImageState, name: str) -> ImageId:
        instance_id = self.instance(owner, self.image(owner, f"{name}-origin"))
        with self.holding():
            image_id = imaging.create_image(self.cloud, owner, imaging.CreateOrder(name, instance_id))
        assert image_id is not None
        if state is not ImageState.CREATING:
            with self.cloud.catalog.begin() as tx:
                tx.images.move(self.image_row(image_id), state, failure="It broke.")
        return image_id

    def instance(self, owner: Caller, image_id: ImageId | None = None, **order: Any) -> InstanceId:
        """Return an instance that runs."""
        found = image_id or self.image(owner, f"image-{next(self._requests)}")
        (instance_id,) = launches.run_instances(self.cloud, owner, run_order(found, **order))
        assert self.instance_row(instance_id).state is InstanceState.RUNNING
        return instance_id

    def instance_in(self, owner: Caller, state: InstanceState, operation: OperationState = OperationState.SUCCESS) -> InstanceId:
        """Return an instance in any state, as if its latest operation stood so."""
        instance_id = self.instance(owner)
        paths = {
            InstanceState.RUNNING: (),
            InstanceState.STOPPED: (InstanceState.STOPPED,),
            InstanceState.STARTING: (InstanceState.STOPPED, InstanceState.STARTING),
        }
        if state in {InstanceState.PENDING, InstanceState.LAUNCH_FAILED}:
            with self.holding():
                (instance_id,) = launches.run_instances(self.cloud, owner, run_order(self.instance_row(instance_id).image_id))
            paths |= {InstanceState.PENDING: (), InstanceState.LAUNCH_FAILED: (state,)}
        for step in paths.get(state, (state,)):
            with self.cloud.catalog.begin() as tx:
                tx.instances.move(self.instance_row(instance_id), step)
        with self.cloud.catalog.begin() as tx:
            tx.instances.update(self.instance_row(instance_id), latest_operation_state=operation)
        return instance_id

    def image_row(self, image_id: str) -> Image:
        """Return an image as the catalog has it."""
        with self.cloud.catalog.read() as tx:
            found = tx.images.find(ImageId(image_id))
        assert found is not None
        return found

    def instance_row(self, instance_id: str) -> Instance:
        """Return an instance as the catalog has it."""
        with self.cloud.catalog.read() as tx:
            found = tx.instances.find(InstanceId(instance_id))
        assert found is not None
        return found

    def disks_of(self, instance_id: InstanceId) -> tuple[Disk, ...]:
        """Return the disks of an instance, the system disk first."""
        with self.cloud.catalog.read() as tx:
            return tx.disks.of([instance_id])[instance_id]

    def disk_row(self, disk_id: DiskId) -> Disk:
        """Return a disk as the catalog has it."""
        with self.cloud.catalog.read() as tx:
            found = tx.disks.get(disk_id)
        assert found is not None
        return found

    def snapshot_row(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot as the catalog has it."""
        with self.cloud.catalog.read() as tx:
            found = tx.snapshots.get(SnapshotId(snapshot_id))
        assert found is not None
        return found

    def snapshots(self, owner: Caller) -> set[str]:
        """Return the ids of the snapshots that an account has, in whatever state, which are of no image."""
        with self.cloud.catalog.read() as tx:
            mine = tx.snapshots.owned(owner.account.uin, owner.region)
            return {one.snapshot_id for one in mine if not tx.snapshots.images_of(one.snapshot_id)}

    def rows(self) -> tuple[object, ...]:
        """Return all images and instances."""
        with self.cloud.catalog.read() as tx:
            return tx.images.in_states(ImageState), tx.instances.in_states(InstanceState)

    def image_names(self, caller: Caller) -> set[str]:
        """Return the names of the images that a caller sees."""
        query = images.ImageQuery(ids=None, filters={}, offset=0, limit=100, instance_type=None)
        return {visible.image.name for visible in images.list_images(self.cloud, caller, query).items}


def import_order(name: str = "web", **changes: Any) -> ImportOrder:
    """Return an order to import an image."""
    order = ImportOrder(name, "http://127.0.0.1:1/disk.raw", "x86_64", "Debian", "12")
    return replace(order, **changes)


def run_order(image_id: str, **changes: Any) -> RunOrder:
    """Return an order to start an instance."""
    return replace(RunOrder(image_id, ZONE), **changes)
