"""`linocut run`."""

from base64 import b64encode
from pathlib import Path

from linocut.cli.failures import CommandFailed
from linocut.cli.images import find_image_to_start
from linocut.cli.instances import print_instances
from linocut.cli.keys import find_key
from linocut.cli.waiting import await_instances, describe_instances
from linocut.cli.wire import ClientOptions, Wire, connect


def run_instances(
    image: str,
    /,
    *,
    count: int = 1,
    type: str = "S5.SMALL1",  # noqa: A002  the option is called so
    zone: str | None = None,
    key: str | None = None,
    name: str | None = None,
    host_name: str | None = None,
    user_data: Path | None = None,
    wait: bool = False,
    options: ClientOptions | None = None,
) -> None:
    """Start instances from an image, and print them.

    Args:
        image: its id, the exact name of one of your own or of a public one, or a family, whose newest image is meant.
        count: how many.
        type: the instance type.
        zone: default: the first zone of the region that takes instances.
        key: the id or name of the key pair to log in with.
        name: the instances' name.
        host_name: the host name inside.
        user_data: a file for cloud-init, such as a script.
        wait: do not end before all of them run.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    ordered = wire.call(
        "RunInstances",
        ImageId=find_image_to_start(wire, image),
        InstanceCount=count,
        InstanceType=type,
        Placement={"Zone": zone or first_zone(wire)},
        LoginSettings={"KeyIds": [find_key(wire, key)]} if key else None,
        InstanceName=name,
        HostName=host_name,
        UserData=b64encode(user_data.read_bytes()).decode() if user_data else None,
    )
    instance_ids = [str(instance_id) for instance_id in ordered["InstanceIdSet"]]
    if wait:
        await_instances(wire, instance_ids, "RUNNING", {"LAUNCH_FAILED", "STOPPED"}, "Starting")
    print_instances(describe_instances(wire, instance_ids), as_json=options.json)


def first_zone(wire: Wire) -> str:
    """Return the first zone of the region that takes instances. Raises CommandFailed where none does."""
    for zone in wire.call("DescribeZones")["ZoneSet"]:
        if zone["ZoneState"] == "AVAILABLE":
            return str(zone["Zone"])
    raise CommandFailed(f"{wire.region} has no zone that takes instances")
