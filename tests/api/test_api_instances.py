import pytest
from belongings import ZONE, move_instance, normal_image, pending_instance, running_instance
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.machines import GuestConfig, MachineDisk, MachineSpec
from linocut.machines.memory import MemoryMachines
from linocut.model.ids import AppId, DiskId, InstanceId
from linocut.model.states import InstanceState as State

# The states an instance passes through from PENDING to stand in each state.
WAYS = {
    State.PENDING: (),
    State.LAUNCH_FAILED: (State.LAUNCH_FAILED,),
    State.RUNNING: (State.RUNNING,),
    State.STOPPING: (State.RUNNING, State.STOPPING),
    State.STOPPED: (State.RUNNING, State.STOPPED),
    State.STARTING: (State.RUNNING, State.STOPPED, State.STARTING),
    State.REBOOTING: (State.RUNNING, State.REBOOTING),
    State.TERMINATING: (State.RUNNING, State.TERMINATING),
}
ALLOWED = {
    "StartInstances": {State.STOPPED},
    "StopInstances": {State.RUNNING},
    "RebootInstances": {State.RUNNING},
    "TerminateInstances": {State.RUNNING, State.STOPPED},
    "CreateImage": {State.RUNNING, State.STOPPED},
}
# Where the documentation of the action has no code for the state.
OTHER_CODES = {
    ("StartInstances", State.LAUNCH_FAILED): "UnsupportedOperation",
    ("StopInstances", State.LAUNCH_FAILED): "UnsupportedOperation",
    ("RebootInstances", State.LAUNCH_FAILED): "UnsupportedOperation",
    ("CreateImage", State.LAUNCH_FAILED): "UnsupportedOperation",
    ("CreateImage", State.PENDING): "OperationDenied.InstanceOperationInProgress",
}


def _order(image_id: str, **changes: object) -> dict[str, object]:
    return {"Placement": {"Zone": ZONE}, "ImageId": image_id} | changes


@pytest.fixture
def image_id(cloud: Cloud, person: Person) -> str:
    return normal_image(cloud, person)


@pytest.mark.parametrize("state", WAYS)
@pytest.mark.parametrize("action", ALLOWED)
def test_each_state_allows_what_it_allows_and_is_named_in_the_refusal(
    cloud: Cloud, person: Person, image_id: str, action: str, state: State
) -> None:
    instance_id = pending_instance(person, image_id)
    move_instance(cloud, instance_id, *WAYS[state])
    parameters = {"InstanceId": instance_id, "ImageName": "x"} if action == "CreateImage" else {"InstanceIds": [instance_id]}

    code = person.code(action, parameters)

    camel = "".join(word.capitalize() for word in state.split("_"))
    refused = OTHER_CODES.get((action, state), f"UnsupportedOperation.InstanceState{camel}")
    assert code == ("OK" if state in ALLOWED[action] else refused)


def test_every_state_is_tried() -> None:
    assert set(WAYS) == set(State)


def test_an_instance_shows_what_it_was_ordered_with(person: Person, image_id: str) -> None:
    order = _order(
        image_id,
        InstanceType="S5.MEDIUM2",
        InstanceName="web",
        HostName="web-1",
        SystemDisk={"DiskType": "CLOUD_SSD", "DiskSize": 60},
        TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}],
        DisableApiTermination=True,
    )
    response = person.call("RunInstances", order)
    [instance_id] = response["InstanceIdSet"]
    [default_group] = [one["SecurityGroupId"] for one in person.call("DescribeSecurityGroups", service="vpc")["SecurityGroupSet"]]

    [shown] = person.call("DescribeInstances", {"InstanceIds": [instance_id]}, language="en-US")["InstanceSet"]

    expected = {
        "InstanceId": instance_id,
        "InstanceName": "web",
        "HostName": "web-1",
        "InstanceState": "PENDING",
        "InstanceType": "S5.MEDIUM2",
        "InstanceChargeType": "POSTPAID_BY_HOUR",
        "CPU": 2,
        "Memory": 2,
        "ImageId": image_id,
        "OsName": "Debian 12 64bit",
        "Placement": {"Zone": ZONE, "ProjectId": 0},
        "PublicIpAddresses": [],
        "SecurityGroupIds": [default_group],
        "Tags": [{"Key": "k", "Value": "v"}],
        "LatestOperation": "RunInstances",
        "LatestOperationState": "OPERATING",
        "LatestOperationRequestId": response["RequestId"],
        "DisableApiTermination": True,
        "RestrictState": "NORMAL",
        "DefaultLoginPort": 22,
        "LoginSettings": {"KeyIds": []},
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["PrivateIpAddresses"] == shown["VirtualPrivateCloud"]["PrivateIpAddresses"]
    assert (shown["SystemDisk"]["DiskType"], shown["SystemDisk"]["DiskSize"]) == ("CLOUD_SSD", 60)
    assert shown["SystemDisk"]["DiskId"].startswith("disk-")
    assert shown["InternetAccessible"]["PublicIpAssigned"] is False


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImageId": "img-x"}, "InvalidImageId.Malformed"),
        ({"ImageId": "img-00000000"}, "InvalidImageId.NotFound"),
        ({"Placement": {"Zone": "ap-shanghai-2"}}, "InvalidZone.MismatchRegion"),
        ({"Placement": {"Zone": ZONE, "ProjectId": 7}}, "InvalidProjectId.NotFound"),
        ({"InstanceType": "S5"}, "InvalidInstanceType.Malformed"),
        ({"InstanceType": "S5.NONE"}, "InvalidParameterValue.InstanceTypeNotFound"),
        ({"InstanceCount": 0}, "InvalidParameterValue.Range"),
        ({"InstanceCount": 501}, "InvalidParameterValue.Range"),
        ({"InstanceCount": 2, "MinCount": 3}, "InvalidParameterValue.InvalidParameterMinCount"),
        ({"InstanceCount": 2, "MinCount": 0}, "InvalidParameterValue.InvalidParameterMinCount"),
        ({"InstanceName": "x" * 129}, "InvalidInstanceName.TooLong"),
        ({"HostName": "-x"}, "InvalidParameterValue.IllegalHostName"),
        ({"LoginSettings": {"Password": "weak"}}, "InvalidParameterValue.InvalidPassword"),
        ({"LoginSettings": {"Password": "Str0ng!pass", "KeepImageLogin": "true"}}, "InvalidParameter.ParameterConflict"),
        ({"LoginSettings": {"KeepImageLogin": "perhaps"}}, "InvalidParameterValue"),
        ({"LoginSettings": {"KeyIds": ["key"]}}, "InvalidKeyPairId.Malformed"),
        ({"LoginSettings": {"KeyIds": ["skey-00000000"]}}, "InvalidParameterValue.KeyPairNotFound"),
        ({"UserData": "not base64!"}, "InvalidParameterValue.InvalidUserDataFormat"),
        ({"ClientToken": "x" * 65}, "InvalidClientToken.TooLong"),
        ({"SystemDisk": {"DiskSize": 9999}}, "InvalidParameterValue.Range"),
        ({"SystemDisk": {"DiskType": "FLOPPY"}}, "InvalidParameterValue"),
        ({"InstanceChargeType": "PREPAID"}, "UnsupportedOperation"),
        ({"TagSpecification": [{"ResourceType": "image", "Tags": []}]}, "InvalidParameterValue"),
        ({"InstanceType": "S5.8XLARGE128", "InstanceCount": 100}, "ResourceInsufficient.SpecifiedInstanceType"),
    ],
)
def test_a_launch_that_cannot_be_is_refused_and_leaves_nothing(
    person: Person, image_id: str, changes: dict[str, object], code: str
) -> None:
    assert person.code("RunInstances", _order(image_id, **changes)) == code
    assert person.call("DescribeInstances")["TotalCount"] == 0


def test_a_dry_run_has_no_ids_and_leaves_nothing(person: Person, image_id: str) -> None:
    assert set(person.call("RunInstances", _order(image_id, DryRun=True))) == {"RequestId"}
    assert person.call("DescribeInstances")["TotalCount"] == 0


def test_how_to_stop_is_said_once(person: Person) -> None:
    nobodys = {"InstanceIds": ["ins-00000000"]}

    for action, older in (("StopInstances", "ForceStop"), ("RebootInstances", "ForceReboot")):
        assert person.code(action, nobodys | {"StopType": "HARD", older: True}) == "InvalidParameterCombination"
        assert person.code(action, nobodys | {"StopType": "GENTLY"}) == "InvalidParameterValue"
        for how in ({"StopType": "SOFT"}, {"StopType": "SOFT_FIRST"}, {"StopType": "HARD"}, {older: True}, {older: False}, {}):
            assert person.code(action, nobodys | how) == "InvalidInstanceId.NotFound"


@pytest.mark.parametrize("action", ["StartInstances", "StopInstances", "RebootInstances", "TerminateInstances"])
def test_a_batch_is_done_as_a_whole_or_not_at_all(cloud: Cloud, person: Person, image_id: str, action: str) -> None:
    instance_id = running_instance(cloud, person, image_id)
    if action == "StartInstances":
        move_instance(cloud, instance_id, State.STOPPED)
    before = person.call("DescribeInstancesStatus")["InstanceStatusSet"]

    assert person.code(action, {"InstanceIds": [instance_id, "ins-00000000"]}) == "InvalidInstanceId.NotFound"
    assert person.code(action, {"InstanceIds": [instance_id, "nonsense"]}) == "InvalidInstanceId.Malformed"
    assert person.code(action, {"InstanceIds": ["ins-00000000"] * 101}) == "InvalidParameterValue.LimitExceeded"
    assert person.call("DescribeInstancesStatus")["InstanceStatusSet"] == before


def test_a_protected_instance_is_not_ended(cloud: Cloud, person: Person, image_id: str) -> None:
    instance_id = running_instance(cloud, person, image_id, DisableApiTermination=True)

    assert person.code("TerminateInstances", {"InstanceIds": [instance_id]}) == "UnsupportedOperation.InstancesProtected"


def test_instances_are_found_by_filters(cloud: Cloud, person: Person, image_id: str) -> None:
    web, db = (running_instance(cloud, person, image_id, InstanceName=name) for name in ("web", "db"))
    move_instance(cloud, db, State.STOPPED)

    def found(name: str, *values: str) -> set[str]:
        parameters = {"Filters": [{"Name": name, "Values": list(values)}]}
        return {one["InstanceId"] for one in person.call("DescribeInstances", parameters)["InstanceSet"]}

    assert found("instance-name", "web") == {web}
    assert found("instance-state", "STOPPED") == {db}
    assert found("image-id", image_id) == found("zone", ZONE) == {web, db}
    assert found("creation-start-time", "2999-01-01 00:00:00") == set()
    assert person.code("DescribeInstances", {"Filters": [{"Name": "creation-start-time", "Values": ["soon"]}]}) == (
        "InvalidParameterValue.InvalidTimeFormat"
    )
    assert (
        person.code("DescribeInstances", {"InstanceIds": [web], "Filters": [{"Name": "zone", "Values": [ZONE]}]})
        == "InvalidParameter"
    )


def test_a_console_that_has_said_nothing_yet_is_empty(person: Person, image_id: str) -> None:
    pending = pending_instance(person, image_id)

    response = person.call("DescribeInstanceConsole", {"InstanceId": pending}, service="linocut")

    assert (response["Output"], response["NextOffset"], response["Size"]) == ("", 0, 0)


def test_the_console_is_read_piece_by_piece(cloud: Cloud, person: Person, image_id: str) -> None:
    instance_id = running_instance(cloud, person, image_id)
    _say(cloud, InstanceId(instance_id), b"hello, world")

    first = person.call("DescribeInstanceConsole", {"InstanceId": instance_id, "Limit": 5}, service="linocut")
    rest = person.call("DescribeInstanceConsole", {"InstanceId": instance_id, "Offset": first["NextOffset"]}, service="linocut")

    assert (first["Output"], first["NextOffset"], first["Size"]) == ("aGVsbG8=", 5, 12)
    assert (rest["Output"], rest["Offset"], rest["NextOffset"]) == ("LCB3b3JsZA==", 5, 12)


def _say(cloud: Cloud, instance_id: InstanceId, data: bytes) -> None:
    """Print on an instance's console, as its guest would."""
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(instance_id)
    assert instance is not None
    assert isinstance(cloud.machines, MemoryMachines)
    guest = GuestConfig(
        hostname=instance.host_name,
        instance_id=instance_id,
        uuid=instance.uuid,
        region=instance.region,
        zone=instance.zone,
        app_id=AppId(1),
        image_id=instance.image_id,
        instance_type=instance.instance_type,
    )
    disk = MachineDisk(DiskId("disk-00000000"), 1 << 30, None)
    spec = MachineSpec(instance_id, instance.uuid, 1, 1024, (disk,), guest, instance.address, (22,), instance.mac)
    cloud.machines.prepare(spec)
    cloud.machines.say(instance_id, data)
