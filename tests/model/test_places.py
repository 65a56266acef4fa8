from linocut.model.places import INSTANCE_TYPES, REGIONS, ZONES

ZONES_BY_NAME = {str(zone.zone): zone.zone_id for zone in ZONES.values()}


def test_every_region_has_a_zone_that_takes_instances() -> None:
    assert {zone.region for zone in ZONES.values() if zone.available} == set(REGIONS)


def test_a_zone_is_named_after_its_region() -> None:
    for name, zone in ZONES.items():
        region, _, number = name.rpartition("-")
        assert (zone.zone, zone.region) == (name, region)
        assert zone.zone_id.endswith(number)
        assert zone.name.endswith(f"Zone {number}")


def test_zone_ids_are_unique_and_six_digits_or_as_the_region_s_number_makes_them() -> None:
    ids = [zone.zone_id for zone in ZONES.values()]
    assert len(set(ids)) == len(ids)
    assert ZONES_BY_NAME["ap-guangzhou-3"] == "100003"
    assert ZONES_BY_NAME["ap-nanjing-1"] == "330001"


def test_region_numbers_and_names_are_unique() -> None:
    for of in (lambda region: region.number, lambda region: region.name, lambda region: region.name_zh):
        assert len({of(region) for region in REGIONS.values()}) == len(REGIONS)


def test_an_instance_type_says_what_it_gives() -> None:
    for name, kind in INSTANCE_TYPES.items():
        assert kind.name == name
        assert kind.family == name.split(".")[0]
        assert name.endswith(str(kind.memory_gb))
        assert kind.vcpus >= 1
