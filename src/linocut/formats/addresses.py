"""Which network addresses a fetch may connect to.

An address is judged after the host has been resolved, together with every IPv4 address hidden inside an IPv6 one. A host that is
written as a number in any but the plain dotted form is refused before that: `0x7f000001`, `2130706433` and `127.1` are only ever
disguises.

The tables are our own, because those of Python's `ipaddress` differ from version to version.
Source: the IANA special-purpose address registries (RFC 6890); WHATWG URL, "ends in a number"; RFC 5214, 6052.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from linocut.formats.errors import FetchFailed, FetchRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?", re.IGNORECASE)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_INNER_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent, at an address that is public by the registry
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_INNER_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4, which hides an IPv4 address
        "3fff::/20",
    )
)


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as the system resolves it; raises FetchFailed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchFailed("The address's host name is not known.", f"{host}: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def literal_address(host: str) -> Address | None:
    """Return the address that a URL's host is written as, or None for a name; raises FetchRefused for any disguise."""
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise FetchRefused("Addresses with a zone are not allowed.", host)
        return address
    last_label = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last_label) or not _NAME.fullmatch(host):
        raise FetchRefused("The URL's host is neither a name nor a plainly written IP address.", host)
    return None


def is_allowed(address: Address, allow: Sequence[Network]) -> bool:
    """Tell whether a fetch may connect here: to a public address, or to one that the operator allows."""
    faces = list(_faces(address))
    return any(face in network for face in faces for network in allow) or all(_is_public(face) for face in faces)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _INNER_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _INNER_V6)


def _faces(address: Address) -> Iterator[Address]:
    """Yield what must be judged: the address, or the IPv4 address that it only spells, or both."""
    if isinstance(address, IPv4Address):
        yield address
        return
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None or address in _NAT64:
        yield low
        return
    yield address
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield low
