"""The screen of an instance: a ticket to it, and what the ticket opens.

Whoever holds the ticket's token gets keyboard and screen of the machine, so it is unguessable, lives for seconds, is kept only
as a digest, and is spent by the first who shows it, whether or not the display then opens. Tickets are in the catalog: any
process of the service opens what any other has offered.
"""

import hashlib
import re
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.machines import MachineError
from linocut.model import errors
from linocut.model.ids import InstanceId, is_id
from linocut.model.records import DisplayTicket
from linocut.model.states import InstanceState

__all__ = ["Display", "offer_display", "open_display"]

TICKET_LIFE: Final = timedelta(seconds=15)
_TOKEN_BITS: Final = 256
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Display:
    """An open connection to the VNC server of an instance's machine, which speaks RFB."""

    instance_id: InstanceId
    connection: socket.socket


def offer_display(cloud: Cloud, caller: Caller, instance_id: str) -> str:
    """Return a token that opens the display of a running instance, once, within 15 seconds.

    Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids. Source: CVM DescribeInstanceVncUrl.
    """
    if not is_id("ins", instance_id):
        raise errors.InstanceIdMalformed(f"{instance_id!r} is no instance id.")
    token = f"{cloud.randomness.getrandbits(_TOKEN_BITS):064x}"
    with cloud.catalog.begin() as tx:
        found = tx.instances.owned(caller.account.uin, caller.region, [InstanceId(instance_id)])
        if not found:
            raise errors.InstanceNotFound(f"There is no instance {instance_id}.")
        if found[0].state is not InstanceState.RUNNING:
            raise errors.InstanceStateForbids(f"Instance {instance_id} is {found[0].state}.", state=found[0].state)
        now = cloud.now()
        tx.displays.expire(now)
        tx.displays.add(
            DisplayTicket(_digest(token), caller.account.uin, caller.region, found[0].instance_id, now, now + TICKET_LIFE)
        )
    return token


def open_display(cloud: Cloud, token: str) -> Display | None:
    """Spend a token and connect to the display it is for; None where it opens nothing, or not any more."""
    if not _TOKEN.fullmatch(token):
        return None
    with cloud.catalog.read() as tx:  # anybody may ask, so that a token which opens nothing must not keep writers waiting
        if not tx.displays.holds(_digest(token)):
            return None
    with cloud.catalog.begin() as tx:
        ticket = tx.displays.take(_digest(token))
        if ticket is None or ticket.expires_at < cloud.now():
            return None
        found = tx.instances.owned(ticket.owner, ticket.region, [ticket.instance_id])
    if not found or found[0].state is not InstanceState.RUNNING:
        return None
    try:
        return Display(ticket.instance_id, cloud.machines.connect_display(ticket.instance_id))
    except MachineError:  # its guest has just ended
        return None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
