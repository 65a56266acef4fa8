"""What secret ids sign with, remembered for a moment: clients call again and again with the same one."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from linocut.cloud.accounts import Credential

_REMEMBERED_S: Final = 5.0
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class _Known:
    credential: Credential
    until: float


class Credentials:
    """Finds credentials; safe to call from many threads at once.

    An id that does not exist is looked up every time, so that a new one works at once. The end of a session is part of its
    credential, and so is seen at once; a key that is withdrawn works for up to five seconds more.
    """

    def __init__(self, find: Callable[[str], Credential | None], now: Callable[[], float]) -> None:
        self._find = find
        self._now = now
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def find(self, secret_id: str) -> Credential | None:
        """Return what the secret id signs with, or None where there is no such id."""
        at = self._now()
        known = self._known.get(secret_id)
        if known is not None and at < known.until <= at + _REMEMBERED_S:
            return known.credential
        credential = self._find(secret_id)
        if credential is not None:
            with self._lock:
                self._known[secret_id] = _Known(credential, at + _REMEMBERED_S)
                self._known.move_to_end(secret_id)
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
        return credential
