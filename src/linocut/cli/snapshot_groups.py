"""`linocut snapshot group …`."""

import time
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.output import print_json, print_table, progress_bar, utc
from linocut.cli.snapshots import await_disks, why
from linocut.cli.wire import CBS, ClientOptions, JsonObject, Wire, connect

_POLL_S: Final = 0.3


def create(
    instance: str,
    /,
    *,
    disk: tuple[str, ...] = (),
    name: str | None = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Take snapshots of an instance's disks, all of one moment, and print the group's id.

    Args:
        instance: its id.
        disk: only these of its disks, once for each; without it, all of them.
        name: the group's name, which its snapshots are numbered by.
        wait: do not end before they are there.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    made = wire.call_cbs("CreateSnapshotGroup", DiskIds=list(disk) or _disks_of(wire, instance), SnapshotGroupName=name)
    group_id = str(made["SnapshotGroupId"])
    if wait:
        _await_group(wire, group_id)
    if options.json:
        print_json(made)
    else:
        print(group_id)


def list_groups(*, options: ClientOptions | None = None) -> None:
    """List your groups of snapshots."""
    options = options or ClientOptions()
    groups = list(connect(options).pages("DescribeSnapshotGroups", "SnapshotGroupSet", of=CBS))
    if options.json:
        print_json(groups)
        return
    print_table(
        ("ID", "NAME", "STATE", "CREATED", "SNAPSHOTS"),
        [
            (
                group["SnapshotGroupId"],
                group["SnapshotGroupName"],
                group["SnapshotGroupState"],
                utc(group["CreateTime"]),
                " ".join(group["SnapshotIdSet"]),
            )
            for group in groups
        ],
    )


def apply(
    group: str,
    /,
    *,
    stop: Annotated[bool, Parameter(negative="")] = False,
    start: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Roll disks back to the snapshots of a group, and wait until they are. What was written since is lost.

    Args:
        group: its id.
        stop: stop the disks' instance first where it runs; without it, one that runs is refused.
        start: start the instance afterwards; only with --stop.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    found = _find(wire, group)
    if found is None:
        raise CommandFailed(f"there is no snapshot group {group}")
    members = wire.call_cbs("DescribeSnapshots", SnapshotIds=found["SnapshotIdSet"], Limit=100)["SnapshotSet"]
    wire.call_cbs(
        "ApplySnapshotGroup",
        SnapshotGroupId=group,
        ApplyDisks=[{"SnapshotId": member["SnapshotId"], "DiskId": member["DiskId"]} for member in members],
        AutoStopInstance=True if stop else None,
        AutoStartInstance=True if start else None,
    )
    disks = [str(member["DiskId"]) for member in members]
    await_disks(wire, disks)
    if options.json:
        print_json(disks)
    else:
        print("\n".join(disks))


def delete(
    *groups: str, with_images: Annotated[bool, Parameter(negative="")] = False, options: ClientOptions | None = None
) -> None:
    """Delete groups of snapshots with their snapshots, all or none.

    Args:
        groups: the id of each.
        with_images: delete the images that are made of them, too; without it such a group is refused.
        options: where and who.
    """
    if not groups:
        raise Misused("name at least one snapshot group")
    options = options or ClientOptions()
    images = True if with_images else None
    connect(options).call_cbs("DeleteSnapshotGroup", SnapshotGroupIds=list(groups), DeleteBindImages=images)
    if options.json:
        print_json(list(groups))
    else:
        print("\n".join(groups))


def _disks_of(wire: Wire, instance: str) -> list[str]:
    """Return the ids of an instance's disks. Raises CommandFailed where it has none."""
    asked = [{"Name": "instance-id", "Values": [instance]}]
    disks = [str(disk["DiskId"]) for disk in wire.call_cbs("DescribeDisks", Filters=asked, Limit=100)["DiskSet"]]
    if not disks:
        raise CommandFailed(f"there is no instance {instance}")
    return disks


def _await_group(wire: Wire, group_id: str) -> None:
    with progress_bar("Taking", 100) as advance:
        while True:
            found = _find(wire, group_id)
            if found is None:
                raise CommandFailed(f"{group_id} did not come to be{why(wire, group_id)}")
            advance(found["Percent"])
            if found["SnapshotGroupState"] != "CREATING":
                return
            time.sleep(_POLL_S)


def _find(wire: Wire, group_id: str) -> JsonObject | None:
    asked = [{"Name": "snapshot-group-id", "Values": [group_id]}]
    found: list[JsonObject] = wire.call_cbs("DescribeSnapshotGroups", Filters=asked)["SnapshotGroupSet"]
    return found[0] if found else None
