"""Networks: VPCs, subnets, security groups, and which ports of a guest their rules open.

A VPC's and a subnet's address range is a record: it is checked as the product checks it, and an instance takes one place in it.
What a guest is reached by is a loopback address of the host, and what can be reached there is decided by security groups.

Rules are judged as the product judges them: an instance's groups in their order, in each group the ingress rules from the first
to the last, and the first rule that concerns a packet decides; a packet that no rule concerns is dropped. Whoever connects from
the host comes from 127.0.0.1, so the rules that count are those whose source holds that address, which 0.0.0.0/0 does.

A port is forwarded by a listening socket of QEMU's, so not every port that is open can be forwarded. Those are looked at that a
rule names by themselves or in a range of up to 64, in the order of the rules and up to 128 of them, and the well-known ones.

Source: VPC CreateVpc, CreateSubnet, CreateSecurityGroupPolicies.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from linocut.model import errors
from linocut.model.ids import GroupId, Region, SubnetId, Uin, VpcId, Zone
from linocut.model.records import Tag

NAME_CHARACTERS: Final = 60
GROUP_DESCRIPTION_CHARACTERS: Final = 100
RULE_DESCRIPTION_CHARACTERS: Final = 100
VPCS: Final = 20
"""VPCs of an account in a region."""
SUBNETS_PER_VPC: Final = 100
GROUPS: Final = 50
"""Security groups of an account in a region."""
RULES_PER_DIRECTION: Final = 100
GROUPS_PER_INSTANCE: Final = 5
PORT_PARTS: Final = 20
"""Numbers and ranges that one rule names."""
PORT_CHARACTERS: Final = 256

DEFAULT_VPC_CIDR: Final = IPv4Network("172.16.0.0/16")
_DEFAULT_SUBNET_PREFIX: Final = 20
_RESERVED_ADDRESSES: Final = 3
"""Of each subnet: the network's, the gateway's and the broadcast address."""
_PRIVATE: Final = (
    # network, its shortest prefix for a VPC
    (IPv4Network("10.0.0.0/8"), 12),
    (IPv4Network("172.16.0.0/12"), 12),
    (IPv4Network("192.168.0.0/16"), 16),
)
_SUBNET_PREFIXES: Final = (16, 28)

WELL_KNOWN_PORTS: Final = (22, 80, 443, 3389, 5985, 5986)
LONGEST_NAMED_RANGE: Final = 64
NAMED_PORTS: Final = 128
_HIGHEST_PORT: Final = 65535
_HOST: Final = IPv4Address("127.0.0.1")
_ALL: Final = "ALL"
_PORTS: Final = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")


class Protocol(StrEnum):
    """What a rule is about."""

    TCP = "TCP"
    UDP = "UDP"
    ICMP = "ICMP"
    ICMPV6 = "ICMPV6"
    GRE = "GRE"
    ALL = "ALL"


class RuleAction(StrEnum):
    """What becomes of a packet."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"


@dataclass(frozen=True, slots=True)
class Vpc:
    """A network of an account in a region. `multicast` is kept as it was asked for: guests do not reach each other."""

    vpc_id: VpcId
    owner: Uin
    region: Region
    name: str
    cidr: str
    is_default: bool
    multicast: bool
    route_table_id: str
    created_at: datetime
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Subnet:
    """A part of a VPC in one zone. `broadcast` is kept as it was asked for."""

    subnet_id: SubnetId
    vpc_id: VpcId
    owner: Uin
    region: Region
    zone: Zone
    name: str
    cidr: str
    is_default: bool
    broadcast: bool
    created_at: datetime
    tags: tuple[Tag, ...] = ()

    @property
    def places(self) -> int:
        """How many instances have a place in it."""
        return IPv4Network(self.cidr).num_addresses - _RESERVED_ADDRESSES


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group. One of the three sources (for egress: destinations) is given, the others are empty."""

    protocol: Protocol
    ports: str
    """``ALL``, or numbers and ranges with commas between: ``22,8000-8010``."""
    action: RuleAction
    cidr: str = ""
    ipv6_cidr: str = ""
    group_id: str = ""
    description: str = ""
    modified_at: datetime | None = None

    @property
    def says(self) -> tuple[str, ...]:
        """What it says, whatever its description."""
        return (self.protocol, self.ports, self.action, self.cidr, self.ipv6_cidr, self.group_id)


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """Rules that decide what reaches an instance. `version` counts their changes."""

    group_id: GroupId
    owner: Uin
    region: Region
    name: str
    description: str
    is_default: bool
    version: int
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]
    created_at: datetime
    updated_at: datetime
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenPorts:
    """The ports of a guest that are forwarded."""

    tcp: tuple[int, ...]
    udp: tuple[int, ...] = ()


ACCEPT_ALL: Final = Rule(Protocol.ALL, _ALL, RuleAction.ACCEPT, cidr="0.0.0.0/0")
"""The one rule of each direction that a default security group has."""


def open_ports(rules: Iterable[Rule]) -> OpenPorts:
    """Return the ports that these ingress rules, judged in this order, open to the host, as far as they can be forwarded."""
    concerned = tuple(_Ports(rule, _ranges(rule.ports)) for rule in rules if rule.cidr and _HOST in IPv4Network(rule.cidr))
    return OpenPorts(
        tcp=tuple(port for port in _candidates(concerned, Protocol.TCP) if _accepts(concerned, Protocol.TCP, port)),
        udp=tuple(port for port in _named(concerned, Protocol.UDP) if _accepts(concerned, Protocol.UDP, port)),
    )


@dataclass(frozen=True, slots=True)
class _Ports:
    """A rule and the ranges that it names; None for all ports."""

    rule: Rule
    ranges: tuple[tuple[int, int], ...] | None

    def hold(self, port: int) -> bool:
        return self.ranges is None or any(first <= port <= last for first, last in self.ranges)


def _candidates(rules: tuple[_Ports, ...], protocol: Protocol) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*WELL_KNOWN_PORTS, *_named(rules, protocol))))


def _named(rules: tuple[_Ports, ...], protocol: Protocol) -> tuple[int, ...]:
    """Return the ports that the rules name, in their order, without those of long ranges and what is beyond the limit."""
    found = dict.fromkeys(
        port
        for ports in rules
        if ports.rule.protocol is protocol and ports.rule.action is RuleAction.ACCEPT
        for first, last in ports.ranges or ()
        if last - first < LONGEST_NAMED_RANGE
        for port in range(first, last + 1)
    )
    return tuple(found)[:NAMED_PORTS]


def _accepts(rules: tuple[_Ports, ...], protocol: Protocol, port: int) -> bool:
    for ports in rules:
        if ports.rule.protocol in {protocol, Protocol.ALL} and ports.hold(port):
            return ports.rule.action is RuleAction.ACCEPT
    return False


def _ranges(ports: str) -> tuple[tuple[int, int], ...] | None:
    return None if ports == _ALL else tuple(_range(part) for part in ports.split(","))


def _range(part: str) -> tuple[int, int]:
    first, _, last = part.partition("-")
    return int(first), int(last or first)


def rule_protocol(text: str) -> Protocol:
    """Return a rule's protocol, ALL for an empty text. Raises InvalidValue."""
    try:
        return Protocol(text.upper() or _ALL)
    except ValueError as error:
        raise errors.InvalidValue(f"Protocol takes {', '.join(Protocol)}.") from error


def rule_ports(text: str, protocol: Protocol) -> str:
    """Return a rule's ports, ALL for an empty text. Raises PortsMalformed, ParameterConflict."""
    if len(text) > PORT_CHARACTERS or text.count(",") >= PORT_PARTS:
        raise errors.PortsMalformed(f"Port takes up to {PORT_PARTS} numbers and ranges and {PORT_CHARACTERS} characters.")
    given = text.replace(" ", "").upper() or _ALL
    if given == _ALL:
        return given
    if protocol not in {Protocol.TCP, Protocol.UDP}:
        raise errors.ParameterConflict(f"Port takes ALL where Protocol is {protocol}.")
    if not _PORTS.fullmatch(given):
        raise errors.PortsMalformed("Port takes ALL, a number, a range such as 8000-8010, or several with commas between.")
    for first, last in map(_range, given.split(",")):
        if not 0 < first <= last <= _HIGHEST_PORT:
            raise errors.PortsMalformed(f"Port takes 1 to {_HIGHEST_PORT}, and ranges from the lower to the higher.")
    return given


def rule_action(text: str) -> RuleAction:
    """Return a rule's action. Raises InvalidValue."""
    try:
        return RuleAction(text.upper())
    except ValueError as error:
        raise errors.InvalidValue("Action takes ACCEPT or DROP.") from error


def rule_cidr(text: str) -> str:
    """Return a rule's IPv4 source as a network; an address is one of itself, and 0.0.0.0/n is 0.0.0.0/0. Raises CidrMalformed."""
    try:
        network = IPv4Network(text, strict=False)
    except ValueError as error:
        raise errors.CidrMalformed(f"{text!r} is no IPv4 address or network.") from error
    if int(network.network_address) == 0:
        return "0.0.0.0/0"
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def rule_ipv6_cidr(text: str) -> str:
    """Return a rule's IPv6 source as a network. Raises CidrMalformed."""
    try:
        return str(IPv6Network(text, strict=False))
    except ValueError as error:
        raise errors.CidrMalformed(f"{text!r} is no IPv6 address or network.") from error


def vpc_cidr(text: str) -> str:
    """Return a VPC's range. Raises CidrMalformed, CidrNotPrivate."""
    network = _network(text)
    for private, shortest in _PRIVATE:
        if network.subnet_of(private) and shortest <= network.prefixlen <= _SUBNET_PREFIXES[1]:
            return str(network)
    raise errors.CidrNotPrivate(
        "CidrBlock takes a network in 10.0.0.0/8 or 172.16.0.0/12 of /12 to /28, or in 192.168.0.0/16 of /16 to /28."
    )


def subnet_cidr(text: str, vpc: Vpc, others: Iterable[Subnet]) -> str:
    """Return a subnet's range. Raises CidrMalformed, SubnetOutsideVpc, SubnetsOverlap."""
    network = _network(text)
    shortest, longest = _SUBNET_PREFIXES
    if not shortest <= network.prefixlen <= longest:
        raise errors.SubnetOutsideVpc(f"A subnet's CidrBlock takes /{shortest} to /{longest}.")
    if not network.subnet_of(IPv4Network(vpc.cidr)):
        raise errors.SubnetOutsideVpc(f"{network} is not inside VPC {vpc.vpc_id}, which has {vpc.cidr}.")
    for other in others:
        if network.overlaps(IPv4Network(other.cidr)):
            raise errors.SubnetsOverlap(f"{network} overlaps subnet {other.subnet_id}, which has {other.cidr}.")
    return str(network)


def default_subnet_cidrs() -> tuple[str, ...]:
    """Return the ranges of the default VPC's default subnets, one for each zone of a region in its order."""
    return tuple(str(network) for network in DEFAULT_VPC_CIDR.subnets(new_prefix=_DEFAULT_SUBNET_PREFIX))


def network_name(parameter: str, text: str) -> str:
    """Return the name of a VPC, subnet or security group. Raises InvalidValue, ValueTooLong."""
    if not text:
        raise errors.InvalidValue(f"{parameter} is empty.")
    return _text(parameter, text, NAME_CHARACTERS)


def group_description(text: str) -> str:
    """Return the description of a security group. Raises InvalidValue, ValueTooLong."""
    return _text("GroupDescription", text, GROUP_DESCRIPTION_CHARACTERS)


def rule_description(text: str) -> str:
    """Return the description of a rule. Raises InvalidValue, ValueTooLong."""
    return _text("PolicyDescription", text, RULE_DESCRIPTION_CHARACTERS)


def _text(parameter: str, text: str, characters: int) -> str:
    if len(text) > characters:
        raise errors.ValueTooLong(f"{parameter} has more than {characters} characters.")
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in text):
        raise errors.InvalidValue(f"{parameter} has a character that cannot be kept.")
    return text


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text) if "/" in text else _refuse(text)
    except ValueError as error:
        raise errors.CidrMalformed(f"{text!r} is no IPv4 network such as 10.0.0.0/16.") from error


def _refuse(text: str) -> IPv4Network:
    raise ValueError(text)
