"""How much of what an account may have, and has. Source: CVM DescribeAccountQuota."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from linocut.cloud import places
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import Zone
from linocut.model.places import INSTANCE_TYPES

__all__ = ["InstanceQuota", "Quotas", "account_quotas"]

QUOTA_TYPES: Final = frozenset(
    {"PostPaidQuotaSet", "PrePaidQuotaSet", "SpotPaidQuotaSet", "ImageQuotaSet", "DisasterRecoverGroupQuotaSet"}
)
_FILTERS: Final = frozenset({"zone", "quota-type"})
_VALUES: Final = 5


@dataclass(frozen=True, slots=True)
class InstanceQuota:
    """The account's instances in a zone, and how many more it could start."""

    zone: Zone
    used: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas that were asked for; of images: how many there are and may be, None when not asked for."""

    instances: tuple[InstanceQuota, ...]
    images: tuple[int, int] | None


def account_quotas(cloud: Cloud, caller: Caller, filters: Mapping[str, tuple[str, ...]]) -> Quotas:
    """Return the account's quotas in the region, filtered by zone and quota-type.

    What limits instances is the room on the hosts, which all accounts share: an account could start as many more as there is room
    for of the smallest type, in any zone that takes instances. Nothing is prepaid, spot or in a placement group here.
    Raises FilterUnknown, TooManyFilterValues, InvalidValue, ZoneNotFound.
    """
    for name, values in filters.items():
        if name not in _FILTERS:
            raise errors.FilterUnknown(f"There is no filter {name}.")
        if len(values) > _VALUES:
            raise errors.TooManyFilterValues(f"Filter {name} has more than {_VALUES} values.")
    asked = filters.get("quota-type") or tuple(QUOTA_TYPES)
    if not QUOTA_TYPES.issuperset(asked):
        raise errors.InvalidValue(f"Filter quota-type takes {', '.join(sorted(QUOTA_TYPES))}.")
    zones = [places.find_zone(caller, zone) for zone in filters.get("zone", ())] or places.list_zones(cloud, caller)
    uin, region = caller.account.uin, caller.region
    with cloud.catalog.read() as tx:
        used = tx.instances.count_by_zone(uin, region) if "PostPaidQuotaSet" in asked else {}
        taken_vcpus, taken_memory_mb = tx.instances.reserved()
        images = (tx.images.count_owned(uin, region), cloud.settings.image_quota) if "ImageQuotaSet" in asked else None
    vcpus, memory_mb = cloud.settings.capacity()
    smallest = min(INSTANCE_TYPES.values(), key=lambda kind: (kind.vcpus, kind.memory_gb))
    room = max(0, min((vcpus - taken_vcpus) // smallest.vcpus, (memory_mb - taken_memory_mb) // (smallest.memory_gb * 1024)))
    instances = tuple(
        InstanceQuota(info.zone, used.get(info.zone, 0), room if info.available else 0)
        for info in zones
        if "PostPaidQuotaSet" in asked
    )
    return Quotas(instances, images)
