"""The ports of a running guest: which are forwarded is asked of QEMU itself, and what differs is changed.

QMP has no orders for it; those of QEMU's human monitor answer with text, which is empty when all went well.
"""

import re
from collections.abc import Iterable
from typing import Final

from linocut.machines.command import NETWORK
from linocut.machines.errors import ForwardRefused
from linocut.machines.interface import Forward
from linocut.machines.monitor import Monitor

_FORWARD: Final = re.compile(r"(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+([\d.]+)\s+(\d+)\s+[\d.]+\s+(\d+)")


def forward_ports(monitor: Monitor, wanted: Iterable[Forward]) -> None:
    """Have a running guest's ports forwarded to these places, and to no others.

    Raises ForwardRefused when QEMU cannot bind some of them, after all the others are as wanted.
    """
    asked = set(wanted)
    present = _present(monitor)
    for place in present - asked:
        _order(monitor, f"hostfwd_remove {NETWORK} {place.protocol}:{place.address}:{place.port}")
    refused = [
        place
        for place in sorted(asked - present, key=lambda place: (place.protocol, place.port))
        if _order(monitor, f"hostfwd_add {NETWORK} {place.protocol}:{place.address}:{place.port}-:{place.guest_port}")
    ]
    if refused:
        taken = ", ".join(f"{place.protocol} {place.address}:{place.port}" for place in refused)
        raise ForwardRefused(f"the host has no {taken} free")


def _present(monitor: Monitor) -> set[Forward]:
    return {
        Forward(int(guest_port), address, int(port), "tcp" if protocol == "TCP" else "udp")
        for protocol, address, port, guest_port in _FORWARD.findall(_order(monitor, "info usernet"))
    }


def _order(monitor: Monitor, line: str) -> str:
    return str(monitor.execute("human-monitor-command", {"command-line": line})).strip()
