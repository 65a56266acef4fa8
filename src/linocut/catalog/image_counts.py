"""How many images each account sees, counted as they come and go: a list's total costs the same however many there are.

A row counts images of a region, or public ones of any, that one account sees for one reason, or that all see:

    account   kind            counts
    a Uin     PRIVATE_IMAGE   its own images that are not public
    a Uin     PUBLIC_IMAGE    its own public images that are not NORMAL: nobody else sees them yet
    a Uin     SHARED_IMAGE    others' images that are shared to it, while they are not public
    (empty)   PUBLIC_IMAGE    public images that are NORMAL

Whoever changes an image or its shares says so to the transaction's `ImageCounts`, holding the image's row. What that comes to is
written once, as the last thing before the commit and in the order of the keys: so counters are locked for a moment only, and two
transactions never wait for each other's counters crosswise.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, Insert
from sqlalchemy.dialects import postgresql, sqlite

from linocut.catalog.schema import IMAGE_COUNTS
from linocut.model.ids import Region, Uin
from linocut.model.records import Image
from linocut.model.states import ImageState

EVERYBODY: Final = ""
"""Stands where an account would: counts what all accounts see."""
EVERYWHERE: Final = ""
"""Stands where a region would: counts what is seen in all regions, as public images are."""


class ImageType(StrEnum):
    """What an image is to the one who looks at it."""

    PUBLIC_IMAGE = "PUBLIC_IMAGE"
    PRIVATE_IMAGE = "PRIVATE_IMAGE"
    SHARED_IMAGE = "SHARED_IMAGE"


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides who sees an image."""

    owner: Uin
    region: Region
    is_public: bool
    state: ImageState

    @classmethod
    def of(cls, image: Image) -> "Standing":
        """Return an image's standing."""
        return cls(image.owner, image.region, image.is_public, image.state)

    def seen_by(self, shared_with: Iterable[Uin]) -> list[tuple[str, str, str]]:
        """Return the counters that an image of this standing, shared with these accounts, is counted in."""
        if self.is_public:
            account = EVERYBODY if self.state is ImageState.NORMAL else self.owner
            return [(account, EVERYWHERE, ImageType.PUBLIC_IMAGE)]
        shared = [(account, self.region, ImageType.SHARED_IMAGE) for account in shared_with if account != self.owner]
        return [(self.owner, self.region, ImageType.PRIVATE_IMAGE), *shared]


class ImageCounts:
    """What a transaction changes of the counters."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes: Counter[tuple[str, str, str]] = Counter()

    def came(self, standing: Standing, shared_with: Iterable[Uin] = ()) -> None:
        """Count an image that is now of this standing and shared with these accounts."""
        self._changes.update(standing.seen_by(shared_with))

    def went(self, standing: Standing, shared_with: Iterable[Uin] = ()) -> None:
        """Count an image no longer that was of this standing and shared with these accounts."""
        self._changes.subtract(standing.seen_by(shared_with))

    def settle(self) -> None:
        """Write what the changes come to, in the order of the keys."""
        rows = [
            {"account": account, "region": region, "kind": kind, "count": change}
            for (account, region, kind), change in sorted(self._changes.items())
            if change
        ]
        self._changes.clear()
        if rows:
            self._connection.execute(_addition(self._connection.dialect.name), rows)


def _addition(dialect: str) -> Insert:
    """Return the statement that adds to a counter, and makes it where it is missing."""
    if dialect == "postgresql":
        on_postgres = postgresql.insert(IMAGE_COUNTS)
        more = IMAGE_COUNTS.c.count + on_postgres.excluded.count
        return on_postgres.on_conflict_do_update(index_elements=IMAGE_COUNTS.primary_key, set_={"count": more})
    on_sqlite = sqlite.insert(IMAGE_COUNTS)
    more = IMAGE_COUNTS.c.count + on_sqlite.excluded.count
    return on_sqlite.on_conflict_do_update(index_elements=list(IMAGE_COUNTS.primary_key), set_={"count": more})
