"""Instances: their rows, their legal moves, and the capacity that they take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, delete, func, insert, select

from linocut.catalog.disks import Disks
from linocut.catalog.history import History
from linocut.catalog.instance_query import InstanceQuery, matching
from linocut.catalog.page import Page
from linocut.catalog.rows import batches, folded, guarded_update, lock_until_end, record_of, values_of
from linocut.catalog.schema import INSTANCE_GROUPS, INSTANCE_KEYS, INSTANCES
from linocut.catalog.tags import drop_tags, put_tags, replace_tags, tags_of
from linocut.model.ids import GroupId, ImageId, InstanceId, KeyId, Region, Uin, Zone
from linocut.model.records import Instance, Tag
from linocut.model.states import INSTANCE_MOVES, InstanceState, OperationState

_ELSEWHERE: Final = frozenset({"tags", "key_ids", "group_ids"})
"""Fields that other tables keep."""
_UNGUARDED: Final = _ELSEWHERE | {"launch_ms", "metadata"}
"""Fields whose old value does not guard an update."""
_UNMETERED: Final = _UNGUARDED | {"latest_operation", "latest_operation_state", "latest_operation_error", "latest_request_id"}
"""Fields that do not matter for what an instance costs, and change often."""
_HOLDS_NOTHING: Final = (InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING)


class InstanceChanges(TypedDict, total=False):
    """The fields of an instance that may change after it was made."""

    name: str
    host_name: str
    instance_type: str
    vcpus: int
    memory_mb: int
    image_id: ImageId
    os_name: str
    address: str
    mac: str
    key_ids: tuple[KeyId, ...]
    group_ids: tuple[GroupId, ...]
    password_hash: str
    keep_image_login: bool
    user_data: bytes
    charge_type: str
    disable_termination: bool
    latest_operation: str
    latest_operation_state: OperationState
    latest_operation_error: str
    latest_request_id: str
    started_at: datetime | None
    launch_ms: dict[str, float]
    login_generation: int
    metadata: dict[str, str]
    boot_mode: str
    license_type: str
    windows_of: ImageId | None
    tags: tuple[Tag, ...]


class Instances:
    """The instances in one transaction."""

    def __init__(self, connection: Connection, disks: Disks, history: History) -> None:
        self._connection = connection
        self._disks = disks
        self._history = history

    def add_all(self, instances: Iterable[Instance]) -> None:
        """Add instances."""
        added = tuple(instances)
        rows = [values_of(instance, INSTANCES) | {"name_folded": folded(instance.name)} for instance in added]
        if rows:
            self._connection.execute(insert(INSTANCES), rows)
            self._history.instances_changed(instance.instance_id for instance in added)
            self._link({instance.instance_id: instance.key_ids for instance in added})
            self._link_groups({instance.instance_id: instance.group_ids for instance in added})
            put_tags(self._connection, {instance.instance_id: instance.tags for instance in added})

    def get(self, region: Region, instance_id: InstanceId) -> Instance | None:
        """Return the instance of that region, whoever owns it; or None."""
        return self._first(INSTANCES.c.instance_id == instance_id, INSTANCES.c.region == region)

    def find(self, instance_id: InstanceId) -> Instance | None:
        """Return the instance, wherever it is; or None."""
        return self._first(INSTANCES.c.instance_id == instance_id)

    def owned(self, uin: Uin, region: Region, ids: Iterable[InstanceId]) -> tuple[Instance, ...]:
        """Return those of the instances that the account has in the region, in the order of the ids."""
        asked = tuple(dict.fromkeys(ids))
        mine = (INSTANCES.c.owner == uin, INSTANCES.c.region == region)
        found = {
            instance.instance_id: instance
            for batch in batches(asked)
            for instance in self._records(*mine, INSTANCES.c.instance_id.in_(batch))
        }
        return tuple(found[instance_id] for instance_id in asked if instance_id in found)

    def lock(self, ids: Iterable[InstanceId]) -> None:
        """Let nobody else change these instances, or what disks they have, until the transaction ends."""
        for batch in batches(sorted(ids)):
            query = select(INSTANCES.c.instance_id).where(INSTANCES.c.instance_id.in_(batch)).order_by(INSTANCES.c.instance_id)
            self._connection.execute(query.with_for_update())

    def list(self, query: InstanceQuery) -> Page[Instance]:
        """Return a page of the account's instances in the region, newest first."""
        conditions = matching(query)
        total = self._connection.execute(select(func.count()).select_from(INSTANCES).where(*conditions)).scalar_one()
        order = (INSTANCES.c.created_at.desc(), INSTANCES.c.instance_id)
        page = select(INSTANCES).where(*conditions).order_by(*order).offset(query.offset).limit(query.limit)
        return Page(self._with_keys_and_tags(self._connection.execute(page).mappings().all()), total)

    def in_states(self, states: Iterable[InstanceState]) -> tuple[Instance, ...]:
        """Return the instances of every region and account that are in one of the states, oldest first."""
        return self._records(INSTANCES.c.state.in_(tuple(states)))

    def all_ids(self) -> set[InstanceId]:
        """Return the id of every instance."""
        return {InstanceId(instance_id) for instance_id in self._connection.scalars(select(INSTANCES.c.instance_id))}

    def addresses(self) -> set[str]:
        """Return every address that an instance has, in whatever state it is."""
        return set(self._connection.scalars(select(INSTANCES.c.address).where(INSTANCES.c.address != "").distinct()))

    def has_address(self, address: str) -> bool:
        """Tell whether an instance has this address, in whatever state it is."""
        return self._connection.execute(select(INSTANCES.c.address).where(INSTANCES.c.address == address)).first() is not None

    def reserved(self) -> tuple[int, int]:
        """Return the virtual CPUs and the MiB of memory that instances hold, stopped ones included."""
        sums = (func.coalesce(func.sum(INSTANCES.c.vcpus), 0), func.coalesce(func.sum(INSTANCES.c.memory_mb), 0))
        row = self._connection.execute(select(*sums).where(INSTANCES.c.state.not_in(_HOLDS_NOTHING))).one()
        return int(row[0]), int(row[1])

    def count_by_zone(self, uin: Uin, region: Region) -> Mapping[Zone, int]:
        """Return how many instances the account has in each zone of the region; a zone without any is absent."""
        mine = (INSTANCES.c.owner == uin, INSTANCES.c.region == region)
        query = select(INSTANCES.c.zone, func.count()).where(*mine).group_by(INSTANCES.c.zone)
        return {Zone(zone): int(count) for zone, count in self._connection.execute(query)}

    def lock_capacity(self) -> None:
        """Let only one transaction at a time choose addresses, sum what is reserved, and add instances."""
        lock_until_end(self._connection, "capacity")

    def count_owned(self, uin: Uin, region: Region) -> int:
        """Return how many instances the account has in the region, in whatever state."""
        mine = (INSTANCES.c.owner == uin, INSTANCES.c.region == region)
        return self._connection.execute(select(func.count()).select_from(INSTANCES).where(*mine)).scalar_one()

    def using_key(self, key_id: KeyId) -> bool:
        """Tell whether an instance was given the key pair."""
        return (
            self._connection.execute(select(INSTANCE_KEYS.c.key_id).where(INSTANCE_KEYS.c.key_id == key_id)).first() is not None
        )

    def move(self, instance: Instance, to: InstanceState, **changes: Unpack[InstanceChanges]) -> Instance:
        """Move the instance to another state, with other changes at once, and return it as it then is.

        Raises ValueError for a move that is not legal, and LostRace as `update` does.
        """
        if to not in INSTANCE_MOVES[instance.state]:
            raise ValueError(f"an instance does not move from {instance.state} to {to}")
        return self._write(instance, replace(instance, state=to, **changes), changes)

    def update(self, instance: Instance, **changes: Unpack[InstanceChanges]) -> Instance:
        """Change the instance and return it as it then is.

        Raises LostRace when its state, its latest request or a field that is to change is not as it was read.
        """
        return self._write(instance, replace(instance, **changes), changes)

    def remove(self, instance_id: InstanceId) -> None:
        """Remove the instance with those disks that end with it, tags and links to key pairs. One that is gone is no error."""
        self._disks.leave(instance_id)
        self._history.instances_changed([instance_id])
        for table in (INSTANCE_KEYS, INSTANCE_GROUPS, INSTANCES):
            self._connection.execute(delete(table).where(table.c.instance_id == instance_id))
        drop_tags(self._connection, [instance_id])

    def _write(self, read: Instance, changed: Instance, changes: InstanceChanges) -> Instance:
        guards = {"state", "latest_request_id", *changes} - _UNGUARDED
        values = {name: getattr(changed, name) for name in {"state", *changes} - _ELSEWHERE}
        if "name" in changes:
            values["name_folded"] = folded(changed.name)
        guarded_update(self._connection, INSTANCES.c.instance_id, read, values, guards=sorted(guards))
        if read.state is not changed.state or not set(changes) <= _UNMETERED:
            self._history.instances_changed([read.instance_id])
        if "key_ids" in changes:
            self._connection.execute(delete(INSTANCE_KEYS).where(INSTANCE_KEYS.c.instance_id == read.instance_id))
            self._link({read.instance_id: changed.key_ids})
        if "group_ids" in changes:
            self._connection.execute(delete(INSTANCE_GROUPS).where(INSTANCE_GROUPS.c.instance_id == read.instance_id))
            self._link_groups({read.instance_id: changed.group_ids})
        if "tags" in changes:
            replace_tags(self._connection, read.instance_id, read.tags, changed.tags)
        return changed

    def _link(self, keys: dict[InstanceId, tuple[KeyId, ...]]) -> None:
        rows = [
            {"instance_id": instance_id, "key_id": key_id, "position": position}
            for instance_id, key_ids in keys.items()
            for position, key_id in enumerate(key_ids)
        ]
        if rows:
            self._connection.execute(insert(INSTANCE_KEYS), rows)

    def _link_groups(self, groups: dict[InstanceId, tuple[GroupId, ...]]) -> None:
        rows = [
            {"instance_id": instance_id, "group_id": group_id, "position": position}
            for instance_id, group_ids in groups.items()
            for position, group_id in enumerate(group_ids)
        ]
        if rows:
            self._connection.execute(insert(INSTANCE_GROUPS), rows)

    def _first(self, *conditions: ColumnElement[bool]) -> Instance | None:
        instances = self._records(*conditions)
        return instances[0] if instances else None

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[Instance, ...]:
        query = select(INSTANCES).where(*conditions).order_by(INSTANCES.c.created_at, INSTANCES.c.instance_id)
        return self._with_keys_and_tags(self._connection.execute(query).mappings().all())

    def _with_keys_and_tags(self, rows: Sequence[RowMapping]) -> tuple[Instance, ...]:
        ids = [row["instance_id"] for row in rows]
        tags = tags_of(self._connection, ids)
        keys = _links(self._connection, INSTANCE_KEYS.c.key_id, ids)
        groups = _links(self._connection, INSTANCE_GROUPS.c.group_id, ids)
        return tuple(
            record_of(
                Instance,
                row,
                tags=tags.get(row["instance_id"], ()),
                key_ids=tuple(keys.get(row["instance_id"], ())),
                group_ids=tuple(groups.get(row["instance_id"], ())),
            )
            for row in rows
        )


def _links(connection: Connection, linked: Column[Any], ids: Sequence[InstanceId]) -> dict[InstanceId, list[Any]]:
    """Return what a table of links has of each of these instances, in its order."""
    links: dict[InstanceId, list[Any]] = {}
    table = linked.table
    for batch in batches(ids):
        query = select(table.c.instance_id, linked).where(table.c.instance_id.in_(batch)).order_by(table.c.position)
        for instance_id, other in connection.execute(query):
            links.setdefault(instance_id, []).append(other)
    return links
