"""`linocut snapshot …`."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.output import print_json, print_table, progress_bar, utc
from linocut.cli.wire import CBS, ClientOptions, JsonObject, Wire, connect

_POLL_S: Final = 0.3
_SHOWN: Final = (
    *("SnapshotId", "SnapshotName", "SnapshotState", "Percent", "DiskId", "DiskUsage", "DiskSize", "CreateTime"),
    *("IsPermanent", "DeadlineTime", "AutoSnapshotPolicyId", "SnapshotType", "ShareReference"),
)
_TIMES: Final = frozenset({"CreateTime", "DeadlineTime"})


def create(
    disk: str,
    /,
    *,
    name: str | None = None,
    keep_days: int | None = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Take a snapshot of a disk, whether or not its instance runs, and print its id.

    Args:
        disk: the disk's id.
        name: the snapshot's name.
        keep_days: delete it after so many days; without it, it stays.
        wait: do not end before it is there.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    made = wire.call_cbs("CreateSnapshot", DiskId=disk, SnapshotName=name, Deadline=_deadline(keep_days))
    snapshot_id = str(made["SnapshotId"])
    if wait:
        await_snapshot(wire, snapshot_id)
    if options.json:
        print_json(made)
    else:
        print(snapshot_id)


def list_snapshots(*, disk: str | None = None, options: ClientOptions | None = None) -> None:
    """List your snapshots, and those shared with you.

    Args:
        disk: only those of this disk.
        options: where and who.
    """
    options = options or ClientOptions()
    filters = None if disk is None else [{"Name": "disk-id", "Values": [disk]}]
    snapshots = list(connect(options).pages("DescribeSnapshots", "SnapshotSet", of=CBS, Filters=filters))
    if options.json:
        print_json(snapshots)
        return
    print_table(
        ("ID", "NAME", "DISK", "USAGE", "GIB", "STATE", "CREATED", "KEPT UNTIL", "WHOSE", "IMAGES"),
        [
            (
                snapshot["SnapshotId"],
                snapshot["SnapshotName"],
                snapshot["DiskId"] or "-",
                snapshot["DiskUsage"].removesuffix("_DISK").lower(),
                snapshot["DiskSize"],
                snapshot["SnapshotState"],
                utc(snapshot["CreateTime"]),
                "for ever" if snapshot["IsPermanent"] else utc(snapshot["DeadlineTime"]),
                "shared with you" if snapshot["SnapshotType"] == "SHARED_SNAPSHOT" else "own",
                " ".join(image["ImageId"] for image in snapshot["Images"]),
            )
            for snapshot in snapshots
        ],
    )


def show(snapshot: str, /, *, options: ClientOptions | None = None) -> None:
    """Show a snapshot with all that is known of it.

    Args:
        snapshot: its id.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    found = _find(wire, snapshot)
    if found is None:
        raise CommandFailed(f"there is no snapshot {snapshot}")
    (moment,) = wire.call_own("DescribeSnapshotMoments", SnapshotIds=[snapshot])["SnapshotMomentSet"]
    if options.json:
        print_json(found | moment)
        return
    rows = [(name, utc(found[name]) if name in _TIMES else found[name]) for name in _SHOWN]
    rows += [(name, moment[name]) for name in ("FileSystemsFrozen", "SnapshotGroupId")]
    rows += [("Image", image["ImageId"]) for image in found["Images"]]
    rows += [("Tag", f"{tag['Key']}={tag['Value']}") for tag in found["Tags"]]
    print_table(("FIELD", "VALUE"), rows)


def apply(
    snapshot: str,
    /,
    *,
    stop: Annotated[bool, Parameter(negative="")] = False,
    start: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Roll a disk back to a snapshot of it, and wait until it is. What was written since is lost.

    Args:
        snapshot: its id; the disk is the one that it was taken of.
        stop: stop the disk's instance first where it runs; without it, one that runs is refused.
        start: start the instance afterwards; only with --stop.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    found = _find(wire, snapshot)
    if found is None:
        raise CommandFailed(f"there is no snapshot {snapshot}")
    power = {"AutoStopInstance": True if stop else None, "AutoStartInstance": True if start else None}
    wire.call_cbs("ApplySnapshot", SnapshotId=snapshot, DiskId=found["DiskId"], **power)
    await_disks(wire, [found["DiskId"]])
    if options.json:
        print_json({"DiskId": found["DiskId"]})
    else:
        print(found["DiskId"])


def rename(snapshot: str, name: str, /, *, options: ClientOptions | None = None) -> None:
    """Give a snapshot another name.

    Args:
        snapshot: its id.
        name: the new name.
        options: where and who.
    """
    _modify(snapshot, options, SnapshotName=name)


def keep(snapshot: str, /, *, days: int | None = None, options: ClientOptions | None = None) -> None:
    """Keep a snapshot for so many days from now, or for good.

    Args:
        snapshot: its id.
        days: how many; without it, it stays.
        options: where and who.
    """
    if days is None:
        _modify(snapshot, options, IsPermanent=True)
    else:
        _modify(snapshot, options, IsPermanent=False, Deadline=_deadline(days))


def delete(
    *snapshots: str, with_images: Annotated[bool, Parameter(negative="")] = False, options: ClientOptions | None = None
) -> None:
    """Delete snapshots of yours, all or none.

    Args:
        snapshots: the id of each.
        with_images: delete the images that are made of them, too; without it such a snapshot is refused.
        options: where and who.
    """
    if not snapshots:
        raise Misused("name at least one snapshot")
    options = options or ClientOptions()
    connect(options).call_cbs("DeleteSnapshots", SnapshotIds=list(snapshots), DeleteBindImages=True if with_images else None)
    if options.json:
        print_json(list(snapshots))
    else:
        print("\n".join(snapshots))


def await_snapshot(wire: Wire, snapshot_id: str) -> None:
    """Show the progress of a snapshot until it is there. Raises CommandFailed when it fails or is deleted meanwhile."""
    with progress_bar("Taking", 100) as advance:
        while True:
            found = _find(wire, snapshot_id)
            if found is None:
                raise CommandFailed(f"{snapshot_id} did not come to be{why(wire, snapshot_id)}")
            advance(found["Percent"])
            if found["SnapshotState"] != "CREATING":
                return
            time.sleep(_POLL_S)


def await_disks(wire: Wire, disk_ids: list[str]) -> None:
    """Wait until disks that go back are at rest. Raises CommandFailed when that failed."""
    with progress_bar("Rolling back", 100) as advance:
        while any(disk["Rollbacking"] for disk in wire.call_cbs("DescribeDisks", DiskIds=disk_ids)["DiskSet"]):
            time.sleep(_POLL_S)
        advance(100)
    for disk_id in disk_ids:
        reason = why(wire, disk_id)
        if reason:
            raise CommandFailed(f"{disk_id} was not rolled back{reason}")


def why(wire: Wire, resource: str) -> str:
    """Return why the latest task on a resource failed, empty where it did not."""
    asked = [{"Name": "resource", "Values": [resource]}]
    latest = wire.call_own("DescribeTasks", Filters=asked, Limit=1)["TaskSet"]
    return f": {latest[0]['Error']}" if latest and latest[0]["Error"] else ""


def _modify(snapshot: str, options: ClientOptions | None, **changes: object) -> None:
    options = options or ClientOptions()
    connect(options).call_cbs("ModifySnapshotAttribute", SnapshotId=snapshot, **changes)
    if options.json:
        print_json({"SnapshotId": snapshot})
    else:
        print(snapshot)


def _find(wire: Wire, snapshot_id: str) -> JsonObject | None:
    found: list[JsonObject] = wire.call_cbs("DescribeSnapshots", SnapshotIds=[snapshot_id])["SnapshotSet"]
    return found[0] if found else None


def _deadline(days: int | None) -> str | None:
    if days is None:
        return None
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
