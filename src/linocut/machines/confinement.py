"""How the programs of QEMU are run: with no privilege, no inherited descriptor and no environment that they do not need.

Where the service is root, setpriv turns the program into an unprivileged user before it is executed; of all capabilities it keeps
the one to bind ports below 1024, and that only where it forwards some. Every path it gets is relative to its working directory
or reached through a descriptor, so the folders above may be closed to that user.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linocut.machines.interface import Accelerator

_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_KVM: Final = Path("/dev/kvm")
_YIELDING: Final = 5
"""How much nicer than the service QEMU is: a guest that computes holds up neither the launch of others nor its own reads."""
_UNPRIVILEGED_PORTS: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


class Detached(subprocess.Popen[bytes]):
    """A child that may outlive us; letting go of it is no mistake."""

    def __del__(self) -> None:
        """Neither warn nor wait: whoever watches its pidfd reaps it."""


@dataclass(frozen=True)
class Confinement:
    """The user (uid, gid) that QEMU's programs run as; None leaves them ours."""

    user: tuple[int, int] | None

    def own(self, file: int | Path) -> None:
        """Give a file to that user."""
        if self.user is not None:
            os.chown(file, *self.user)

    def lowest_port(self) -> int:
        """Return the lowest port that a machine can bind."""
        if os.geteuid() == 0:
            return 1
        return int(_UNPRIVILEGED_PORTS.read_text())

    def spawn(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        log: int,
        descriptors: Sequence[int],
        accelerator: Accelerator | None = None,
        binds_low_ports: bool = False,
        dies_with_us: bool = False,
    ) -> Detached:
        """Start a program in that folder, in a session of its own; it keeps exactly these descriptors.

        With `dies_with_us` it is killed when the calling thread ends, however that ends.
        """
        process = Detached(
            [*self._prefix(accelerator, binds_low_ports=binds_low_ports, dies_with_us=dies_with_us), *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_ENVIRONMENT,
            pass_fds=tuple(descriptors),
            start_new_session=True,
        )
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + _YIELDING)
        return process

    def _prefix(self, accelerator: Accelerator | None, *, binds_low_ports: bool, dies_with_us: bool) -> list[str]:
        prefix = ["setpriv"]
        if dies_with_us:
            prefix += ["--pdeathsig", "KILL"]
        if self.user is not None:
            uid, gid = self.user
            kept = "-all,+net_bind_service" if binds_low_ports else "-all"
            prefix += ["--reuid", str(uid), "--regid", str(gid)]
            if accelerator is Accelerator.KVM and _KVM.exists():
                prefix += ["--groups", str(_KVM.stat().st_gid)]
            else:
                prefix += ["--clear-groups"]
            prefix += [f"--{kind}={kept}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        return [*prefix, "--"] if len(prefix) > 1 else []
