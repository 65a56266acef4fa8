"""UEFI firmware: what a machine runs before its own disk, and the variables that it keeps in a file of the machine's.

A machine that boots by BIOS needs none of it. The code is OVMF's, which the host's distribution brings; nothing can write to it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linocut.machines.errors import MachineError

_PLACES: Final = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),  # Debian, Ubuntu
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  # Fedora, Rocky Linux
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  # Arch Linux
)


@dataclass(frozen=True)
class UefiFiles:
    """The firmware's code, and the variables that a new machine begins with."""

    code: Path
    variables: Path


def uefi_files() -> UefiFiles:
    """Return where this host has UEFI firmware. Raises MachineError where it has none."""
    for code, variables in _PLACES:
        if Path(code).exists() and Path(variables).exists():
            return UefiFiles(Path(code), Path(variables))
    raise MachineError("This host has no UEFI firmware: install the package ovmf.")
