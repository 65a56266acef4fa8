"""Which network addresses a fetch may connect to.

An address is judged after the host has been resolved, together with every IPv4 address hidden inside an IPv6 one. A host that is
written as a number in any but the plain dotted form is refused before that: `0x7f000001`, `2130706433` and `127.1` are only ever
disguises.
Source: RFC 6890 and its registries; WHATWG URL, "ends in a number"; RFC 3056, 4380, 5214, 6052.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from linocut.formats.errors import FetchFailed, FetchRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?", re.IGNORECASE)
_NAT64: Final = ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ip_network("::/96")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
_NEVER_PUBLIC: Final[tuple[Network, ...]] = (
    ip_network("168.63.129.16/32"),  # Azure's host agent, at a public address
    ip_network("192.88.99.0/24"),  # 6to4 relays
    ip_network("64:ff9b:1::/48"),  # a site's own NAT64
    ip_network("fec0::/10"),  # site-local, of old
    ip_network("5f00::/16"),  # segment routing
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
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    site = isinstance(address, IPv6Address) and address.is_site_local
    if special or site or address.is_link_local or address.is_private:
        return False
    return address.is_global and not any(address in network for network in _NEVER_PUBLIC)


def _faces(address: Address) -> Iterator[Address]:
    """Yield the addresses that traffic to this one may end at; a plain mapping stands for its IPv4 address alone."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64:
        # The prefix is not "global" by its registry entry; what counts is where it leads.
        yield low
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _COMPATIBLE or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield low
