"""VPCs, subnets and security groups in the catalog, on both databases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from catalog_records import ANNA, BERT, HERE, NOW, THERE, a_group, a_rule, a_subnet, a_vpc, an_instance, join
from sqlalchemy.exc import IntegrityError

from linocut.catalog import Catalog, NetworkQuery
from linocut.model.errors import LostRace
from linocut.model.ids import SubnetId
from linocut.model.states import InstanceState


def test_networks_and_groups_come_back_as_they_were_put_in(catalog: Catalog) -> None:
    join(catalog, ANNA)
    vpc, group = a_vpc(), a_group()
    subnet = a_subnet(vpc)
    with catalog.begin() as tx:
        tx.networks.add_vpc(vpc)
        tx.networks.add_subnets([subnet])
        tx.security_groups.add(group)

    with catalog.read() as tx:
        assert tx.networks.vpc(ANNA, HERE, vpc.vpc_id) == vpc
        assert tx.networks.subnet(ANNA, HERE, subnet.subnet_id) == subnet
        assert tx.networks.subnets_of(vpc.vpc_id) == (subnet,)
        assert tx.security_groups.owned(ANNA, HERE, [group.group_id]) == (group,)
        assert tx.networks.vpc(BERT, HERE, vpc.vpc_id) is None
        assert tx.networks.vpc(ANNA, THERE, vpc.vpc_id) is None
        assert tx.security_groups.owned(BERT, HERE, [group.group_id]) == ()


@pytest.mark.parametrize("kind", ["vpc", "subnet", "group"])
def test_an_account_has_one_default_in_a_region(catalog: Catalog, kind: str) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        vpc = a_vpc()
        tx.networks.add_vpc(vpc)
        tx.networks.add_vpc(a_vpc(is_default=True))
        tx.networks.add_subnets([a_subnet(vpc, is_default=True)])
        tx.security_groups.add(a_group(is_default=True))
        tx.security_groups.add(a_group(is_default=True, region=THERE))

    add_second = {
        "vpc": lambda tx: tx.networks.add_vpc(a_vpc(is_default=True)),
        "subnet": lambda tx: tx.networks.add_subnets([a_subnet(vpc, is_default=True)]),
        "group": lambda tx: tx.security_groups.add(a_group(is_default=True)),
    }
    with pytest.raises(IntegrityError), catalog.begin() as tx:
        add_second[kind](tx)


def test_filters_find_what_they_name(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    first = a_vpc(name="alpha", is_default=True)
    second = a_vpc(name="Beta", cidr="192.168.0.0/16", created_at=NOW + timedelta(seconds=1), tags=())
    subnets = [a_subnet(first), a_subnet(second, cidr="192.168.1.0/24", name="deep")]
    group = a_group()
    with catalog.begin() as tx:
        for vpc in (first, second, a_vpc(BERT), a_vpc(region=THERE)):
            tx.networks.add_vpc(vpc)
        tx.networks.add_subnets(subnets)
        tx.security_groups.add(group)

    mine = NetworkQuery(owner=ANNA, region=HERE)
    with catalog.read() as tx:
        assert tx.networks.list_vpcs(mine).items == (first, second)
        assert tx.networks.list_vpcs(replace(mine, offset=1, limit=1)).items == (second,)
        assert tx.networks.list_vpcs(replace(mine, offset=1, limit=1)).total == 2
        assert tx.networks.list_vpcs(replace(mine, names=("BET",))).items == (second,)
        assert tx.networks.list_vpcs(replace(mine, is_default=True)).items == (first,)
        assert tx.networks.list_vpcs(replace(mine, cidrs=("192.168.0.0/16",))).items == (second,)
        assert tx.networks.list_vpcs(replace(mine, tags={"team": ("a",)})).items == (first,)
        assert tx.networks.list_vpcs(replace(mine, ids=())).total == 0
        assert tx.networks.list_subnets(replace(mine, vpc_ids=(second.vpc_id,))).items == (subnets[1],)
        assert tx.networks.list_subnets(replace(mine, zones=("ap-guangzhou-4",))).total == 0
        assert tx.security_groups.list(replace(mine, names=("web",))).items == (group,)


def test_places_are_taken_by_instances_but_not_by_failed_launches(catalog: Catalog) -> None:
    join(catalog, ANNA)
    vpc, group = a_vpc(), a_group()
    subnet = a_subnet(vpc)
    place: dict[str, Any] = {"vpc_id": vpc.vpc_id, "subnet_id": subnet.subnet_id, "group_ids": (group.group_id,)}
    alive = an_instance(state=InstanceState.TERMINATING, address="127.16.0.2", **place)
    failed = an_instance(state=InstanceState.LAUNCH_FAILED, address="127.16.0.3", **place)
    with catalog.begin() as tx:
        tx.networks.add_vpc(vpc)
        tx.networks.add_subnets([subnet])
        tx.security_groups.add(group)
        tx.instances.add_all([alive, failed])

    with catalog.read() as tx:
        assert tx.networks.taken([subnet.subnet_id]) == {subnet.subnet_id: 1}
        assert tx.networks.addresses(vpc.vpc_id, None) == ((subnet.subnet_id, "127.16.0.2", alive.instance_id),)
        assert tx.networks.addresses(vpc.vpc_id, SubnetId("subnet-other")) == ()
        assert tx.security_groups.instances_of([group.group_id]) == {group.group_id: (alive.instance_id,)}
        assert tx.instances.has_address("127.16.0.3")
        assert not tx.instances.has_address("127.16.0.4")


def test_rules_that_changed_meanwhile_are_a_lost_race(catalog: Catalog) -> None:
    join(catalog, ANNA)
    group = a_group()
    with catalog.begin() as tx:
        tx.security_groups.add(group)
        changed = tx.security_groups.write_rules(group, (a_rule(),), (), NOW)
    assert changed.version == group.version + 1

    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.security_groups.write_rules(group, (), (), NOW)

    with catalog.read() as tx:
        assert tx.security_groups.owned(ANNA, HERE, [group.group_id]) == (changed,)


def test_an_instance_changes_its_groups_in_their_order(catalog: Catalog) -> None:
    join(catalog, ANNA)
    first, second = a_group(), a_group()
    with catalog.begin() as tx:
        tx.security_groups.add(first)
        tx.security_groups.add(second)
        instance = an_instance(group_ids=(first.group_id,))
        tx.instances.add_all([instance])
        tx.instances.update(instance, group_ids=(second.group_id, first.group_id))

    with catalog.begin() as tx:
        found = tx.instances.find(instance.instance_id)
        assert found is not None
        assert found.group_ids == (second.group_id, first.group_id)
        tx.instances.remove(instance.instance_id)
        tx.security_groups.remove(second.group_id)
    with catalog.read() as tx:
        assert tx.security_groups.all_of(ANNA, HERE) == (first,)
