"""Holds a guest's file systems still around a moment, by the agent that may run in it.

The guest owns what answers: it may be slow, dead or hostile. So every wait and every answer is bounded, and nothing that it says
or does not say fails what we are about to do; the guest is then taken as it is. That file systems are frozen, and are still to
be thawed, is written down (the file `frozen`) before the guest is asked to freeze them. Whoever finds that file later, after a
crash of ours or a silence of the guest's, asks the guest to thaw. Whoever is at it has the machine's folder locked (flock).

Source: QEMU docs/interop/qemu-ga.rst and qga/qapi-schema.json.
"""

import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from linocut.machines.command import AGENT
from linocut.machines.folder import MachineFolder
from linocut.machines.held_folder import AGENT_SOCKET
from linocut.machines.monitor import Monitor

_ANSWER_BYTES: Final = 1 << 16
_DELIMITER: Final = b"\xff"


@dataclass(frozen=True)
class Patience:
    """How long a guest may take to answer at all, to freeze, and to thaw, in seconds."""

    hello_s: float = 3.0
    freeze_s: float = 10.0
    thaw_s: float = 5.0


_PATIENCE: Final = Patience()


class _AgentLost(Exception):
    """The guest did not answer in time, or not as an agent does."""


def has_agent(monitor: Monitor) -> bool:
    """Tell whether something in the guest has the agent's port open; raises OrderRefused, MonitorLost."""
    ports = {port["label"]: port["frontend-open"] for port in monitor.execute("query-chardev")}
    return bool(ports.get(AGENT, False))


@contextmanager
def held_still(folder: MachineFolder, patience: Patience = _PATIENCE) -> Iterator[bool]:
    """Have a running guest's file systems frozen meanwhile, and give whether they are; raises nothing of its own."""
    with _turn(folder) as is_ours, _connected(folder) as agent:
        if not is_ours or agent is None:
            yield False
            return
        if folder.may_be_frozen():
            _thaw(folder, agent, patience)
        frozen = _freeze(folder, agent, patience)
        try:
            yield frozen
        finally:
            if folder.may_be_frozen():
                _thaw(folder, agent, patience)


def thaw_if_due(folder: MachineFolder, patience: Patience = _PATIENCE) -> None:
    """Have a running guest thaw what it may have been left with frozen; harmless when it was not, or does not answer."""
    if folder.may_be_frozen():
        with _turn(folder) as is_ours, _connected(folder) as agent:
            if is_ours and agent is not None:
                _thaw(folder, agent, patience)


class _Agent:
    """A connection to a guest's agent."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._deadline = 0.0

    def greet(self, within_s: float) -> None:
        """Find the place in what the guest says from where on it answers us; raises _AgentLost.

        The byte before our order ends what somebody before us may have left half said; the agent answers it with an error.
        """
        number = secrets.randbits(31)
        self._deadline = time.monotonic() + within_s
        self._say("guest-sync-delimited", {"id": number}, after=_DELIMITER)
        self._read_until(_DELIMITER)
        while self._answer() != number:
            self._read_until(_DELIMITER)

    def ask(self, order: str, within_s: float) -> object:
        """Return the answer to an order; raises _AgentLost."""
        self._deadline = time.monotonic() + within_s
        self._say(order, {})
        return self._answer()

    def _say(self, order: str, arguments: dict[str, Any], *, after: bytes = b"") -> None:
        line = json.dumps({"execute": order, **({"arguments": arguments} if arguments else {})}).encode()
        try:
            self._socket.settimeout(self._left_s())
            self._socket.sendall(after + line + b"\n")
        except OSError as problem:
            raise _AgentLost(str(problem)) from problem

    def _answer(self) -> object:
        """Return what the next line says; an error that the agent tells is None."""
        try:
            told = json.loads(self._read_until(b"\n"))
        except (ValueError, RecursionError) as problem:
            raise _AgentLost("this is no answer") from problem
        return told.get("return") if isinstance(told, dict) else None

    def _read_until(self, end: bytes) -> bytes:
        heard = bytearray()
        while not heard.endswith(end):
            try:
                self._socket.settimeout(self._left_s())
                more = self._socket.recv(1)
            except OSError as problem:
                raise _AgentLost(str(problem)) from problem
            if not more or len(heard) >= _ANSWER_BYTES:
                raise _AgentLost("this is no answer")
            heard += more
        return bytes(heard[: -len(end)])

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise _AgentLost("the guest is slow")
        return left_s


def _freeze(folder: MachineFolder, agent: _Agent, patience: Patience) -> bool:
    try:
        agent.greet(patience.hello_s)
        folder.note_freeze()
        count = agent.ask("guest-fsfreeze-freeze", patience.freeze_s)
    except (_AgentLost, OSError):
        return False
    return type(count) is int and count > 0


def _thaw(folder: MachineFolder, agent: _Agent, patience: Patience) -> None:
    """Have the guest thaw, and forget that it is due when the agent has heard it, whatever it could do about it."""
    with suppress(_AgentLost):
        agent.greet(patience.hello_s)
        agent.ask("guest-fsfreeze-thaw", patience.thaw_s)
        folder.note_thaw()
        return
    with suppress(_AgentLost):  # it may hear us once it has done what it was asked before
        agent.ask("guest-fsfreeze-thaw", 0.1)


@contextmanager
def _turn(folder: MachineFolder) -> Iterator[bool]:
    """Keep others from the guest's agent, and give whether nobody else is at it."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _connected(folder: MachineFolder) -> Iterator[_Agent | None]:
    try:
        connected = folder.connect(AGENT_SOCKET)
    except OSError:
        yield None
        return
    with connected:
        yield _Agent(connected)
