"""Password hashes for guests: SHA-512 crypt, by the C library's crypt(3), which every Debian and Ubuntu has.

A hash behind a `!` waits, as in shadow(5): key pairs are bound, and without them it is to be used again.
Source: crypt(5), method `$6$`.
"""

import ctypes
import secrets
import string
import threading
from typing import Final

_SALT_CHARACTERS: Final = 16
_LIBRARY: Final = "libcrypt.so.1"
_WAITS: Final = "!"
_one_at_a_time: Final = threading.Lock()


def crypt(password: str) -> str:
    """Return a password's hash with a fresh salt."""
    library = ctypes.CDLL(_LIBRARY)
    library.crypt.restype = ctypes.c_char_p
    salt = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_SALT_CHARACTERS))
    with _one_at_a_time:  # crypt(3) answers in a static buffer
        answer: bytes | None = library.crypt(password.encode(), f"$6${salt}".encode())
    if answer is None or not answer.startswith(b"$6$"):
        raise OSError("crypt(3) cannot make a SHA-512 hash.")
    return answer.decode()


def waiting(kept: str) -> str:
    """Return a kept hash as one that is not to be used while key pairs are bound."""
    return kept if not kept or kept.startswith(_WAITS) else _WAITS + kept


def awake(kept: str) -> str:
    """Return a kept hash as one that is to be used."""
    return kept.removeprefix(_WAITS)


def usable(kept: str) -> str | None:
    """Return the hash that a guest is to take, or None."""
    return kept if kept and not kept.startswith(_WAITS) else None
