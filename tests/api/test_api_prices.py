"""Prices as clients read them: floats, each rounded once; and what an account may have."""

from decimal import Decimal
from typing import Any

import pytest
from belongings import ZONE, normal_image, running_instance
from signed_calls import Person

from linocut.api.cvm.prices import item_price
from linocut.cloud.context import Cloud


def test_a_launch_is_priced_by_the_shipped_price_book(cloud: Cloud, person: Person) -> None:
    order: dict[str, Any] = {
        "Placement": {"Zone": ZONE},
        "ImageId": normal_image(cloud, person),
        "InstanceType": "S5.MEDIUM4",
        "InstanceCount": 3,
        "SystemDisk": {"DiskType": "CLOUD_PREMIUM", "DiskSize": 50},
        "DataDisks": [{"DiskSize": 100, "DiskType": "CLOUD_SSD"}],
        "InternetAccessible": {"InternetChargeType": "BANDWIDTH_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 5},
    }

    price = person.call("InquiryPriceRunInstances", order)["Price"]

    # 3 times (2 vCPU at 0.11, 4 GB at 0.03, 50 GB at 0.0009, 100 GB at 0.0025)
    assert price["InstancePrice"] == {"UnitPrice": 1.905, "UnitPriceDiscount": 1.905, "ChargeUnit": "HOUR", "Discount": 100.0}
    assert (price["BandwidthPrice"]["UnitPrice"], price["BandwidthPrice"]["ChargeUnit"]) == (0.945, "HOUR")
    by_traffic = order | {"InternetAccessible": {"InternetMaxBandwidthOut": 5}}
    bandwidth = person.call("InquiryPriceRunInstances", by_traffic)["Price"]["BandwidthPrice"]
    assert (bandwidth["UnitPrice"], bandwidth["ChargeUnit"]) == (0.8, "GB")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"InstanceType": "S9.HUGE"}, "InvalidParameterValue.InstanceTypeNotFound"),
        ({"Placement": {"Zone": "ap-moon-1"}}, "InvalidZone.MismatchRegion"),
        ({"Placement": {"Zone": "ap-guangzhou-1"}}, "InvalidParameterValue.ZoneNotSupported"),
        ({"InstanceCount": 0}, "InvalidParameterValue.Range"),
        ({"LoginSettings": {"Password": "x"}}, "InvalidPassword"),
        ({"ClientToken": "x" * 65}, "InvalidClientToken.TooLong"),
        ({"InstanceChargeType": "PREPAID"}, "UnsupportedOperation"),
        ({"HostName": "-"}, "InvalidParameterValue"),
        ({"VirtualPrivateCloud": {"VpcId": "vpc-00000000", "SubnetId": "subnet-00000000"}}, "InvalidParameterValue"),
    ],
)
def test_a_launch_that_would_be_refused_has_no_price(cloud: Cloud, person: Person, change: dict[str, Any], code: str) -> None:
    order = {"Placement": {"Zone": ZONE}, "ImageId": normal_image(cloud, person)} | change

    assert person.code("InquiryPriceRunInstances", order) == code


def test_a_larger_system_disk_makes_a_reinstallation_dearer(cloud: Cloud, person: Person) -> None:
    instance_id = running_instance(cloud, person, normal_image(cloud, person))

    def price(**changes: Any) -> float:
        answer = person.call("InquiryPriceResetInstance", {"InstanceId": instance_id} | changes)
        found: float = answer["Price"]["InstancePrice"]["UnitPrice"]
        return found

    assert price(SystemDisk={"DiskSize": 150}) == pytest.approx(price() + 100 * 0.0009)
    smaller = {"InstanceId": instance_id, "SystemDisk": {"DiskSize": 20}}
    assert person.code("InquiryPriceResetInstance", smaller) == "InvalidParameterValue"


def test_types_are_listed_with_what_they_cost(person: Person) -> None:
    one = {"Filters": [{"Name": "instance-type", "Values": ["S5.MEDIUM4"]}, {"Name": "zone", "Values": [ZONE]}]}

    [listed] = person.call("DescribeZoneInstanceConfigInfos", one)["InstanceTypeQuotaSet"]

    assert (listed["Price"]["UnitPrice"], listed["Price"]["ChargeUnit"]) == (0.34, "HOUR")


@pytest.mark.parametrize(("exact", "shown"), [("0.0000005", 0.000001), ("0.00000049", 0.0), ("1.2345675", 1.234568)])
def test_a_price_is_rounded_half_up_at_its_sixth_place(exact: str, shown: float) -> None:
    assert item_price(Decimal(exact)).unit_price == shown


def quota(person: Person, **filters: list[str]) -> dict[str, Any]:
    asked = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
    overview = person.call("DescribeAccountQuota", {"Filters": asked})["AccountQuotaOverview"]
    assert overview["Region"] == "ap-guangzhou"
    found: dict[str, Any] = overview["AccountQuota"]
    return found


def test_quotas_say_what_there_is_and_may_be(cloud: Cloud, person: Person) -> None:
    running_instance(cloud, person, normal_image(cloud, person))

    found = quota(person)

    assert found["ImageQuotaSet"] == [{"UsedQuota": 1, "TotalQuota": 500}]
    by_zone = {one["Zone"]: one for one in found["PostPaidQuotaSet"]}
    assert (by_zone[ZONE]["UsedQuota"], by_zone["ap-guangzhou-4"]["UsedQuota"]) == (1, 0)
    assert by_zone[ZONE]["TotalQuota"] == 1 + by_zone[ZONE]["RemainingQuota"] > 1
    assert by_zone["ap-guangzhou-1"]["RemainingQuota"] == 0  # sold out
    assert found["PrePaidQuotaSet"] == found["SpotPaidQuotaSet"] == found["DisasterRecoverGroupQuotaSet"] == []


def test_quotas_are_filtered_by_zone_and_kind(person: Person) -> None:
    assert [one["Zone"] for one in quota(person, zone=[ZONE])["PostPaidQuotaSet"]] == [ZONE]
    images = quota(person, quota_type=["ImageQuotaSet"])
    assert (len(images["ImageQuotaSet"]), images["PostPaidQuotaSet"]) == (1, [])
    assert quota(person, quota_type=["SpotPaidQuotaSet"])["ImageQuotaSet"] == []

    def code(name: str, *values: str) -> str:
        return person.code("DescribeAccountQuota", {"Filters": [{"Name": name, "Values": values}]})

    assert code("colour", "red") == "InvalidFilter"
    assert code("quota-type", "Other") == "InvalidParameterValue"
    assert code("zone", "ap-moon-1") == "InvalidZone.MismatchRegion"
    assert code("zone", *[ZONE] * 6) == "InvalidFilterValue.LimitExceeded"
