"""`linocut disk …`."""

import time
from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.launching import first_zone
from linocut.cli.output import print_json, print_table
from linocut.cli.wire import CBS, ClientOptions, JsonObject, Wire, connect

_POLL_S: Final = 0.3
_SETTLED: Final = frozenset({"ATTACHED", "UNATTACHED"})
_POSTPAID: Final = "POSTPAID_BY_HOUR"


def create(
    *,
    size_gb: int | None = None,
    snapshot: str | None = None,
    type: str = "CLOUD_PREMIUM",  # noqa: A002  the option is called so
    zone: str | None = None,
    name: str | None = None,
    count: int = 1,
    options: ClientOptions | None = None,
) -> None:
    """Make disks that are attached to nothing, and print them.

    Args:
        size_gb: how large, in steps of 10; default: as large as the snapshot.
        snapshot: the id of a data disk's snapshot that they are made of; default: they are blank.
        type: of what kind.
        zone: default: the first zone of the region that takes instances.
        name: their name.
        count: how many.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    made = wire.call_cbs(
        "CreateDisks",
        Placement={"Zone": zone or first_zone(wire)},
        DiskChargeType=_POSTPAID,
        DiskType=type,
        DiskSize=size_gb,
        SnapshotId=snapshot,
        DiskName=name,
        DiskCount=count,
    )
    _print(_describe(wire, made["DiskIdSet"]), options)


def list_disks(*, instance: str | None = None, options: ClientOptions | None = None) -> None:
    """List your disks.

    Args:
        instance: only those of this instance.
        options: where and who.
    """
    options = options or ClientOptions()
    filters = [{"Name": "instance-id", "Values": [instance]}] if instance else None
    _print(list(connect(options).pages("DescribeDisks", "DiskSet", of=CBS, Filters=filters)), options)


def attach(
    *disks: str,
    to: str,
    delete_with_instance: Annotated[bool | None, Parameter(negative="--keep")] = None,
    options: ClientOptions | None = None,
) -> None:
    """Attach disks to an instance, all or none, and wait until it has them.

    Args:
        disks: the id of each.
        to: the instance's id.
        delete_with_instance: whether they end with the instance; default: as it is.
        options: where and who.
    """
    wire = connect(options)
    wire.call_cbs("AttachDisks", InstanceId=to, DiskIds=_some(disks), DeleteWithInstance=delete_with_instance)
    _await(wire, disks, "AttachDisks")
    _print_ids(disks, options)


def detach(*disks: str, options: ClientOptions | None = None) -> None:
    """Detach disks from their instance, all or none, and wait until it has let go of them.

    Args:
        disks: the id of each.
        options: where and who.
    """
    wire = connect(options)
    wire.call_cbs("DetachDisks", DiskIds=_some(disks))
    _await(wire, disks, "DetachDisks")
    _print_ids(disks, options)


def resize(disk: str, /, *, size_gb: int, options: ClientOptions | None = None) -> None:
    """Make a disk larger, and wait until it is.

    Args:
        disk: its id.
        size_gb: how large, in steps of 10; more than it has.
        options: where and who.
    """
    wire = connect(options)
    wire.call_cbs("ResizeDisk", DiskId=disk, DiskSize=size_gb)
    _await(wire, [disk], "ResizeDisk")
    _print_ids([disk], options)


def rename(disk: str, /, *, name: str, options: ClientOptions | None = None) -> None:
    """Give a disk another name.

    Args:
        disk: its id.
        name: the new name.
        options: where and who.
    """
    connect(options).call_cbs("ModifyDiskAttributes", DiskIds=[disk], DiskName=name)
    _print_ids([disk], options)


def delete(
    *disks: str, with_snapshots: Annotated[bool, Parameter(negative="")] = False, options: ClientOptions | None = None
) -> None:
    """Give disks back that are attached to nothing, all or none; what they hold is lost.

    Args:
        disks: the id of each.
        with_snapshots: also the snapshots of them that are not kept for ever.
        options: where and who.
    """
    connect(options).call_cbs("TerminateDisks", DiskIds=_some(disks), DeleteSnapshot=1 if with_snapshots else None)
    _print_ids(disks, options)


def _await(wire: Wire, disk_ids: Sequence[str], action: str) -> None:
    """Wait until nothing is under way on the disks. Raises CommandFailed where it failed on one of them."""
    disks = _describe(wire, disk_ids)
    while any(disk["DiskState"] not in _SETTLED for disk in disks):
        time.sleep(_POLL_S)
        disks = _describe(wire, disk_ids)
    for disk in disks:
        failure = _failure(wire, disk["DiskId"], action) if disk["DiskState"] == "ATTACHED" or action == "AttachDisks" else ""
        if failure:
            raise CommandFailed(f"{disk['DiskId']} is {disk['DiskState']}: {failure}")


def _failure(wire: Wire, disk_id: str, action: str) -> str:
    """Return why the latest operation of this kind on a disk failed, nothing where it did not."""
    wanted = [{"Name": "resource", "Values": [disk_id]}, {"Name": "action", "Values": [action]}]
    tasks = wire.call_own("DescribeTasks", Filters=wanted, Limit=1)["TaskSet"]
    return str(tasks[0]["Error"]) if tasks and tasks[0]["State"] == "FAILED" else ""


def _describe(wire: Wire, disk_ids: Sequence[str]) -> list[JsonObject]:
    return list(wire.pages("DescribeDisks", "DiskSet", of=CBS, DiskIds=list(disk_ids)))


def _print(disks: Sequence[JsonObject], options: ClientOptions) -> None:
    if options.json:
        print_json(list(disks))
        return
    print_table(
        ("ID", "NAME", "USAGE", "TYPE", "GIB", "STATE", "INSTANCE", "ZONE"),
        [
            (
                disk["DiskId"],
                disk["DiskName"],
                disk["DiskUsage"].removesuffix("_DISK").lower(),
                disk["DiskType"],
                disk["DiskSize"],
                disk["DiskState"],
                disk["InstanceId"],
                disk["Placement"]["Zone"],
            )
            for disk in disks
        ],
    )


def _some(disks: Sequence[str]) -> list[str]:
    if not disks:
        raise Misused("name at least one disk")
    return list(disks)


def _print_ids(ids: Sequence[str], options: ClientOptions | None) -> None:
    if options is not None and options.json:
        print_json(list(ids))
    else:
        print("\n".join(ids))
