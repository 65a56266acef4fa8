"""Opens the disks of a folder whose machine is off, or which has none, for orders over QMP."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Final

from linocut.machines.command import bases_of, storage_daemon_command
from linocut.machines.conversations import Conversations
from linocut.machines.errors import MachineBusy
from linocut.machines.held_folder import JOBS_SOCKET, HeldFolder
from linocut.machines.interface import MachineDisk, NbdExport
from linocut.machines.monitor import Monitor, MonitorLost, OrderRefused

_READY_S: Final = 20.0
_CLOSE_S: Final = 10.0


@contextmanager
def opened_disks(
    folder: HeldFolder,
    disks: Sequence[MachineDisk],
    exports: Sequence[NbdExport],
    talks: Conversations,
    *,
    hold: int | None = None,
) -> Iterator[tuple[Monitor, Mapping[Path, int]]]:
    """Give a conversation with a daemon that has the disks open, and its descriptors of the folders of these exports' sockets.

    It keeps the folder's lock while it lives, `hold` if the caller has it. It writes the disks' marks when it ends, which it does
    with us. Raises MachineBusy, MonitorLost, OSError.
    """
    with ExitStack() as stack:
        if hold is None:
            hold = folder.hold(wait_s=_READY_S)
            if hold is None:
                raise MachineBusy(f"{folder.path.name} is in use")
            stack.callback(os.close, hold)
        wiring = stack.enter_context(folder.wired([*exports, *bases_of(disks)]))
        daemon = folder.confinement.spawn(
            storage_daemon_command(disks, wiring),
            folder=folder.path,
            log=stack.enter_context(folder.opened_log()),
            descriptors=[hold, *wiring.descriptors],
            dies_with_us=True,
        )
        stack.callback(_force, daemon)
        monitor = stack.enter_context(talks.talk(folder, JOBS_SOCKET, greeting_s=_READY_S))
        stack.callback(_end, daemon, monitor)
        yield monitor, wiring.socket_folders


def _end(daemon: Popen[bytes], monitor: Monitor) -> None:
    """Let a daemon close the disks, and write their marks."""
    with suppress(OrderRefused, MonitorLost, TimeoutExpired):
        monitor.execute("quit")
        daemon.wait(_CLOSE_S)


def _force(daemon: Popen[bytes]) -> None:
    daemon.kill()
    daemon.wait()
