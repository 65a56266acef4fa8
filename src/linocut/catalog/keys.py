"""Key pairs: public keys that instances take at their start."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, select
from sqlalchemy.exc import IntegrityError

from linocut.catalog.page import Page
from linocut.catalog.rows import (
    add_unless_taken,
    batches,
    contains_any,
    folded,
    guarded_update,
    lock_until_end,
    lost_race,
    record_of,
    values_of,
)
from linocut.catalog.schema import INSTANCE_KEYS, INSTANCES, KEYS
from linocut.catalog.tags import drop_tags, put_tags, tagged, tags_of
from linocut.model.errors import KeyNameTaken, PublicKeyTaken
from linocut.model.ids import InstanceId, KeyId, Uin
from linocut.model.records import KeyPair

DEFAULT_LIMIT: Final = 20
_NO_TAGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Keys:
    """The key pairs in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, key: KeyPair) -> None:
        """Add a key pair. Raises KeyNameTaken, PublicKeyTaken."""
        digest = hashlib.sha256(key.public_key.encode()).hexdigest()
        values = values_of(key, KEYS) | {"name_folded": folded(key.name), "public_key_digest": digest}
        if add_unless_taken(self._connection, KEYS, values, []):
            put_tags(self._connection, {key.key_id: key.tags})
        elif self._exists(KEYS.c.owner == key.owner, KEYS.c.name == key.name):
            raise KeyNameTaken(f"a key pair named {key.name} exists")
        elif self._exists(KEYS.c.owner == key.owner, KEYS.c.public_key_digest == digest):
            raise PublicKeyTaken("a key pair with this public key exists")
        else:
            raise lost_race(f"a key pair {key.key_id} exists")

    def get(self, owner: Uin, key_id: KeyId) -> KeyPair | None:
        """Return the account's key pair, or None."""
        keys = self.owned(owner, [key_id])
        return keys[0] if keys else None

    def owned(self, owner: Uin, ids: Iterable[KeyId]) -> tuple[KeyPair, ...]:
        """Return those of the key pairs that the account has, in the order of the ids."""
        asked = tuple(dict.fromkeys(ids))
        found: dict[KeyId, KeyPair] = {}
        for batch in batches(asked):
            query = select(KEYS).where(KEYS.c.owner == owner, KEYS.c.key_id.in_(batch))
            found |= {key.key_id: key for key in self._with_tags(self._connection.execute(query).mappings().all())}
        return tuple(found[key_id] for key_id in asked if key_id in found)

    def update(self, key: KeyPair, *, name: str, description: str) -> None:
        """Rename and describe the key pair. Raises KeyNameTaken, and LostRace when it is not as it was read."""
        changes = {"name": name, "name_folded": folded(name), "description": description}
        try:
            with self._connection.begin_nested():
                guarded_update(self._connection, KEYS.c.key_id, key, changes, guards=("name", "description"))
        except IntegrityError as error:
            raise KeyNameTaken(f"a key pair named {name} exists") from error

    def list(
        self,
        owner: Uin,
        ids: tuple[str, ...] | None = None,
        names: tuple[str, ...] = (),
        project_ids: tuple[int, ...] = (),
        tag_keys: tuple[str, ...] = (),
        tag_values: tuple[str, ...] = (),
        tags: Mapping[str, tuple[str, ...]] = _NO_TAGS,
        offset: int = 0,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[KeyPair]:
        """Return a page of the account's key pairs, newest first.

        Filters are joined by AND, the values of one filter by OR; an empty filter asks for nothing, but empty `ids` match
        nothing. `names` match any part of the name, whatever its case.
        """
        conditions = [KEYS.c.owner == owner, *tagged(KEYS.c.key_id, tag_keys, tag_values, tags)]
        if ids is not None:
            conditions.append(KEYS.c.key_id.in_(ids))
        if names:
            conditions.append(contains_any(KEYS.c.name_folded, names))
        if project_ids:
            conditions.append(KEYS.c.project_id.in_(project_ids))
        total = self._connection.execute(select(func.count()).select_from(KEYS).where(*conditions)).scalar_one()
        page = select(KEYS).where(*conditions).order_by(KEYS.c.created_at.desc(), KEYS.c.key_id).offset(offset).limit(limit)
        return Page(self._with_tags(self._connection.execute(page).mappings().all()), total)

    def remove(self, ids: Iterable[KeyId]) -> None:
        """Remove key pairs with their tags. One that is gone is no error."""
        gone = tuple(ids)
        for batch in batches(gone):
            self._connection.execute(delete(KEYS).where(KEYS.c.key_id.in_(batch)))
        drop_tags(self._connection, gone)

    def count(self, owner: Uin) -> int:
        """Return how many key pairs the account has."""
        return self._connection.execute(select(func.count()).select_from(KEYS).where(KEYS.c.owner == owner)).scalar_one()

    def lock_quota(self, owner: Uin) -> None:
        """Let only one transaction at a time count and add key pairs of this account."""
        lock_until_end(self._connection, f"key quota of {owner}")

    def instances_of(self, owner: Uin) -> dict[KeyId, tuple[InstanceId, ...]]:
        """Return the account's instances by the key pairs they were given; a key pair that none was given is absent."""
        query = (
            select(INSTANCE_KEYS.c.key_id, INSTANCE_KEYS.c.instance_id)
            .join(INSTANCES, INSTANCES.c.instance_id == INSTANCE_KEYS.c.instance_id)
            .where(INSTANCES.c.owner == owner)
            .order_by(INSTANCES.c.created_at, INSTANCES.c.instance_id)
        )
        found: dict[KeyId, list[InstanceId]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.key_id, []).append(row.instance_id)
        return {key_id: tuple(instance_ids) for key_id, instance_ids in found.items()}

    def _exists(self, *conditions: ColumnElement[bool]) -> bool:
        return self._connection.execute(select(KEYS.c.key_id).where(*conditions)).first() is not None

    def _with_tags(self, rows: Sequence[RowMapping]) -> tuple[KeyPair, ...]:
        tags = tags_of(self._connection, [row["key_id"] for row in rows])
        return tuple(record_of(KeyPair, row, tags=tags.get(row["key_id"], ())) for row in rows)
