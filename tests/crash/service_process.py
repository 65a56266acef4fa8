"""`linocut serve` in a process of its own, started quickly and killed at will.

Services are forked from a server process that has imported the program already (multiprocessing's forkserver), so that a start
costs a fraction of a second. Such a process runs the program's own `main`, on output files of its own.
"""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

_DEADLINE_S: Final = 30.0
_POLL_S: Final = 0.01
_CLONE_NEWNS: Final = 0x00020000
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CHILDREN: Final = threading.Lock()
"""Starting a process makes multiprocessing look after all others; two threads that look after one both read its exit code."""


def wait_until(what: str, look: Callable[[], T | None], deadline_s: float = _DEADLINE_S) -> T:
    """Return what a function gives as soon as that is true."""
    end = time.monotonic() + deadline_s
    while not (found := look()):
        assert time.monotonic() < end, f"not in {deadline_s} s: {what}"
        time.sleep(_POLL_S)
    return found


class ServiceProcess:
    """One `linocut serve` on a state directory.

    With `store_mib` its region stores lie on a file system of that size, which nobody else sees; that takes root.
    """

    def __init__(self, state: Path, output: Path, settings: Mapping[str, str], *, store_mib: int = 0) -> None:
        _CONTEXT.set_forkserver_preload(["linocut.service", "linocut.cli.commands"])
        self._output = output.open("ab+")
        self._from = self._output.seek(0, os.SEEK_END)
        variables = {f"LINOCUT_{name.upper()}": value for name, value in settings.items()}
        arguments = ["serve", "--state", str(state), "--listen", "127.0.0.1:0"]
        self._process = _CONTEXT.Process(target=_run, args=(arguments, variables, str(output), store_mib))
        with _CHILDREN:
            self._process.start()
        self.pid: int = self._process.pid or 0

    def said(self) -> str:
        """Return all that the service has printed and logged."""
        self._output.seek(self._from)
        return self._output.read().decode(errors="replace")

    def await_listening(self) -> str:
        """Return the endpoint once it says that it listens there."""

        def look() -> str | None:
            code = self._exit_code()
            assert code is None, f"the service ended with {code}:\n{self.said()}"
            lines = [line for line in self.said().splitlines(keepends=True) if line.startswith("listening on ")]
            return lines[0].removeprefix("listening on ").strip() if lines and lines[0].endswith("\n") else None

        return wait_until("the service listens", look)

    def await_end(self) -> int:
        """Return the exit code, negative for a signal's number."""
        end = time.monotonic() + _DEADLINE_S
        while (code := self._exit_code()) is None:
            assert time.monotonic() < end, f"the service did not end:\n{self.said()[-6000:]}"
            time.sleep(_POLL_S)
        self.close()
        return code

    def _exit_code(self) -> int | None:
        with _CHILDREN:
            return self._process.exitcode

    def close(self) -> None:
        """Let go of the output."""
        self._output.close()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)


def _run(arguments: list[str], variables: Mapping[str, str], output: str, store_mib: int) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    for standard in (sys.stdout, sys.stderr):
        os.dup2(descriptor, standard.fileno())
    os.environ.update(variables)
    if store_mib:
        _mount(Path(arguments[2]) / "stores", store_mib)
    from linocut.cli import main

    sys.exit(main(arguments))


def _mount(directory: Path, size_mib: int) -> None:
    """Put a small file system on a directory, for this process and its descendants alone."""
    directory.mkdir(parents=True)
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", directory], check=True)
