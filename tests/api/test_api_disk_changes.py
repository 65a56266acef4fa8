"""Disks over the wire: what is refused by name, and the documented code of each refusal."""

from typing import Any

import pytest
from belongings import ZONE, move_instance, normal_image, running_instance
from signed_calls import Person

from linocut.cloud.context import Cloud
from linocut.model.states import InstanceState

_ORDER = {"Placement": {"Zone": ZONE}, "DiskChargeType": "POSTPAID_BY_HOUR", "DiskType": "CLOUD_SSD", "DiskSize": 10}


def create(person: Person, **changes: Any) -> str:
    [disk_id] = person.call("CreateDisks", _ORDER | changes, service="cbs")["DiskIdSet"]
    return str(disk_id)


def disk(person: Person, disk_id: str) -> dict[str, Any]:
    [found] = person.call("DescribeDisks", {"DiskIds": [disk_id]}, service="cbs")["DiskSet"]
    return dict(found)


@pytest.fixture
def instance_id(cloud: Cloud, person: Person) -> str:
    return running_instance(cloud, person, normal_image(cloud, person))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Encrypt", "ENCRYPT"),
        ("EncryptType", "ENCRYPT_V2"),
        ("KmsKeyId", "kms-1"),
        ("Shareable", True),
        ("ThroughputPerformance", 100),
        ("BurstPerformance", True),
        ("DiskBackupQuota", 1),
        ("DeleteSnapshot", 1),
        ("DiskChargePrepaid", {"Period": 1}),
        ("AutoMountConfiguration", {"InstanceId": ["ins-00000000"]}),
        ("DiskChargeType", "PREPAID"),
        ("DiskChargeType", "CDCPAID"),
    ],
)
def test_what_disks_cannot_be_here_is_refused_by_name(person: Person, name: str, value: object) -> None:
    answer = person.call("CreateDisks", _ORDER | {name: value}, service="cbs")

    assert answer["Error"]["Code"] == "UnsupportedOperation"
    assert name in answer["Error"]["Message"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DiskSize": 15}, "InvalidParameterValue"),
        ({"DiskSize": 0}, "MissingParameter"),
        ({"DiskType": "CLOUD_TSSD"}, "InvalidParameterValue"),
        ({"DiskCount": 51}, "InvalidParameterValue"),
        ({"DiskName": "x" * 61}, "InvalidParameterValue"),
        ({"Placement": {"Zone": "ap-guangzhou-1"}}, "ResourceInsufficient"),
        ({"Placement": {"Zone": "ap-nowhere-1"}}, "InvalidParameterValue"),
        ({"Placement": {"Zone": ZONE, "ProjectId": 7}}, "InvalidParameter.ProjectIdNotExist"),
        ({"SnapshotId": "snap-00000000"}, "InvalidSnapshotId.NotFound"),
        ({"ClientToken": "x" * 65}, "InvalidParameter.InvalidClientToken"),
    ],
)
def test_orders_of_disks_are_refused_with_the_documented_codes(person: Person, changes: dict[str, Any], code: str) -> None:
    assert person.code("CreateDisks", _ORDER | changes, service="cbs") == code


def test_a_disk_says_where_it_is_while_it_comes(person: Person, instance_id: str) -> None:
    disk_id = create(person, DiskName="books", Tags=[{"Key": "k", "Value": "v"}])
    free = disk(person, disk_id)
    assert (free["DiskState"], free["Attached"], free["InstanceId"], free["InstanceIdList"]) == ("UNATTACHED", False, "", [])
    assert (free["Portable"], free["DeleteWithInstance"], free["Tags"]) == (True, False, [{"Key": "k", "Value": "v"}])

    wanted = {"InstanceId": instance_id, "DiskIds": [disk_id], "DeleteWithInstance": True, "AttachMode": "PF"}
    assert person.code("AttachDisks", wanted, service="cbs") == "OK"

    coming = disk(person, disk_id)
    assert (coming["DiskState"], coming["Attached"], coming["InstanceId"]) == ("ATTACHING", False, instance_id)
    assert coming["DeleteWithInstance"]
    assert person.code("AttachDisks", wanted | {"AttachMode": "VF"}, service="cbs") == "UnsupportedOperation"
    for action, parameters, code in (
        ("AttachDisks", wanted, "ResourceBusy"),
        ("DetachDisks", {"DiskIds": [disk_id]}, "ResourceBusy"),
        ("TerminateDisks", {"DiskIds": [disk_id]}, "ResourceBusy"),
        ("ResizeDisk", {"DiskId": disk_id, "DiskSize": 20}, "InvalidDisk.Busy"),
    ):
        assert person.code(action, parameters, service="cbs") == code, action
    assert person.code("TerminateInstances", {"InstanceIds": [instance_id]}) == "OperationDenied.InstanceOperationInProgress"


def test_disks_of_instances_are_refused_with_the_documented_codes(cloud: Cloud, person: Person, instance_id: str) -> None:
    [system] = [one["DiskId"] for one in person.call("DescribeDisks", service="cbs")["DiskSet"]]
    disk_id, elsewhere = create(person), create(person, Placement={"Zone": "ap-guangzhou-4"})
    of = {"InstanceId": instance_id}
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("AttachDisks", of | {"DiskIds": [system]}, "ResourceUnavailable.Attached"),
        ("AttachDisks", of | {"DiskIds": [elsewhere]}, "ResourceUnavailable.ZoneNotMatch"),
        ("AttachDisks", of | {"DiskIds": ["disk-00000000"]}, "InvalidDiskId.NotFound"),
        ("AttachDisks", of | {"DiskIds": []}, "MissingParameter"),
        ("AttachDisks", of | {"DiskIds": [disk_id] * 11}, "InvalidParameterValue.LimitExceeded"),
        ("AttachDisks", {"InstanceId": "ins-00000000", "DiskIds": [disk_id]}, "InvalidInstanceId.NotFound"),
        ("DetachDisks", {"DiskIds": [system]}, "InvalidDisk.NotPortable"),
        ("DetachDisks", {"DiskIds": [disk_id]}, "ResourceUnavailable.NotSupported"),
        ("ResizeDisk", {"DiskId": system, "DiskSize": 100}, "InvalidDisk.NotSupported"),
        ("ResizeDisk", {"DiskId": disk_id, "DiskSize": 10}, "InvalidParameterValue"),
        ("ResizeDisk", {"DiskSize": 20}, "MissingParameter"),
        ("ModifyDiskAttributes", {"DiskIds": [system], "Portable": True}, "InvalidDisk.NotSupported"),
        ("ModifyDiskAttributes", {"DiskIds": [disk_id], "DiskType": "CLOUD_HSSD"}, "UnsupportedOperation"),
        ("ModifyDiskAttributes", {"DiskIds": [disk_id]}, "MissingParameter"),
        ("TerminateDisks", {"DiskIds": [system]}, "ResourceUnavailable.NotSupported"),
        ("TerminateDisks", {"DiskIds": [disk_id], "DeleteSnapshot": 2}, "InvalidParameterValue"),
        ("InitializeDisks", {"DiskIds": [disk_id] * 21}, "InvalidParameterValue.LimitExceeded"),
    ]
    for action, parameters, code in refused:
        assert person.code(action, parameters, service="cbs") == code, (action, parameters)
    for changes, code in (
        ({}, "MissingParameter.AtLeastOne"),
        ({"SystemDisk": {"DiskSize": 100}}, "UnsupportedOperation.InstanceStateRunning"),
        ({"SystemDisk": {"DiskSize": 10}, "ForceStop": True}, "InvalidParameterValue"),
        ({"DataDisks": [{"DiskSize": 10}]}, "UnsupportedOperation.InvalidDataDisk"),
        ({"DataDisks": [{"DiskSize": 10}] * 2}, "InvalidParameterValue"),
    ):
        assert person.code("ResizeInstanceDisks", of | changes) == code, changes
    move_instance(cloud, instance_id, InstanceState.STOPPED, InstanceState.STARTING)
    assert person.code("AttachDisks", of | {"DiskIds": [disk_id]}, service="cbs") == "InvalidInstance.NotSupported"


def test_prices_are_those_of_an_hour_in_every_form(person: Person) -> None:
    asked = {"DiskChargeType": "POSTPAID_BY_HOUR", "DiskType": "CLOUD_SSD", "DiskSize": 100}
    price = person.call("InquiryPriceCreateDisks", asked, service="cbs")["DiskPrice"]
    assert price["UnitPrice"] == price["UnitPriceDiscount"] == float(price["UnitPriceHigh"]) > 0
    assert (price["ChargeUnit"], price["OriginalPrice"], price["DiscountPriceHigh"]) == ("HOUR", None, None)
    grown = person.call("InquiryPriceResizeDisk", {"DiskId": create(person), "DiskSize": 100}, service="cbs")["DiskPrice"]
    assert grown["UnitPrice"] == price["UnitPrice"]
    assert [part["UnitPriceHigh"] for part in grown["DetailPrices"]] == [price["UnitPriceHigh"]]
    offers = person.call("DescribeDiskConfigQuota", {"InquiryType": "INQUIRY_CBS_CONFIG"}, service="cbs")["DiskConfigSet"]
    assert {offer["DiskUsage"] for offer in offers} == {"SYSTEM_DISK", "DATA_DISK"}
    assert all(offer["InstanceFamily"] is None and offer["Price"]["UnitPrice"] > 0 for offer in offers)
    assert person.code("DescribeDiskConfigQuota", {"InquiryType": "x"}, service="cbs") == "InvalidParameterValue"
