"""Conversations with a QEMU that does not begin them well."""

import json
import threading
from contextlib import suppress
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


@pytest.mark.parametrize("bad", [1, 9])
def test_a_qemu_that_greets_twice_is_spoken_to_again_but_not_for_ever(tmp_path: Path, bad: int) -> None:
    folder = MachineFolder(tmp_path / "ins-00000001", Confinement(None))
    folder.make()
    listening = folder.listen(JOBS_SOCKET)

    def serve() -> None:
        for number in range(min(bad + 1, 3)):
            connected, _ = listening.accept()
            with suppress(ConnectionError), connected:
                connected.sendall(_GREETING * (2 if number < bad else 1))
                while said := connected.recv(65536):
                    told = json.loads(said)
                    answer = {"return": {}, **({"id": told["id"]} if "id" in told else {})}
                    connected.sendall(json.dumps(answer).encode() + b"\n")

    server = threading.Thread(target=serve)
    server.start()
    talks = Conversations()

    try:
        if bad == 1:
            with talks.talk(folder, JOBS_SOCKET) as monitor:
                assert monitor.execute("query-status") == {}
        else:
            with pytest.raises(MonitorLost), talks.talk(folder, JOBS_SOCKET):
                pass
    finally:
        talks.close()
        server.join()
        listening.close()
