"""`linocut snapshot share|unshare|copy`: snapshots for others, and elsewhere."""

import time
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.output import print_json, print_table, progress_bar, utc
from linocut.cli.wire import ClientOptions, JsonObject, Wire, connect

_POLL_S: Final = 0.5


def share(snapshot: str, /, *accounts: str, options: ClientOptions | None = None) -> None:
    """Let other accounts make disks of a data disk's snapshot of yours; without accounts, list who may.

    Args:
        snapshot: its id.
        accounts: the Uin of each account.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    if accounts:
        _modify(wire, snapshot, accounts, "SHARE")
    _print_shares(wire, snapshot, options)


def unshare(snapshot: str, /, *accounts: str, options: ClientOptions | None = None) -> None:
    """Take a snapshot back from accounts; the disks that they made of it stay.

    Args:
        snapshot: its id.
        accounts: the Uin of each account.
        options: where and who.
    """
    if not accounts:
        raise Misused("name at least one account")
    options = options or ClientOptions()
    wire = connect(options)
    _modify(wire, snapshot, accounts, "CANCEL")
    _print_shares(wire, snapshot, options)


def copy(
    snapshot: str,
    /,
    *regions: str,
    name: str | None = None,
    wait: Annotated[bool, Parameter(negative="--no-wait")] = True,
    options: ClientOptions | None = None,
) -> None:
    """Copy a snapshot of yours to other regions, and wait until it is there.

    Args:
        snapshot: its id.
        regions: where to.
        name: what to call the copies.
        wait: wait for them; otherwise they come meanwhile.
        options: where and who.
    """
    if not regions:
        raise Misused("name at least one region")
    options = options or ClientOptions()
    wire = connect(options)
    answer = wire.call_cbs("CopySnapshotCrossRegions", SnapshotId=snapshot, DestinationRegions=list(regions), SnapshotName=name)
    results: list[JsonObject] = answer["SnapshotCopyResultSet"]
    begun = {str(one["SnapshotId"]): str(one["DestinationRegion"]) for one in results if one["Code"] == "Success"}
    if wait:
        _await(wire, begun)
    if options.json:
        print_json(results)
    else:
        print_table(
            ("REGION", "SNAPSHOT", "RESULT"),
            [(one["DestinationRegion"], one["SnapshotId"], one["Message"] or one["Code"]) for one in results],
        )
    refused = [one for one in results if one["Code"] != "Success"]
    if refused:
        raise CommandFailed(f"not copied to {', '.join(str(one['DestinationRegion']) for one in refused)}")


def _modify(wire: Wire, snapshot: str, accounts: tuple[str, ...], permission: str) -> None:
    wire.call_cbs("ModifySnapshotsSharePermission", SnapshotIds=[snapshot], AccountIds=list(accounts), Permission=permission)


def _print_shares(wire: Wire, snapshot: str, options: ClientOptions) -> None:
    shares = wire.call_cbs("DescribeSnapshotSharePermission", SnapshotId=snapshot)["SharePermissionSet"]
    if options.json:
        print_json(shares)
        return
    print_table(("ACCOUNT", "SINCE"), [(held["AccountId"], utc(held["CreatedTime"])) for held in shares])


def _await(wire: Wire, begun: dict[str, str]) -> None:
    """Wait until the tasks of these copies have ended. Raises CommandFailed where one did not succeed."""
    with progress_bar("copying", 100 * len(begun)) as show:
        while True:
            tasks = wire.call_own(
                "DescribeTasks", Filters=[{"Name": "action", "Values": ["CopySnapshotCrossRegions"]}], Limit=100
            )
            ours = [task for task in tasks["TaskSet"] if task["Resource"] in begun]
            show(sum(int(task["Percent"]) for task in ours))
            failed = [task for task in ours if task["State"] in {"FAILED", "CANCELLED"}]
            if failed:
                raise CommandFailed(f"the copy to {begun[failed[0]['Resource']]} is {failed[0]['State']}: {failed[0]['Error']}")
            if not any(task["State"] == "RUNNING" for task in ours):
                return
            time.sleep(_POLL_S)
