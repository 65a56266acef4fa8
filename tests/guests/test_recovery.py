"""Real guests that are backed up, broken and brought back, and a disk of which many snapshots are taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from served_guests import Cloud, Guest, until

from linocut.blocks import RegionStore
from linocut.catalog import Catalog
from linocut.model.ids import Region, SnapshotId

_REGION: Final = Region("ap-guangzhou")
_MANY: Final = 30
_SECTOR: Final = 512

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


def await_snapshot(cloud: Cloud, disk_id: str, **more: object) -> str:
    """Take a snapshot of a disk, and return it when it is there."""
    snapshot_id = str(cloud.wire.call_cbs("CreateSnapshot", DiskId=disk_id, **more)["SnapshotId"])

    def look() -> bool | None:
        [found] = cloud.wire.call_cbs("DescribeSnapshots", SnapshotIds=[snapshot_id])["SnapshotSet"]
        return found["SnapshotState"] == "NORMAL" or None

    until(f"{snapshot_id} is there", look)
    return snapshot_id


def disks(cloud: Cloud, instance_id: str) -> tuple[str, str]:
    """Return the system disk and the data disk of an instance."""
    [found] = cloud.wire.call("DescribeInstances", InstanceIds=[instance_id])["InstanceSet"]
    return str(found["SystemDisk"]["DiskId"]), str(found["DataDisks"][0]["DiskId"])


@contextmanager
def catalog(cloud: Cloud) -> Iterator[Catalog]:
    """Open the service's catalog beside it."""
    found = Catalog.open(f"sqlite:///{cloud.folder}/state/linocut.db")
    yield found
    found.close()


def read(cloud: Cloud, snapshot_ids: list[str], size: int) -> list[bytes]:
    """Return the first bytes of what each snapshot holds."""
    with catalog(cloud) as opened, opened.read() as tx:
        roots = [tx.snapshots.get(SnapshotId(snapshot_id)) for snapshot_id in snapshot_ids]
    with RegionStore.open(f"file://{cloud.folder}/state/stores/{_REGION}") as store:
        return [store.tree(one.root).read(0, size) for one in roots if one is not None and one.root is not None]


def test_a_server_that_lost_its_system_comes_back_from_its_snapshot_and_from_an_image(cloud: Cloud) -> None:
    instance_id = cloud.run(DataDisks=[{"DiskSize": 10}])
    guest = cloud.guest(instance_id)
    system, _ = disks(cloud, instance_id)
    guest.run("echo before >/state/work; sync")
    guest.run("mke2fs -q /dev/vdb 2>/dev/null; mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data")
    snapshot_id = await_snapshot(cloud, system)
    guest.run("echo after >/state/work; echo written later >/run/data/file; umount /run/data; sync")
    image_id = cloud.wire.call("CreateImage", SnapshotIds=[snapshot_id], ImageName="backup")["ImageId"]

    def lose_the_system() -> None:
        guest.run("(sleep 1; exec /bin/busybox rm -rf /bin /sbin /lib /etc /www) >/dev/null 2>&1 &")
        until("it is broken", lambda: _is_broken(guest) or None)

    lose_the_system()
    power = {"AutoStopInstance": True, "AutoStartInstance": True}
    cloud.wire.call_cbs("ApplySnapshot", SnapshotId=snapshot_id, DiskId=system, **power)
    guest = cloud.guest(instance_id)
    assert guest.run("cat /state/work") == "before"
    assert guest.run("mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data; cat /run/data/file") == "written later"
    guest.run("umount /run/data")

    lose_the_system()
    cloud.wire.call("ResetInstance", InstanceId=instance_id, ImageId=image_id)
    guest = cloud.guest(instance_id)
    assert guest.run("cat /state/work") == "before"
    assert guest.run("mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data; cat /run/data/file") == "written later"
    cloud.wire.call("TerminateInstances", InstanceIds=[instance_id])


def test_of_many_snapshots_each_holds_its_moment_whichever_others_are_deleted(cloud: Cloud) -> None:
    instance_id = cloud.run(DataDisks=[{"DiskSize": 10}])
    guest = cloud.guest(instance_id)
    _, data = disks(cloud, instance_id)
    taken = []
    for number in range(_MANY):
        guest.run(f"printf 'moment {number:03}' | dd of=/dev/vdb bs={_SECTOR} seek={number} conv=notrunc 2>/dev/null; sync")
        taken.append(await_snapshot(cloud, data))
        if number == _MANY // 2:
            guest = _restarted(cloud, instance_id)

    def moment(last: int) -> bytes:
        written = [f"moment {number:03}".encode().ljust(_SECTOR, b"\0") for number in range(last + 1)]
        return b"".join(written).ljust(_MANY * _SECTOR, b"\0")

    assert read(cloud, taken, _MANY * _SECTOR) == [moment(number) for number in range(_MANY)]

    kept = [0, 7, _MANY - 1]
    cloud.wire.call_cbs("DeleteSnapshots", SnapshotIds=[one for number, one in enumerate(taken) if number not in kept])
    with catalog(cloud) as opened, opened.read() as tx:
        live = tx.snapshots.live_roots(_REGION)
    with RegionStore.open(f"file://{cloud.folder}/state/stores/{_REGION}") as store:
        assert store.verify(live).is_sound
    assert read(cloud, [taken[number] for number in kept], _MANY * _SECTOR) == [moment(number) for number in kept]
    _apply(cloud, taken[0], data)
    guest = cloud.guest(instance_id)
    assert guest.run(f"dd if=/dev/vdb bs={_SECTOR} count=2 2>/dev/null | tr -d '\\0'") == "moment 000"
    cloud.wire.call("TerminateInstances", InstanceIds=[instance_id])


def _is_broken(guest: Guest) -> bool:
    """Tell whether a guest runs no program any more, though its web server may still be in memory."""
    try:
        return not guest.answers()
    except KeyError:  # it answers without having run anything
        return True


def _restarted(cloud: Cloud, instance_id: str) -> Guest:
    cloud.wire.call("RebootInstances", InstanceIds=[instance_id], StopType="SOFT_FIRST")
    return cloud.guest(instance_id)


def _apply(cloud: Cloud, snapshot_id: str, disk_id: str) -> None:
    power = {"AutoStopInstance": True, "AutoStartInstance": True}
    cloud.wire.call_cbs("ApplySnapshot", SnapshotId=snapshot_id, DiskId=disk_id, **power)
