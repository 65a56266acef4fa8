"""Ranges of networks, and which ports the rules of security groups open."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linocut.model import errors, networks
from linocut.model.ids import Region, SubnetId, Uin, VpcId, Zone
from linocut.model.networks import ACCEPT_ALL, OpenPorts, Protocol, Rule, RuleAction, Subnet, Vpc, open_ports

NOW = datetime(2026, 11, 23, tzinfo=UTC)
VPC = Vpc(VpcId("vpc-00000001"), Uin("1"), Region("r"), "net", "10.0.0.0/16", False, False, "rtb-00000001", NOW)  # noqa: FBT003
PART = Subnet(
    SubnetId("subnet-00000001"),
    VPC.vpc_id,
    VPC.owner,
    VPC.region,
    Zone("z"),
    "part",
    "10.0.8.0/24",
    is_default=False,
    broadcast=False,
    created_at=NOW,
)


def accept(ports: str, protocol: Protocol = Protocol.TCP, cidr: str = "0.0.0.0/0") -> Rule:
    return Rule(protocol, ports, RuleAction.ACCEPT, cidr=cidr)


def drop(ports: str, protocol: Protocol = Protocol.TCP, cidr: str = "0.0.0.0/0") -> Rule:
    return replace(accept(ports, protocol, cidr), action=RuleAction.DROP)


@pytest.mark.parametrize("cidr", ["10.0.0.0/12", "10.240.0.0/16", "172.16.0.0/12", "172.31.0.0/28", "192.168.0.0/16"])
def test_a_vpc_takes_private_ranges(cidr: str) -> None:
    assert networks.vpc_cidr(cidr) == cidr


@pytest.mark.parametrize(
    ("cidr", "error"),
    [
        ("10.0.0.0/8", errors.CidrNotPrivate),
        ("10.0.0.0/29", errors.CidrNotPrivate),
        ("172.32.0.0/16", errors.CidrNotPrivate),
        ("192.168.0.0/15", errors.CidrNotPrivate),
        ("8.8.8.0/24", errors.CidrNotPrivate),
        ("10.0.0.1/16", errors.CidrMalformed),
        ("10.0.0.0", errors.CidrMalformed),
        ("10.0.0/16", errors.CidrMalformed),
        ("fc00::/16", errors.CidrMalformed),
        ("", errors.CidrMalformed),
    ],
)
def test_a_vpc_takes_no_other_range(cidr: str, error: type[errors.Refusal]) -> None:
    with pytest.raises(error):
        networks.vpc_cidr(cidr)


@pytest.mark.parametrize(
    ("cidr", "error"),
    [
        ("10.0.9.0/24", None),
        ("10.0.0.0/21", None),
        ("10.1.0.0/24", errors.SubnetOutsideVpc),
        ("10.0.0.0/15", errors.SubnetOutsideVpc),
        ("10.0.0.0/29", errors.SubnetOutsideVpc),
        ("10.0.8.0/24", errors.SubnetsOverlap),
        ("10.0.0.0/16", errors.SubnetsOverlap),
        ("10.0.8.16/28", errors.SubnetsOverlap),
        ("10.0.8.1/24", errors.CidrMalformed),
    ],
)
def test_a_subnet_is_a_part_of_its_vpc_beside_the_others(cidr: str, error: type[errors.Refusal] | None) -> None:
    if error is None:
        assert networks.subnet_cidr(cidr, VPC, [PART]) == cidr
    else:
        with pytest.raises(error):
            networks.subnet_cidr(cidr, VPC, [PART])


def test_three_addresses_of_a_subnet_are_for_nobody() -> None:
    assert PART.places == 253


def test_default_subnets_are_parts_of_the_default_vpc_and_do_not_overlap() -> None:
    parts = [IPv4Network(cidr) for cidr in networks.default_subnet_cidrs()]

    assert all(part.subnet_of(networks.DEFAULT_VPC_CIDR) for part in parts)
    assert not any(one.overlaps(other) for one in parts for other in parts if one != other)


@pytest.mark.parametrize(
    ("rules", "opened"),
    [
        ((), ()),
        ((ACCEPT_ALL,), networks.WELL_KNOWN_PORTS),
        ((accept("ALL"),), networks.WELL_KNOWN_PORTS),
        ((accept("22"),), (22,)),
        ((accept("22,8000-8002"),), (22, 8000, 8001, 8002)),
        ((accept("1-65535"),), networks.WELL_KNOWN_PORTS),
        ((accept("1-65535"), accept("9000")), (*networks.WELL_KNOWN_PORTS, 9000)),
        ((accept("8000-8063"),), tuple(range(8000, 8064))),
        ((accept("8000-8064"),), ()),
        ((drop("22"), ACCEPT_ALL), (80, 443, 3389, 5985, 5986)),
        ((ACCEPT_ALL, drop("22")), networks.WELL_KNOWN_PORTS),
        ((drop("ALL", Protocol.ALL), ACCEPT_ALL), ()),
        ((drop("ALL", Protocol.UDP), ACCEPT_ALL), networks.WELL_KNOWN_PORTS),
        ((drop("ALL", Protocol.ICMP), ACCEPT_ALL), networks.WELL_KNOWN_PORTS),
        ((accept("22", cidr="10.0.0.0/8"),), ()),
        ((drop("22", cidr="10.0.0.0/8"), accept("22")), (22,)),
        ((accept("22", cidr="127.0.0.1"),), (22,)),
        ((accept("22", cidr="127.0.0.0/8"),), (22,)),
        ((replace(accept("22"), cidr="", group_id="sg-00000001"),), ()),
        ((replace(accept("22"), cidr="", ipv6_cidr="::/0"),), ()),
    ],
)
def test_the_first_rule_that_concerns_a_port_opens_or_closes_it(rules: tuple[Rule, ...], opened: tuple[int, ...]) -> None:
    assert open_ports(rules) == OpenPorts(tuple(opened), ())


def test_ports_of_udp_are_those_that_are_named() -> None:
    assert open_ports([ACCEPT_ALL]).udp == ()
    assert open_ports([accept("53,60-61", Protocol.UDP)]).udp == (53, 60, 61)
    assert open_ports([drop("60", Protocol.UDP), accept("53,60-61", Protocol.UDP)]).udp == (53, 61)


def test_of_many_named_ports_the_first_are_forwarded() -> None:
    ports = open_ports([accept(",".join(str(port) for port in range(1000, 1300)))]).tcp

    assert ports == tuple(range(1000, 1000 + networks.NAMED_PORTS))


ports = st.sampled_from(["ALL", "22", "80", "8000-8003", "8002", "22,8001", "1-65535", "20-90"])
rules = st.lists(
    st.builds(
        Rule,
        protocol=st.sampled_from([Protocol.TCP, Protocol.UDP, Protocol.ALL]),
        ports=ports,
        action=st.sampled_from(RuleAction),
        cidr=st.sampled_from(["0.0.0.0/0", "127.0.0.1", "10.0.0.0/8"]),
    ).map(lambda rule: replace(rule, ports="ALL") if rule.protocol is Protocol.ALL else rule),
    max_size=6,
)


@given(rules=rules)
def test_what_is_open_is_what_judging_each_port_by_itself_opens(rules: list[Rule]) -> None:
    def judged(port: int) -> bool:
        for rule in rules:
            spans = [part.partition("-") for part in rule.ports.replace("ALL", "1-65535").split(",")]
            holds = any(int(first) <= port <= int(last or first) for first, _, last in spans)
            if holds and rule.protocol is not Protocol.UDP and rule.cidr != "10.0.0.0/8":
                return rule.action is RuleAction.ACCEPT
        return False

    opened = open_ports(rules).tcp

    assert all(judged(port) for port in opened)
    assert {port for port in networks.WELL_KNOWN_PORTS if judged(port)} <= set(opened)
    assert len(set(opened)) == len(opened)


@pytest.mark.parametrize(
    ("text", "protocol", "kept"),
    [
        ("", Protocol.TCP, "ALL"),
        ("all", Protocol.UDP, "ALL"),
        ("22", Protocol.TCP, "22"),
        ("22, 80,8000-8010", Protocol.UDP, "22,80,8000-8010"),
        ("ALL", Protocol.ICMP, "ALL"),
    ],
)
def test_ports_of_a_rule_are_kept_in_one_form(text: str, protocol: Protocol, kept: str) -> None:
    assert networks.rule_ports(text, protocol) == kept


@pytest.mark.parametrize("text", ["x", "0", "65536", "80-22", "22-", "-22", "22,,80", "1-2-3", "999999", "٢٢"])
def test_what_names_no_ports_is_refused(text: str) -> None:
    with pytest.raises(errors.PortsMalformed):
        networks.rule_ports(text, Protocol.TCP)


def test_a_rule_names_up_to_twenty_ranges() -> None:
    most = ",".join(["60000-60099"] * 20)

    assert networks.rule_ports(most, Protocol.TCP) == most
    for text in (most + ",1", "2" + " " * 256, ",".join(["60000-60099"] * 80_000)):
        with pytest.raises(errors.PortsMalformed):
            networks.rule_ports(text, Protocol.TCP)


@pytest.mark.parametrize("protocol", [Protocol.ICMP, Protocol.GRE, Protocol.ALL])
def test_a_protocol_without_ports_takes_none(protocol: Protocol) -> None:
    with pytest.raises(errors.ParameterConflict):
        networks.rule_ports("22", protocol)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("0.0.0.0/8", "0.0.0.0/0"), ("10.1.2.3/8", "10.0.0.0/8"), ("10.1.2.3", "10.1.2.3"), ("10.1.2.3/32", "10.1.2.3")],
)
def test_a_source_is_kept_as_a_network(text: str, kept: str) -> None:
    assert networks.rule_cidr(text) == kept


@pytest.mark.parametrize("text", ["x", "10.0.0.0/33", "::/0", "10.0.0"])
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(errors.CidrMalformed):
        networks.rule_cidr(text)
