"""What answers behind the guest agent's port belongs to the guest: whatever it does, we go on soon, and thaw is asked for."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from machine_hosts import wait_until

from linocut.machines.agent import Patience, held_still, thaw_if_due
from linocut.machines.confinement import Confinement
from linocut.machines.folder import MachineFolder
from linocut.machines.held_folder import AGENT_SOCKET

_PATIENCE: Final = Patience(0.3, 0.3, 0.3)
_SOON_S: Final = 3.0
_THAWED_S: Final = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> MachineFolder:
    found = MachineFolder(tmp_path / "ins-00000001", Confinement(None))
    found.make()
    return found


class Agent:
    """An agent with two file systems that answers as it is told to; `heard` are the orders that reached it."""

    def __init__(self, **answers: Callable[[Any], bytes]) -> None:
        self._answers = {name.replace("_", "-"): answer for name, answer in answers.items()}
        self.heard: list[str] = []

    def answer(self, told: Any) -> bytes:
        order = told["execute"]
        self.heard.append(order)
        if order in self._answers:
            return self._answers[order](told)
        if order == "guest-sync-delimited":
            return b"\xff" + reply(told["arguments"]["id"])
        return reply(2)


def reply(value: object) -> bytes:
    return json.dumps({"return": value}).encode() + b"\n"


def _serve(listening: socket.socket, agent: Agent) -> None:
    with suppress(OSError, ValueError):
        while True:
            connected, _ = listening.accept()
            with connected, suppress(ConnectionError), connected.makefile("rb") as lines:
                for line in lines:
                    if line.startswith(b"\xff"):
                        connected.sendall(b'{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n')
                    connected.sendall(agent.answer(json.loads(line.lstrip(b"\xff"))))


@contextmanager
def answering(folder: MachineFolder, agent: Agent) -> Iterator[Agent]:
    with folder.listen(AGENT_SOCKET) as listening:
        thread = threading.Thread(target=_serve, args=(listening, agent))
        thread.start()
        try:
            yield agent
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_file_systems_are_frozen_meanwhile_and_thawed_after(folder: MachineFolder) -> None:
    with answering(folder, Agent()) as agent:
        with held_still(folder, _PATIENCE) as frozen:
            assert frozen
            assert "guest-fsfreeze-thaw" not in agent.heard
            assert folder.may_be_frozen()

        assert agent.heard[-1] == "guest-fsfreeze-thaw"
    assert not folder.may_be_frozen()


def test_file_systems_are_thawed_when_what_they_were_frozen_for_fails(folder: MachineFolder) -> None:
    with answering(folder, Agent()) as agent:
        with pytest.raises(ZeroDivisionError), held_still(folder, _PATIENCE):
            raise ZeroDivisionError

        assert agent.heard[-1] == "guest-fsfreeze-thaw"


_HOSTILE: Final[dict[str, Agent]] = {
    "it is silent": Agent(guest_sync_delimited=lambda _: b""),
    "it answers nonsense": Agent(guest_sync_delimited=lambda _: b"\xff{{{\n"),
    "it answers something else": Agent(guest_sync_delimited=lambda _: b"\xff" + reply("me")),
    "it answers without end": Agent(guest_sync_delimited=lambda _: b"x" * (8 << 20)),
    "it answers what nests deep": Agent(guest_sync_delimited=lambda _: b"\xff" + b"[" * 60_000 + b"\n"),
    "it begins again and again": Agent(guest_sync_delimited=lambda _: (b"\xff" + reply(1)) * 1000),
    "it does not freeze": Agent(guest_fsfreeze_freeze=lambda _: b'{"error": {"class": "GenericError", "desc": "no"}}\n'),
    "it freezes nothing": Agent(guest_fsfreeze_freeze=lambda _: reply(0)),
    "it freezes without a number": Agent(guest_fsfreeze_freeze=lambda _: reply("2")),
    "it is silent about freezing": Agent(guest_fsfreeze_freeze=lambda _: b""),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_whatever_answers_we_go_on_soon_and_say_that_nothing_is_frozen(folder: MachineFolder, name: str) -> None:
    begun = time.monotonic()
    with answering(folder, _HOSTILE[name]) as agent, held_still(folder, _PATIENCE) as frozen:
        assert not frozen

    assert time.monotonic() - begun < _SOON_S
    assert ("guest-fsfreeze-thaw" in agent.heard) == ("guest-fsfreeze-freeze" in agent.heard)


def test_nobody_behind_the_port_costs_nothing(folder: MachineFolder) -> None:
    with held_still(folder, _PATIENCE) as frozen:
        assert not frozen


def test_a_guest_that_does_not_say_that_it_thawed_is_asked_again(folder: MachineFolder) -> None:
    with answering(folder, Agent(guest_fsfreeze_thaw=lambda _: b"")), held_still(folder, _PATIENCE) as frozen:
        assert frozen
    assert folder.may_be_frozen()

    with answering(folder, Agent()) as agent:
        thaw_if_due(folder, _PATIENCE)
        assert not folder.may_be_frozen()
        thaw_if_due(folder, _PATIENCE)
    assert agent.heard == ["guest-sync-delimited", "guest-fsfreeze-thaw"]


def test_a_guest_that_was_left_frozen_is_thawed_before_it_is_frozen_again(folder: MachineFolder) -> None:
    folder.note_freeze()
    with answering(folder, Agent()) as agent, held_still(folder, _PATIENCE) as frozen:
        assert frozen
    orders = [order for order in agent.heard if order != "guest-sync-delimited"]
    assert orders == ["guest-fsfreeze-thaw", "guest-fsfreeze-freeze", "guest-fsfreeze-thaw"]


def test_nobody_thaws_what_another_holds_still(folder: MachineFolder) -> None:
    with answering(folder, Agent()) as agent, held_still(folder, _PATIENCE):
        thaw_if_due(folder, _PATIENCE)
        with held_still(folder, _PATIENCE) as frozen_twice:
            assert not frozen_twice
        assert "guest-fsfreeze-thaw" not in agent.heard


_FREEZING: Final = """
import sys
from pathlib import Path
from linocut.machines.agent import held_still
from linocut.machines.confinement import Confinement
from linocut.machines.folder import MachineFolder

with held_still(MachineFolder(Path(sys.argv[1]), Confinement(None))) as frozen:
    print(frozen, flush=True)
    sys.stdin.read()
"""


def _watching(folder: MachineFolder) -> list[str]:
    """Return the processes that are in a machine's folder."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and (process / "cwd").readlink() == folder.path:
                found.append(process.name)
    return found


def test_a_guest_thaws_without_a_next_service_when_the_service_is_killed(folder: MachineFolder) -> None:
    command = [sys.executable, "-c", _FREEZING, str(folder.path)]
    with answering(folder, Agent()) as agent:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
            assert service.stdout is not None
            assert service.stdout.readline() == b"True\n"
            assert agent.heard == ["guest-sync-delimited", "guest-fsfreeze-freeze"]
            service.kill()

        wait_until("the guest is thawed", lambda: not folder.may_be_frozen(), _THAWED_S)
        assert agent.heard[2:] == ["guest-sync-delimited", "guest-fsfreeze-thaw"]
        wait_until("nobody watches any more", lambda: not _watching(folder), _THAWED_S)


def test_nobody_watches_a_guest_that_has_thawed(folder: MachineFolder) -> None:
    with answering(folder, Agent()):
        with held_still(folder, _PATIENCE):
            assert len(_watching(folder)) == 1
        assert _watching(folder) == []


def test_a_guest_is_not_frozen_where_nobody_can_watch(folder: MachineFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with answering(folder, Agent()) as agent, held_still(folder, _PATIENCE) as frozen:
        assert not frozen
    assert agent.heard == []
