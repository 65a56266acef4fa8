"""What can go wrong with a machine, sorted by what the caller can do about it.

::

    MachineError
    ├── MachineGone       there is no such machine; nothing to do
    ├── MachineBusy       another operation holds it; try again later
    ├── DiskInUse         the guest does not let go of a disk; it has to unmount it, or the machine to stop
    ├── StartFailed       QEMU did not come up; its last words are in `detail`
    ├── ForwardRefused    a port of the host is taken by somebody else; free it, then try again
    ├── MarkGone          changes of `disk_id` since that mark are not known; start over from its base tree
    ├── SnapshotFailed    the copy did not arrive whole; the target is worthless, the guest is unharmed
    ├── Cancelled         the caller asked for it
    └── NoSpace           a disk is full, here or behind the target
"""

from linocut.model.ids import DiskId


class MachineError(Exception):
    """A machine cannot do what was asked; `detail` is for the operator (tracebacks show it), never for a tenant."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
        if detail:
            self.add_note(detail)


class MachineGone(MachineError):
    """There is no such machine on this host, or it lacks the disk or the state asked for."""


class MachineBusy(MachineError):
    """Another operation holds the machine."""


class DiskInUse(MachineError):
    """The guest did not let go of a disk in time."""


class StartFailed(MachineError):
    """QEMU did not come up; `detail` holds the end of its log."""


class ForwardRefused(MachineError):
    """A port of the guest cannot be reached, for the host's port is taken."""


class MarkGone(MachineError):
    """It is not known what changed on `disk_id` since that mark."""

    def __init__(self, disk_id: DiskId, mark: str) -> None:
        super().__init__(f"disk {disk_id} has no mark {mark!r}")
        self.disk_id = disk_id


class SnapshotFailed(MachineError):
    """The disk's content did not reach the target whole."""


class Cancelled(MachineError):
    """The caller asked for the operation to end."""


class NoSpace(MachineError):
    """A disk is full, on this host or behind the target."""
