"""Disks that real guests write to and pass on, grow, and are given in batches, over the wire of a real service."""

from typing import Any, Final

import pytest
from served_guests import ZONE, Cloud, Guest, until

_BATCH: Final = 4

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


def disk(cloud: Cloud, disk_id: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.wire.call_cbs("DescribeDisks", DiskIds=[disk_id])["DiskSet"][0]
    return found


def data_disk(cloud: Cloud, instance_id: str) -> str:
    """Return the one data disk of an instance."""
    [found] = cloud.wire.call("DescribeInstances", InstanceIds=[instance_id])["InstanceSet"][0]["DataDisks"]
    return str(found["DiskId"])


def await_disk(cloud: Cloud, disk_id: str, state: str) -> None:
    until(f"{disk_id} is {state}", lambda: disk(cloud, disk_id)["DiskState"] == state or None)


def device(guest: Guest, disk_id: str) -> str:
    """Return what a guest calls a disk, nothing where it has none of that id."""
    return guest.run(f"grep -l {disk_id} /sys/block/vd*/serial | cut -d/ -f4")


def await_size(guest: Guest, disk_id: str, size_gb: int) -> None:
    """Wait until a guest sees a disk with this size; 0 is no such disk."""

    def look() -> bool | None:
        name = device(guest, disk_id)
        blocks = guest.run(f"cat /sys/block/{name}/size") if name else "0"
        return int(blocks) == (size_gb << 30) // 512 or None

    until(f"the guest sees {disk_id} with {size_gb} GB: {guest.run('ls /sys/block')}", look)


def mount(guest: Guest, disk_id: str) -> str:
    """Return the words that mount a disk of a guest."""
    return f"mkdir -p /run/data; mount -t ext2 /dev/{device(guest, disk_id)} /run/data"


def test_what_one_guest_wrote_to_a_disk_another_reads_and_sees_it_grow(cloud: Cloud) -> None:
    order = {"Placement": {"Zone": ZONE}, "DiskChargeType": "POSTPAID_BY_HOUR", "DiskType": "CLOUD_SSD", "DiskSize": 10}
    [disk_id] = cloud.wire.call_cbs("CreateDisks", **order)["DiskIdSet"]
    first, second = cloud.run_all(InstanceCount=2)
    writer, reader = cloud.guest(first), cloud.guest(second)

    cloud.wire.call_cbs("AttachDisks", InstanceId=first, DiskIds=[disk_id])
    await_disk(cloud, disk_id, "ATTACHED")
    await_size(writer, disk_id, 10)
    writer.run(f"mke2fs -q /dev/{device(writer, disk_id)} 2>/dev/null")
    writer.run(f"{mount(writer, disk_id)}; echo passed on >/run/data/file; umount /run/data; sync")
    cloud.wire.call_cbs("DetachDisks", DiskIds=[disk_id])
    await_disk(cloud, disk_id, "UNATTACHED")
    await_size(writer, disk_id, 0)
    cloud.wire.call_cbs("AttachDisks", InstanceId=second, DiskIds=[disk_id])
    await_disk(cloud, disk_id, "ATTACHED")
    await_size(reader, disk_id, 10)
    assert reader.run(f"{mount(reader, disk_id)}; cat /run/data/file") == "passed on"

    cloud.wire.call_cbs("ResizeDisk", DiskId=disk_id, DiskSize=20)
    await_disk(cloud, disk_id, "ATTACHED")
    await_size(reader, disk_id, 20)
    assert reader.run("cat /run/data/file; umount /run/data; sync") == "passed on"

    cloud.wire.call("TerminateInstances", InstanceIds=[second])
    await_disk(cloud, disk_id, "UNATTACHED")
    cloud.wire.call("StopInstances", InstanceIds=[first], StopType="SOFT_FIRST")
    until(
        "it is off",
        lambda: cloud.wire.call("DescribeInstances", InstanceIds=[first])["InstanceSet"][0]["InstanceState"] == "STOPPED" or None,
    )
    cloud.wire.call_cbs("AttachDisks", InstanceId=first, DiskIds=[disk_id])
    await_disk(cloud, disk_id, "ATTACHED")
    cloud.wire.call("StartInstances", InstanceIds=[first])
    writer = cloud.guest(first)
    assert writer.run(f"{mount(writer, disk_id)}; cat /run/data/file") == "passed on"
    cloud.wire.call("TerminateInstances", InstanceIds=[first])
    await_disk(cloud, disk_id, "UNATTACHED")
    cloud.wire.call_cbs("TerminateDisks", DiskIds=[disk_id])


def test_a_batch_of_guests_gets_a_data_disk_each_of_the_image_s_snapshot(cloud: Cloud) -> None:
    origin = cloud.run(DataDisks=[{"DiskSize": 10}])
    guest = cloud.guest(origin)
    data = data_disk(cloud, origin)
    guest.run(f"mke2fs -q /dev/{device(guest, data)} 2>/dev/null")
    guest.run(f"{mount(guest, data)}; echo for all >/run/data/file; umount /run/data; sync")
    image_id = cloud.wire.call("CreateImage", InstanceId=origin, ImageName="batch", DataDiskIds=[data])["ImageId"]

    def image() -> dict[str, Any] | None:
        found: dict[str, Any] = cloud.wire.call("DescribeImages", ImageIds=[image_id])["ImageSet"][0]
        return found if found["ImageState"] == "NORMAL" else None

    [snapshot] = [one for one in until("the image is there", image)["SnapshotSet"] if one["DiskUsage"] == "DATA_DISK"]
    cloud.wire.call("TerminateInstances", InstanceIds=[origin])

    disks = [{"DiskSize": 20, "SnapshotId": snapshot["SnapshotId"]}]
    ids = cloud.run_all(ImageId=image_id, InstanceCount=_BATCH, DataDisks=disks)

    guests = [cloud.guest(instance_id) for instance_id in ids]
    for number, (instance_id, one) in enumerate(zip(ids, guests, strict=True)):
        own = data_disk(cloud, instance_id)
        assert one.run(f"{mount(one, own)}; cat /run/data/file; echo {number} >/run/data/file; sync") == "for all"
        await_size(one, own, 20)
    assert [one.run("cat /run/data/file") for one in guests] == [str(number) for number in range(_BATCH)]
    cloud.wire.call("TerminateInstances", InstanceIds=ids)
