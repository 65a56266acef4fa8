"""`linocut instance …`, except its console."""

import sys
from collections.abc import Iterator, Sequence
from getpass import getpass
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import Misused, Unreachable
from linocut.cli.images import find_image_to_start
from linocut.cli.keys import find_key
from linocut.cli.output import print_json, print_table
from linocut.cli.waiting import await_instances
from linocut.cli.wire import ClientOptions, JsonObject, Wire, connect, named_directory

_BATCH: Final = 100


def list_instances(*, options: ClientOptions | None = None) -> None:
    """List your instances."""
    options = options or ClientOptions()
    print_instances(list(connect(options).pages("DescribeInstances", "InstanceSet")), as_json=options.json)


def start(
    *instances: str,
    wait: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Start stopped instances.

    Args:
        instances: the id of each.
        wait: do not end before all of them run.
        options: where and who.
    """
    wire = connect(options)
    wire.call("StartInstances", InstanceIds=_some(instances))
    if wait:
        await_instances(wire, instances, "RUNNING", {"STOPPED"}, "Starting")
    _print_ids(instances, options)


def stop(
    *instances: str,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002  the option is called so
    hard: Annotated[bool, Parameter(negative="")] = False,
    wait: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Stop running instances.

    Args:
        instances: the id of each.
        all: every running instance of yours. With --state or LINOCUT_STATE, and no service running on that
            directory: every guest that it left running, whoever owns it.
        hard: cut the power rather than ask the guest to shut down.
        wait: do not end before all of them are stopped.
        options: where and who.
    """
    if all and instances:
        raise Misused("name instances or --all, not both")
    options = options or ClientOptions()
    wire = connect(options)
    try:
        chosen = _running(wire) if all else _some(instances)
    except Unreachable:
        directory = named_directory(options)
        if not all or directory is None:
            raise
        from linocut.cli.serving import stop_guests_left_running

        stopped = stop_guests_left_running(directory, hard=hard)
        if options.json:
            print_json({"Stopped": stopped})
        else:
            print(f"{stopped} guests stopped; no service is running")
        return
    for batch in _batches(chosen):
        wire.call("StopInstances", InstanceIds=batch, StopType="HARD" if hard else None)
    if wait:
        for batch in _batches(chosen):
            await_instances(wire, batch, "STOPPED", (), "Stopping")
    _print_ids(chosen, options)


def reboot(
    *instances: str,
    hard: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Restart running instances.

    Args:
        instances: the id of each.
        hard: cut the power rather than ask the guest to shut down.
        options: where and who.
    """
    connect(options).call("RebootInstances", InstanceIds=_some(instances), StopType="HARD" if hard else None)
    _print_ids(instances, options)


def terminate(*instances: str, options: ClientOptions | None = None) -> None:
    """Delete instances and their disks, for good.

    Args:
        instances: the id of each.
        options: where and who.
    """
    connect(options).call("TerminateInstances", InstanceIds=_some(instances))
    _print_ids(instances, options)


def reset(
    instance: str,
    /,
    *,
    image: str | None = None,
    key: str | None = None,
    host_name: str | None = None,
    disk_gb: int | None = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Give an instance a fresh system disk; what was on it is lost, data disks stay as they are.

    Args:
        instance: its id.
        image: the id or name of another image than its present one.
        key: the id or name of the key pair to log in with; default: the login that it has.
        host_name: the new host name inside.
        disk_gb: the size of the system disk, not less than it has.
        wait: do not end before it runs.
        options: where and who.
    """
    wire = connect(options)
    wire.call(
        "ResetInstance",
        InstanceId=instance,
        ImageId=find_image_to_start(wire, image) if image else None,
        LoginSettings={"KeyIds": [find_key(wire, key)]} if key else None,
        HostName=host_name,
        SystemDisk={"DiskSize": disk_gb} if disk_gb else None,
    )
    if wait:
        await_instances(wire, [instance], "RUNNING", {"STOPPED"}, "Reinstalling")
    _print_ids([instance], options)


def set_password(
    *instances: str,
    force: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Give root a new password, which is asked for, or read from standard input where that is no terminal.

    Args:
        instances: the id of each.
        force: restart those that run; without it they must be stopped.
        options: where and who.
    """
    named = _some(instances)
    password = getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    connect(options).call("ResetInstancesPassword", InstanceIds=named, Password=password, ForceStop=force)
    _print_ids(instances, options)


def print_instances(instances: Sequence[JsonObject], *, as_json: bool) -> None:
    """Print instances as the service described them."""
    if as_json:
        print_json(list(instances))
        return
    print_table(
        ("ID", "NAME", "STATE", "ADDRESS", "TYPE", "IMAGE", "OS", "CREATED"),
        [
            (
                instance["InstanceId"],
                instance["InstanceName"],
                instance["InstanceState"],
                ",".join(instance.get("PrivateIpAddresses") or ()),
                instance["InstanceType"],
                instance["ImageId"],
                instance["OsName"],
                instance["CreatedTime"],
            )
            for instance in instances
        ],
    )


def _running(wire: Wire) -> list[str]:
    by_state = [{"Name": "instance-state", "Values": ["RUNNING"]}]
    return [str(held["InstanceId"]) for held in wire.pages("DescribeInstances", "InstanceSet", Filters=by_state)]


def _some(instances: Sequence[str]) -> list[str]:
    if not instances:
        raise Misused("name at least one instance")
    return list(instances)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), _BATCH):
        yield ids[first : first + _BATCH]


def _print_ids(ids: Sequence[str], options: ClientOptions | None) -> None:
    if options is not None and options.json:
        print_json(list(ids))
    elif ids:
        print("\n".join(ids))
