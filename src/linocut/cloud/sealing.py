"""Secret keys at rest: sealed with AES-256-GCM under the service's own key.

The key is 64 hexadecimal digits from the settings, or a file of mode 0600 in the state directory, made at the first start.
A sealed value is a 12-byte nonce followed by ciphertext and tag; the secret id is authenticated with it, so that two accounts'
keys cannot be swapped in the database.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from linocut.settings import Settings, SettingsError

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class SealBrokenError(Exception):
    """A sealed value was not sealed with this key, or not for this owner."""


class Seal:
    """Seals and opens secret keys."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def of(cls, settings: Settings) -> "Seal":
        """Return the seal of a service, making its key file if there is none. Raises SettingsError."""
        try:
            key = bytes.fromhex(settings.secret_key or _kept(settings.state / "secret.key"))
        except ValueError as error:
            raise SettingsError(f"The secret key is not {2 * _KEY_BYTES} hexadecimal digits.") from error
        if len(key) != _KEY_BYTES:
            raise SettingsError(f"The secret key is not {2 * _KEY_BYTES} hexadecimal digits.")
        return cls(key)

    def close(self, owner: str, secret: str) -> bytes:
        """Return the secret sealed for this owner."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), owner.encode())

    def open(self, owner: str, sealed: bytes) -> str:
        """Return the secret. Raises SealBrokenError."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag as error:
            raise SealBrokenError(f"The secret key of {owner} was sealed with another key.") from error


def _kept(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        pass
    draft = file.with_suffix(f".{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_hex(_KEY_BYTES))
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(draft, file)  # fails where another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return file.read_text().strip()
