"""Who talks to which QEMU: one conversation a socket at a time, for that is what a QMP socket serves."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket as Socket  # noqa: N812 - here a socket is named, not made
from typing import Final

from linocut.machines.errors import MachineBusy
from linocut.machines.held_folder import HeldFolder
from linocut.machines.monitor import Monitor, MonitorLoop, MonitorLost

_GREETING_S: Final = 5.0


class Conversations:
    """All conversations of this service process."""

    def __init__(self) -> None:
        self._loop = MonitorLoop()
        self._guard = threading.Lock()
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    @contextmanager
    def talk(self, folder: HeldFolder, socket: str, *, greeting_s: float = _GREETING_S, waits: bool = True) -> Iterator[Monitor]:
        """Talk to the program that has the folder; raises MonitorLost, and MachineBusy when it is not to wait for its turn."""
        with self._guard:
            turn = self._turns[str(folder.path / socket)]
        if not turn.acquire(blocking=waits):
            raise MachineBusy(f"{folder.path.name} is in use")
        try:
            with self._loop.talk(lambda: _connected(folder, socket), greeting_s=greeting_s) as monitor:
                yield monitor
        finally:
            turn.release()

    def close(self) -> None:
        """Break off what is open."""
        self._loop.close()


def _connected(folder: HeldFolder, socket: str) -> Socket:
    try:
        return folder.connect(socket)
    except OSError as problem:
        raise MonitorLost(f"nobody listens: {problem}") from problem
