"""A disk of 4 MiB whose guest is one boot sector.

Eighteen times a second it reads a sector at 2 MiB and prints the byte it found there, `!` on an error; then it writes a sector
at 1 MiB, whose first four bytes count its rounds, and prints `.`, `?` on an error. It is deaf to the power button.
"""

import os
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
DISK_BYTES: Final = 4 * MIB
READ_AT: Final = 2 * MIB
WRITTEN_AT: Final = MIB

_PROGRAM: Final = bytes.fromhex(
    "31c0 8ed8 fb"  #         xor ax, ax; mov ds, ax; sti
    "c706627c0100"  # again: mov word [packet's count], 1: an error has made it 0
    "be607c b442 b280 cd13"  # mov si, packet to read; mov ah, 42h; mov dl, 80h; int 13h
    "a00090 7302 b021"  #       mov al, [9000h]; jnc +2; mov al, '!'
    "baf803 ee"  #            mov dx, 3f8h; out dx, al
    "be707c b80043 b280 cd13"  # mov si, packet to write; mov ax, 4300h; mov dl, 80h; int 13h
    "b02e 7302 b03f"  #         mov al, '.'; jnc +2; mov al, '?'
    "baf803 ee"  #            mov dx, 3f8h; out dx, al
    "66ff060080"  #           inc dword [8000h]
    "fbf4"  #                 sti; hlt
    "ebc9"  #                 jmp again
)


def _packet(address: int, offset_bytes: int) -> bytes:
    """Return the packet that tells the BIOS to move one sector between memory and disk."""
    return bytes((16, 0, 1, 0)) + address.to_bytes(4, "little") + (offset_bytes // 512).to_bytes(8, "little")


def guest_disk(path: Path, *, mark: bytes = b"d") -> Path:
    """Make a disk whose guest prints the mark for each sector it reads."""
    packets = _packet(0x9000, READ_AT) + _packet(0x8000, WRITTEN_AT)
    boot_sector = (_PROGRAM.ljust(0x60, b"\0") + packets).ljust(510, b"\0") + b"\x55\xaa"
    with path.open("wb") as disk:
        disk.write(boot_sector)
        disk.seek(READ_AT)
        disk.write(mark + os.urandom(4095))
        disk.truncate(DISK_BYTES)
    return path
