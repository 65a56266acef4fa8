"""Regions, zones and instance types, as this service offers them."""

from collections.abc import Sequence
from dataclasses import dataclass

from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import Region, Zone
from linocut.model.places import INSTANCE_TYPES, REGIONS, ZONES, InstanceType, RegionInfo, ZoneInfo

__all__ = ["InstanceTypeInfo", "RegionInfo", "ZoneInfo", "check_region", "instance_types", "list_regions", "list_zones"]


@dataclass(frozen=True, slots=True)
class InstanceTypeInfo:
    """An instance type offered in a zone."""

    zone: Zone
    instance_type: str
    family: str
    vcpus: int
    memory_gb: int


def list_regions(_cloud: Cloud) -> tuple[RegionInfo, ...]:
    """Return every region."""
    return tuple(REGIONS.values())


def list_zones(_cloud: Cloud, caller: Caller) -> tuple[ZoneInfo, ...]:
    """Return the zones of the caller's region."""
    return tuple(zone for zone in ZONES.values() if zone.region == caller.region)


def check_region(_cloud: Cloud, region: str) -> Region:
    """Return a region by its name. Raises RegionNotFound."""
    if region not in REGIONS:
        raise errors.RegionNotFound(f"There is no region {region}.")
    return Region(region)


def find_zone(caller: Caller, zone: str) -> ZoneInfo:
    """Return a zone of the caller's region. Raises ZoneNotFound."""
    found = ZONES.get(Zone(zone))
    if found is None or found.region != caller.region:
        raise errors.ZoneNotFound(f"There is no zone {zone} in region {caller.region}.")
    return found


def find_instance_type(name: str) -> InstanceType:
    """Return an instance type by its name. Raises InstanceTypeMalformed, InstanceTypeNotFound."""
    if not name or not all(part.isalnum() for part in name.replace("-", "").split(".", maxsplit=1)) or "." not in name:
        raise errors.InstanceTypeMalformed(f"{name!r} is no instance type.")
    if name not in INSTANCE_TYPES:
        raise errors.InstanceTypeNotFound(f"There is no instance type {name}.")
    return INSTANCE_TYPES[name]


def instance_types(
    cloud: Cloud, caller: Caller, zones: Sequence[str], families: Sequence[str], types: Sequence[str]
) -> tuple[InstanceTypeInfo, ...]:
    """Return what the available zones of the caller's region offer; an empty sequence does not restrict."""
    return tuple(
        InstanceTypeInfo(zone.zone, kind.name, kind.family, kind.vcpus, kind.memory_gb)
        for zone in list_zones(cloud, caller)
        if zone.available and (not zones or zone.zone in zones)
        for kind in INSTANCE_TYPES.values()
        if (not families or kind.family in families) and (not types or kind.name in types)
    )
