"""Networks and the instances in them."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
from cloud_bench import ELSEWHERE, ZONE, Bench, run_order
from foreign_networks import NOBODYS, REFUSED, Owned, everything, named

from linocut.cloud import default_networks, instances, launches, networks, security_groups, security_rules
from linocut.cloud.caller import Caller
from linocut.cloud.instances import InstanceQuery
from linocut.cloud.placements import NetworkOrder
from linocut.cloud.security_rules import RuleAsked, RulesAsked
from linocut.cloud.workflows.reconcile import reconcile
from linocut.machines import MachineSpec, StartFailed
from linocut.model import errors
from linocut.model.errors import NotFound, Refusal
from linocut.model.ids import InstanceId
from linocut.model.networks import WELL_KNOWN_PORTS
from linocut.model.states import InstanceState, OperationState

SSH = RuleAsked(protocol="TCP", port="22", cidr="0.0.0.0/0", action="ACCEPT")
WEB = RuleAsked(protocol="TCP", port="8080", cidr="0.0.0.0/0", action="ACCEPT")


def a_group(bench: Bench, owner: Caller, *rules: RuleAsked) -> str:
    asked = RulesAsked(ingress=rules)
    return security_groups.create_group(
        bench.cloud, owner, name="web", description="", project_id="", tags=(), asked=asked
    ).group_id


def a_network(bench: Bench, owner: Caller, cidr: str = "10.0.8.0/24") -> tuple[str, str]:
    vpc = networks.create_vpc(bench.cloud, owner, name="net", cidr="10.0.0.0/16", multicast=False, tags=())
    view = networks.create_subnet(bench.cloud, owner, vpc.vpc_id, name="part", cidr=cidr, zone=ZONE, tags=())
    return vpc.vpc_id, view.subnet.subnet_id


def everything_of(bench: Bench, owner: Caller) -> Owned:
    vpc_id, subnet_id = a_network(bench, owner)
    group_id = a_group(bench, owner, SSH)
    order = NetworkOrder(vpc_id, subnet_id, group_ids=(group_id,))
    return Owned(vpc_id, subnet_id, group_id, bench.instance(owner, network=order))


def spec_of(bench: Bench, instance_id: str) -> MachineSpec:
    return bench.machines.spec(InstanceId(instance_id))


def launch(bench: Bench, owner: Caller, image_id: str, **order: Any) -> tuple[InstanceId, ...]:
    return launches.run_instances(bench.cloud, owner, run_order(image_id, **order))


def rows_of(bench: Bench, owner: Caller) -> tuple[object, ...]:
    with bench.cloud.catalog.read() as tx:
        groups = tx.security_groups.all_of(owner.account.uin, owner.region)
    return groups, networks.list_vpcs(bench.cloud, owner, everything()), networks.list_subnets(bench.cloud, owner, everything())


def refusal_of(act: Callable[[], object]) -> type[Refusal] | None:
    try:
        act()
    except Refusal as refusal:
        return type(refusal)
    return None


def test_an_account_has_default_networks_in_each_region_that_stay_the_same(bench: Bench) -> None:
    owner = bench.caller("owner")

    first = networks.list_vpcs(bench.cloud, owner, everything(is_default=("true",))).items
    parts = networks.list_subnets(bench.cloud, owner, everything(vpc_id=(first[0].vpc_id,), zone=(ZONE,))).items
    groups = security_groups.list_groups(bench.cloud, owner, everything()).items

    assert [vpc.cidr for vpc in first] == ["172.16.0.0/16"]
    assert [view.free for view in parts] == [4093]
    assert [group.is_default for group in groups] == [True]
    again = default_networks.ensure_defaults(bench.cloud, owner)
    assert (again.vpc, again.group) == (first[0], groups[0])
    elsewhere = default_networks.ensure_defaults(bench.cloud, bench.caller("owner", ELSEWHERE))
    others = default_networks.ensure_defaults(bench.cloud, bench.caller("other"))
    assert len({again.vpc.vpc_id, elsewhere.vpc.vpc_id, others.vpc.vpc_id}) == 3


@pytest.mark.parametrize("kind", ["vpc", "subnet", "group"])
def test_default_networks_are_not_deleted(bench: Bench, kind: str) -> None:
    owner = bench.caller("owner")
    found = default_networks.ensure_defaults(bench.cloud, owner)
    delete: dict[str, Callable[[], None]] = {
        "vpc": lambda: networks.delete_vpc(bench.cloud, owner, found.vpc.vpc_id),
        "subnet": lambda: networks.delete_subnet(bench.cloud, owner, found.subnets[0].subnet_id),
        "group": lambda: security_groups.delete_group(bench.cloud, owner, found.group.group_id),
    }

    with pytest.raises(errors.DefaultNetworkStays):
        delete[kind]()


def test_an_instance_of_no_network_in_particular_is_in_the_default_one_and_open(bench: Bench) -> None:
    owner = bench.caller("owner")

    instance = bench.instance_row(bench.instance(owner))

    found = default_networks.ensure_defaults(bench.cloud, owner)
    assert instance.vpc_id == found.vpc.vpc_id
    assert instance.subnet_id == next(part.subnet_id for part in found.subnets if part.zone == ZONE)
    assert instance.group_ids == (found.group.group_id,)
    assert not instance.has_public_address
    assert spec_of(bench, instance.instance_id).forwarded_ports == WELL_KNOWN_PORTS


def test_an_instance_takes_a_place_of_its_subnet_and_its_address_is_used_while_it_lives(bench: Bench) -> None:
    owner = bench.caller("owner")
    of = everything_of(bench, owner)
    address = bench.instance_row(of.instance_id).address

    def used(*asked: str) -> list[tuple[str, str]]:
        query = named(*asked) if asked else everything()
        page = networks.list_used_addresses(bench.cloud, owner, of.vpc_id, of.subnet_id, query)
        return [(each.address, each.instance_id) for each in page.items]

    def free() -> int:
        return networks.list_subnets(bench.cloud, owner, named(of.subnet_id)).items[0].free

    assert used(address) == used() == [(address, of.instance_id)]
    assert used("127.16.0.1") == []
    assert free() == 252
    with bench.holding():
        instances.terminate_instances(bench.cloud, owner, [of.instance_id])
    assert used(address) == [(address, of.instance_id)]
    bench.workflows.run(("terminate-instance", of.instance_id, ""))
    assert used(address) == []
    assert free() == 253


def test_networks_in_use_are_not_deleted_until_the_instance_is_gone(bench: Bench) -> None:
    owner = bench.caller("owner")
    of = everything_of(bench, owner)
    deletions = (
        lambda: security_groups.delete_group(bench.cloud, owner, of.group_id),
        lambda: networks.delete_subnet(bench.cloud, owner, of.subnet_id),
        lambda: networks.delete_vpc(bench.cloud, owner, of.vpc_id),
    )
    with bench.holding():
        instances.terminate_instances(bench.cloud, owner, [of.instance_id])
    assert [refusal_of(delete) for delete in deletions] == [errors.NetworkInUse] * 3

    bench.workflows.run(("terminate-instance", of.instance_id, ""))

    assert refusal_of(deletions[2]) is errors.NetworkInUse
    assert [refusal_of(delete) for delete in deletions] == [None] * 3
    assert [refusal_of(delete) for delete in deletions] == [
        errors.GroupNotFound,
        errors.SubnetNotFound,
        errors.VpcNotFound,
    ]


def test_a_failed_launch_holds_no_network(bench: Bench) -> None:
    owner = bench.caller("owner")
    of = everything_of(bench, owner)
    instances.terminate_instances(bench.cloud, owner, [of.instance_id])

    def refuse(verb: str, _instance_id: InstanceId) -> None:
        if verb == "start":
            raise StartFailed("it does not start")

    bench.machines.refused = refuse
    order = NetworkOrder(of.vpc_id, of.subnet_id, group_ids=(of.group_id,))
    (failed,) = launch(bench, owner, bench.image(owner, "other"), network=order)
    assert bench.instance_row(failed).state is InstanceState.LAUNCH_FAILED

    security_groups.delete_group(bench.cloud, owner, of.group_id)
    networks.delete_subnet(bench.cloud, owner, of.subnet_id)


def test_a_full_subnet_takes_no_more(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.change(host_vcpus=100, host_memory_mb=100_000)
    vpc_id, subnet_id = a_network(bench, owner, "10.0.8.0/28")
    image_id, order = bench.image(owner), NetworkOrder(vpc_id, subnet_id)
    with bench.holding():
        for _ in range(13):
            launch(bench, owner, image_id, network=order)
        with pytest.raises(errors.SubnetFull):
            launch(bench, owner, image_id, network=order)
        assert len(launch(bench, owner, image_id, count=2)) == 2

    with bench.cloud.catalog.read() as tx:
        addresses = [instance.address for instance in tx.instances.in_states(InstanceState)]
    assert len(set(addresses)) == len(addresses) == 15


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"vpc_id": "vpc-1"}, errors.VpcIdMalformed),
        ({"subnet_id": "DEFAULT"}, errors.SubnetIdMalformed),
        ({"vpc_id": "DEFAULT"}, errors.VpcIdMalformed),
        ({"vpc_id": "other"}, errors.SubnetOfOtherVpc),
        ({"zone": "ap-guangzhou-4"}, errors.SubnetInOtherZone),
        ({"private_addresses": ("127.16.0.2", "127.16.0.3")}, errors.ParameterUnsupported),
        ({"private_addresses": ("127.16.0.2",), "count": 2}, errors.ParameterConflict),
        ({"private_addresses": ("10.0.8.5",)}, errors.AddressOutsidePool),
        ({"private_addresses": ("127.0.0.1",)}, errors.AddressOutsidePool),
        ({"private_addresses": ("10.0.8",)}, errors.AddressMalformed),
        ({"group_ids": ("web",)}, errors.GroupIdMalformed),
        ({"group_ids": ("sg-00000000",)}, errors.GroupNotFound),
        ({"group_ids": ("sg-00000000",) * 6}, errors.GroupsOfInstanceExceeded),
        ({"public_address": True}, errors.PublicAddressWithoutBandwidth),
        ({"bandwidth_mbps": 2001}, errors.ValueOutOfRange),
        ({"bandwidth_mbps": -1}, errors.ValueOutOfRange),
        ({"charge_type": "BANDWIDTH_PACKAGE"}, errors.ParameterUnsupported),
        ({"charge_type": "FREE"}, errors.InvalidValue),
    ],
)
def test_a_launch_says_what_is_wrong_with_its_networks(bench: Bench, order: dict[str, Any], error: type[Refusal]) -> None:
    owner = bench.caller("owner")
    vpc_id, subnet_id = a_network(bench, owner)
    other = networks.create_vpc(bench.cloud, owner, name="other", cidr="10.0.0.0/16", multicast=False, tags=())
    rest = {name: value for name, value in order.items() if name in {"zone", "count"}}
    asked = {"vpc_id": vpc_id, "subnet_id": subnet_id} | {name: value for name, value in order.items() if name not in rest}
    if asked["vpc_id"] == "other":
        asked["vpc_id"] = other.vpc_id

    with pytest.raises(error):
        launch(bench, owner, bench.image(owner), network=NetworkOrder(**asked), **rest)

    assert bench.rows()[1] == ()


class LoadedDice(random.SystemRandom):
    """Dice that give each address twice in a row."""

    def __init__(self) -> None:
        super().__init__()
        self._thrown = count()

    def randint(self, a: int, _b: int) -> int:
        return a + next(self._thrown) // 4

    def randrange(self, *_bounds: Any) -> int:
        return 7


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_two_instances_get_one_address(bench: Bench, at_once: int) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    bench.cloud = replace(bench.cloud, randomness=LoadedDice())

    launched = [launch(bench, owner, image_id, count=at_once) for _ in range(3 - at_once)]

    addresses = {bench.instance_row(instance_id).address for ids in launched for instance_id in ids}
    assert addresses == {"127.16.7.2", "127.17.7.3"}


def test_an_address_may_be_chosen_once(bench: Bench) -> None:
    owner = bench.caller("owner")
    order = NetworkOrder(private_addresses=("127.99.88.77",))

    instance = bench.instance_row(bench.instance(owner, network=order))

    assert instance.address == spec_of(bench, instance.instance_id).address == "127.99.88.77"
    with pytest.raises(errors.AddressTaken):
        bench.instance(bench.caller("other"), network=order)


@pytest.mark.parametrize(
    ("order", "public"),
    [
        (NetworkOrder(), False),
        (NetworkOrder(bandwidth_mbps=5), True),
        (NetworkOrder(bandwidth_mbps=5, public_address=True), True),
        (NetworkOrder(bandwidth_mbps=5, public_address=False), False),
        (NetworkOrder(public_address=False), False),
    ],
)
def test_bandwidth_gives_a_public_address_unless_told_otherwise(bench: Bench, order: NetworkOrder, *, public: bool) -> None:
    owner = bench.caller("owner")
    instance = bench.instance_row(bench.instance(owner, network=order))

    def found(name: str) -> bool:
        query = InstanceQuery(None, {name: (instance.address,)}, 0, 100)
        return instances.list_instances(bench.cloud, owner, query).total == 1

    assert instance.has_public_address == found("public-ip-address") == public
    assert found("private-ip-address")
    assert instance.bandwidth_mbps == order.bandwidth_mbps


def test_ports_follow_the_rules_of_a_running_instance_and_of_one_that_is_off(bench: Bench) -> None:
    owner = bench.caller("owner")
    group_id = a_group(bench, owner, SSH)
    running = bench.instance(owner, network=NetworkOrder(group_ids=(group_id,)))
    off = bench.instance(owner, network=NetworkOrder(group_ids=(group_id,)))
    bystander = bench.instance(owner)
    instances.stop_instances(bench.cloud, bench.caller("owner"), [off], how=instances.StopHow.HARD)
    assert spec_of(bench, running).forwarded_ports == (22,)

    security_rules.add_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(ingress=(WEB,)))

    assert spec_of(bench, running).forwarded_ports == spec_of(bench, off).forwarded_ports == (22, 8080)
    assert spec_of(bench, bystander).forwarded_ports == WELL_KNOWN_PORTS
    security_rules.delete_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(ingress=(SSH,)))
    assert spec_of(bench, running).forwarded_ports == (8080,)
    security_rules.reset_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(version="0"))
    assert spec_of(bench, running).forwarded_ports == ()


def test_ports_follow_the_groups_of_an_instance_in_their_order(bench: Bench) -> None:
    owner = bench.caller("owner")
    closing = a_group(bench, owner, RuleAsked(protocol="TCP", port="22", cidr="0.0.0.0/0", action="DROP"))
    opening = a_group(bench, owner, SSH, WEB)
    name = bench.instance(owner, network=NetworkOrder(group_ids=(opening,)))

    security_groups.associate_group(bench.cloud, bench.caller("owner"), [closing], [name])
    assert spec_of(bench, name).forwarded_ports == (22, 8080)
    security_groups.replace_groups(bench.cloud, bench.caller("owner"), [closing, opening], [name])
    assert spec_of(bench, name).forwarded_ports == (8080,)
    security_groups.disassociate_group(bench.cloud, bench.caller("owner"), [opening], [name])
    assert spec_of(bench, name).forwarded_ports == ()

    row = bench.instance_row(name)
    assert row.group_ids == (closing,)
    assert (row.latest_operation, row.latest_operation_state) == ("DisassociateSecurityGroups", OperationState.SUCCESS)
    with pytest.raises(errors.LastGroupStays):
        security_groups.disassociate_group(bench.cloud, bench.caller("owner"), [closing], [name])


def test_an_instance_has_up_to_five_groups(bench: Bench) -> None:
    owner = bench.caller("owner")
    name = bench.instance(owner)
    for _ in range(4):
        security_groups.associate_group(bench.cloud, owner, [a_group(bench, owner)], [name])

    with pytest.raises(errors.GroupsOfInstanceExceeded):
        security_groups.associate_group(bench.cloud, owner, [a_group(bench, owner)], [name])


def test_rules_that_change_while_an_instance_is_launched_are_followed(bench: Bench) -> None:
    owner = bench.caller("owner")
    group_id = a_group(bench, owner, SSH)

    def change(verb: str, _instance_id: InstanceId) -> None:
        if verb == "start":
            bench.machines.refused = lambda _verb, _instance_id: None
            with bench.holding():
                security_rules.add_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(ingress=(WEB,)))

    bench.machines.refused = change
    name = bench.instance(owner, network=NetworkOrder(group_ids=(group_id,)))

    assert bench.instance_row(name).state is InstanceState.RUNNING
    assert spec_of(bench, name).forwarded_ports == (22, 8080)


def test_rules_that_change_while_earlier_ones_are_carried_out_are_followed(bench: Bench) -> None:
    owner = bench.caller("owner")
    group_id = a_group(bench, owner, SSH)
    name = bench.instance(owner, network=NetworkOrder(group_ids=(group_id,)))

    def change(verb: str, _instance_id: InstanceId) -> None:
        if verb == "forward":
            bench.machines.refused = lambda _verb, _instance_id: None
            with bench.holding():
                security_rules.delete_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(ingress=(SSH,)))

    bench.machines.refused = change
    security_rules.add_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(ingress=(WEB,)))

    assert spec_of(bench, name).forwarded_ports == (8080,)


def test_rules_whose_carrying_out_was_lost_are_carried_out_by_the_reconciler(bench: Bench) -> None:
    owner = bench.caller("owner")
    group_id = a_group(bench, owner, SSH)
    name = bench.instance(owner, network=NetworkOrder(group_ids=(group_id,)))
    with bench.holding():
        security_rules.add_rules(bench.cloud, bench.caller("owner"), group_id, RulesAsked(ingress=(WEB,)))
    assert spec_of(bench, name).forwarded_ports == (22,)

    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]  # it asks of an engine what DirectWorkflows offers

    assert spec_of(bench, name).forwarded_ports == (22, 8080)


def test_what_belongs_to_another_account_does_not_exist(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    theirs = everything_of(bench, owner)
    before = (bench.rows(), rows_of(bench, owner))

    for function, act in REFUSED.items():
        refusal = refusal_of(partial(act, bench, stranger, theirs))
        assert refusal is not None, function
        assert issubclass(refusal, NotFound), function
        assert refusal is refusal_of(partial(act, bench, stranger, NOBODYS)), function

    assert (bench.rows(), rows_of(bench, owner)) == before
    assert all(vpc.is_default for vpc in networks.list_vpcs(bench.cloud, stranger, everything()).items)
    assert networks.list_subnets(bench.cloud, stranger, everything(vpc_id=(theirs.vpc_id,))).total == 0
    assert networks.list_vpcs(bench.cloud, stranger, everything(vpc_id=(theirs.vpc_id,))).total == 0


@pytest.mark.parametrize("of", ["vpc", "group"])
def test_a_launch_goes_into_own_networks_only(bench: Bench, of: str) -> None:
    stranger = bench.caller("stranger")
    theirs = everything_of(bench, bench.caller("owner"))
    orders = {
        "vpc": NetworkOrder(theirs.vpc_id, theirs.subnet_id),
        "group": NetworkOrder(group_ids=(theirs.group_id,)),
    }

    with pytest.raises(NotFound):
        bench.instance(stranger, network=orders[of])


def test_more_rules_than_a_group_can_have_are_refused_before_anybody_waits_for_them(bench: Bench) -> None:
    owner = bench.caller("owner")
    group_id = a_group(bench, owner, SSH)
    unread = replace(SSH, port="no port at all")
    tries: list[tuple[Callable[[RulesAsked], object], type[Refusal]]] = [
        (partial(security_rules.add_rules, bench.cloud, owner, group_id), errors.RuleQuotaExceeded),
        (partial(security_rules.delete_rules, bench.cloud, owner, group_id), errors.RuleQuotaExceeded),
        (partial(security_rules.reset_rules, bench.cloud, owner, group_id), errors.RuleQuotaExceeded),
        (partial(security_rules.replace_rules, bench.cloud, owner, group_id), errors.TooManyValues),
        (lambda asked: a_group_of(bench, owner, asked), errors.RuleQuotaExceeded),
    ]

    with bench.cloud.catalog.begin() as tx:  # whoever waits for this to end waits for ever
        tx.networks.lock(owner.account.uin, owner.region)
        for act, refusal in tries:
            for asked in (RulesAsked(ingress=(unread,) * 101), RulesAsked(egress=(unread,) * 101)):
                assert refusal_of(partial(act, asked)) is refusal


def test_a_group_is_made_with_as_many_rules_as_it_can_have(bench: Bench) -> None:
    owner = bench.caller("owner")
    most = tuple(replace(SSH, port=str(number)) for number in range(1, 101))

    assert len(a_group_of(bench, owner, RulesAsked(ingress=most, egress=most)).ingress) == 100
    assert refusal_of(lambda: a_group_of(bench, owner, RulesAsked(ingress=(*most[1:], most[1])))) is errors.RuleRepeated


def a_group_of(bench: Bench, owner: Caller, asked: RulesAsked) -> security_groups.SecurityGroup:
    return security_groups.create_group(bench.cloud, owner, name="many", description="", project_id="", tags=(), asked=asked)
