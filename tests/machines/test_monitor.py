"""Conversations with a QEMU that does not begin them well."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from linocut.machines.confinement import Confinement
from linocut.machines.conversations import Conversations
from linocut.machines.folder import MachineFolder
from linocut.machines.held_folder import JOBS_SOCKET
from linocut.machines.monitor import MonitorLost

_VERSION: Final = {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}
_GREETING: Final = json.dumps({"QMP": {"version": _VERSION, "capabilities": []}}).encode() + b"\n"


@contextmanager
def greeting(folder: MachineFolder, *times: int) -> Iterator[Conversations]:
    """Be a QEMU that greets each that comes so many times, and answers everybody."""
    folder.make()
    listening = folder.listen(JOBS_SOCKET)

    def serve() -> None:
        for count in times:
            connected, _ = listening.accept()
            with suppress(ConnectionError), connected:
                connected.sendall(_GREETING * count)
                while said := connected.recv(65536):
                    told = json.loads(said)
                    answer = {"return": {}, **({"id": told["id"]} if "id" in told else {})}
                    connected.sendall(json.dumps(answer).encode() + b"\n")

    server = threading.Thread(target=serve)
    server.start()
    talks = Conversations()
    try:
        yield talks
    finally:
        talks.close()
        server.join()
        listening.close()


@pytest.fixture
def folder(tmp_path: Path) -> MachineFolder:
    return MachineFolder(tmp_path / "ins-00000001", Confinement(None))


@pytest.mark.parametrize("first", [0, 2])
def test_a_qemu_that_does_not_greet_or_greets_twice_is_soon_spoken_to_again(folder: MachineFolder, first: int) -> None:
    with greeting(folder, first, 1) as talks:
        begun = time.monotonic()
        with talks.talk(folder, JOBS_SOCKET, greeting_s=60) as monitor:
            assert monitor.execute("query-status") == {}
        assert time.monotonic() - begun < 30


def test_a_qemu_that_always_greets_twice_is_not_spoken_to_for_ever(folder: MachineFolder) -> None:
    with greeting(folder, 2, 2, 2, 2) as talks, pytest.raises(MonitorLost), talks.talk(folder, JOBS_SOCKET):
        pass
