"""Holds a guest's file systems still around a moment, by the agent that may run in it.

The guest owns what answers: it may be slow, dead or hostile. So every wait and every answer is bounded, and nothing that it says
or does not say fails what we are about to do; the guest is then taken as it is. That file systems are frozen, and are still to
be thawed, is written down (the file `frozen`) before the guest is asked to freeze them. Whoever finds that file later, after a
crash of ours or a silence of the guest's, asks the guest to thaw. Whoever is at it has the machine's folder locked (flock).
No guest waits for a next service after a crash: a small process that outlives us asks at once (see `thaw_watch`), and without
it nothing is frozen.

Source: QEMU docs/interop/qemu-ga.rst and qga/qapi-schema.json.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from linocut.machines import thaw_watch
from linocut.machines.command import AGENT
from linocut.machines.folder import FROZEN, MachineFolder
from linocut.machines.held_folder import AGENT_SOCKET
from linocut.machines.monitor import Monitor
from linocut.machines.thaw_watch import Agent, AgentLost


@dataclass(frozen=True)
class Patience:
    """How long a guest may take to answer at all, to freeze, and to thaw, in seconds."""

    hello_s: float = 3.0
    freeze_s: float = 10.0
    thaw_s: float = 5.0


_PATIENCE: Final = Patience()


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
        with _watched(folder) as is_watched:
            frozen = is_watched and _freeze(folder, agent, patience)
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


def _freeze(folder: MachineFolder, agent: Agent, patience: Patience) -> bool:
    try:
        agent.greet(patience.hello_s)
        folder.note_freeze()
        count = agent.ask("guest-fsfreeze-freeze", patience.freeze_s)
    except (AgentLost, OSError):
        return False
    return type(count) is int and count > 0


def _thaw(folder: MachineFolder, agent: Agent, patience: Patience) -> None:
    """Have the guest thaw, and forget that it is due when the agent has heard it, whatever it could do about it."""
    with suppress(AgentLost):
        agent.greet(patience.hello_s)
        agent.ask("guest-fsfreeze-thaw", patience.thaw_s)
        folder.note_thaw()
        return
    with suppress(AgentLost):  # it may hear us once it has done what it was asked before
        agent.ask("guest-fsfreeze-thaw", 0.1)


@contextmanager
def _watched(folder: MachineFolder) -> Iterator[bool]:
    """Have a process thaw the guest should we be killed meanwhile, and give whether there is one.

    It need not have come up before the guest freezes: that we are gone it finds in its pipe, whenever it looks.
    """
    command = [sys.executable, "-I", "-S", thaw_watch.__file__, AGENT_SOCKET, FROZEN]
    unheard = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command, cwd=folder.path, stdin=subprocess.PIPE, stdout=unheard, stderr=unheard, start_new_session=True
        )
    except OSError:
        yield False
        return
    with process:
        try:
            yield True
        finally:
            process.kill()


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
def _connected(folder: MachineFolder) -> Iterator[Agent | None]:
    try:
        connected = folder.connect(AGENT_SOCKET)
    except OSError:
        yield None
        return
    with connected:
        yield Agent(connected)
