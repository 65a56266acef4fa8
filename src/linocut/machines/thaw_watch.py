"""The words that a guest's agent understands, and a program that says them when the service cannot any more.

The program is started before a guest is asked to freeze, in the machine's folder, with a pipe of the service's as its input. The
service kills it when the guest has thawed. When the pipe ends first, the service is gone, and the program has the guest thaw.
It waits for its turn at the folder as a service does, so it never disturbs one that came after, and ends when the file that says
that the guest may be frozen is gone. It ends in any case, after a minute with a service that does nothing, and half a minute of
asking: a guest that is silent for so long is the next service's.

The program is this file by itself, without the packages of the service, so that it is there in a moment: nothing but the
standard library is imported here.

    python -I -S thaw_watch.py <socket of the agent> <file that is there while the guest may be frozen>
"""

import fcntl
import json
import os
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Any, Final

_ANSWER_BYTES: Final = 1 << 16
_DELIMITER: Final = b"\xff"
_WATCH_S: Final = 60.0
_ASK_S: Final = 30.0
_AGAIN_S: Final = 0.1
_ANSWER_S: Final = 5.0


class AgentLost(Exception):
    """The guest did not answer in time, or not as an agent does."""


class Agent:
    """A connection to a guest's agent."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._deadline = 0.0

    def greet(self, within_s: float) -> None:
        """Find the place in what the guest says from where on it answers us; raises AgentLost.

        The byte before our order ends what somebody before us may have left half said; the agent answers it with an error.
        """
        number = int.from_bytes(os.urandom(4), "big") >> 1
        self._deadline = time.monotonic() + within_s
        self._say("guest-sync-delimited", {"id": number}, after=_DELIMITER)
        self._read_until(_DELIMITER)
        while self._answer() != number:
            self._read_until(_DELIMITER)

    def ask(self, order: str, within_s: float) -> object:
        """Return the answer to an order; raises AgentLost."""
        self._deadline = time.monotonic() + within_s
        self._say(order, {})
        return self._answer()

    def _say(self, order: str, arguments: dict[str, Any], *, after: bytes = b"") -> None:
        line = json.dumps({"execute": order, **({"arguments": arguments} if arguments else {})}).encode()
        try:
            self._socket.settimeout(self._left_s())
            self._socket.sendall(after + line + b"\n")
        except OSError as problem:
            raise AgentLost(str(problem)) from problem

    def _answer(self) -> object:
        """Return what the next line says; an error that the agent tells is None."""
        try:
            told = json.loads(self._read_until(b"\n"))
        except (ValueError, RecursionError) as problem:
            raise AgentLost("this is no answer") from problem
        return told.get("return") if isinstance(told, dict) else None

    def _read_until(self, end: bytes) -> bytes:
        heard = bytearray()
        while not heard.endswith(end):
            try:
                self._socket.settimeout(self._left_s())
                more = self._socket.recv(1)
            except OSError as problem:
                raise AgentLost(str(problem)) from problem
            if not more or len(heard) >= _ANSWER_BYTES:
                raise AgentLost("this is no answer")
            heard += more
        return bytes(heard[: -len(end)])

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise AgentLost("the guest is slow")
        return left_s


def _main(agent_socket: str, frozen: str) -> None:
    """Wait until the service is gone, and have the guest thaw; both for so long and no longer."""
    ended, _, _ = select.select([sys.stdin], [], [], _WATCH_S)
    deadline = time.monotonic() + _ASK_S
    while ended and os.path.exists(frozen) and time.monotonic() < deadline:  # noqa: PTH110 - pathlib doubles the time to start
        with suppress(OSError, AgentLost):
            _thaw(agent_socket, frozen)
        time.sleep(_AGAIN_S)


def _thaw(agent_socket: str, frozen: str) -> None:
    """Have the guest thaw if that is still due, and write down that it did; raises OSError, AgentLost."""
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(frozen)  # noqa: PTH116 - as above
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(_ANSWER_S)
            connected.connect(agent_socket)
            agent = Agent(connected)
            agent.greet(_ANSWER_S)
            agent.ask("guest-fsfreeze-thaw", _ANSWER_S)
        os.unlink(frozen)  # noqa: PTH108 - as above
    finally:
        os.close(folder)


if __name__ == "__main__":
    _main(*sys.argv[1:])
