"""Everything that is put into the catalog comes back as it was, on both databases."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from catalog_records import (
    ANNA,
    HERE,
    NOW,
    a_disk,
    a_key,
    a_session,
    a_snapshot,
    a_token,
    an_access_key,
    an_account,
    an_audit_entry,
    an_image,
    an_instance,
    an_upload,
    join,
)
from sqlalchemy import Table
from sqlalchemy.exc import StatementError

from linocut.catalog import Catalog, Tx, Upload, schema
from linocut.model.networks import SecurityGroup, Subnet, Vpc
from linocut.model.records import (
    AccessKey,
    Account,
    AuditEntry,
    ClientToken,
    Disk,
    Image,
    Instance,
    KeyPair,
    Session,
    Share,
    Snapshot,
    Tag,
)

ROUND_TRIPS: dict[str, tuple[Callable[[], Any], Callable[[Tx, Any], Any], Callable[[Tx, Any], Any]]] = {
    "image": (an_image, lambda tx, it: tx.images.add(it, []), lambda tx, it: tx.images.find(it.image_id)),
    "image without a source": (
        lambda: an_image(source_instance=None, tags=(), is_public=True),
        lambda tx, it: tx.images.add(it, []),
        lambda tx, it: tx.images.get(HERE, it.image_id),
    ),
    "snapshot": (a_snapshot, lambda tx, it: tx.snapshots.add(it), lambda tx, it: tx.snapshots.get(it.snapshot_id)),
    "instance": (an_instance, lambda tx, it: tx.instances.add_all([it]), lambda tx, it: tx.instances.find(it.instance_id)),
    "started instance": (
        lambda: an_instance(started_at=NOW, key_ids=(), tags=(), launch_ms={}, user_data=b""),
        lambda tx, it: tx.instances.add_all([it]),
        lambda tx, it: tx.instances.get(HERE, it.instance_id),
    ),
    "key pair": (a_key, lambda tx, it: tx.keys.add(it), lambda tx, it: tx.keys.get(ANNA, it.key_id)),
    "client token": (a_token, lambda tx, it: tx.tokens.add(it), lambda tx, it: tx.tokens.get(ANNA, HERE, it.token)),
    "upload": (an_upload, lambda tx, it: tx.uploads.add(it), lambda tx, it: tx.uploads.get(it.upload_id)),
    "upload without a digest": (
        lambda: an_upload(sha256=None),
        lambda tx, it: tx.uploads.add(it),
        lambda tx, it: tx.uploads.get(it.upload_id),
    ),
    "session": (a_session, lambda tx, it: tx.sessions.add(it), lambda tx, it: tx.sessions.get(it.secret_id)),
    "audit entry": (an_audit_entry, lambda tx, it: tx.audit.add(it), lambda tx, _it: tx.audit.recent(1)[0]),
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
def test_a_record_comes_back_as_it_was_put_in(catalog: Catalog, kind: str) -> None:
    make, put, get = ROUND_TRIPS[kind]
    record = make()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        put(tx, record)

    with catalog.read() as tx:
        assert get(tx, record) == record


def test_an_account_and_its_access_key_come_back_as_they_were_put_in(catalog: Catalog) -> None:
    join(catalog, ANNA)

    with catalog.read() as tx:
        assert tx.accounts.get(ANNA) == an_account(ANNA)
        assert tx.accounts.keys_of(ANNA) == (an_access_key(ANNA),)


def test_a_disk_comes_back_as_it_was_put_in(catalog: Catalog) -> None:
    instance = an_instance()
    disk = a_disk(instance, synced_root="c" * 64, synced_mark="mark-1")
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([disk])

    with catalog.read() as tx:
        assert tx.disks.of([instance.instance_id]) == {instance.instance_id: (disk,)}


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (Account, schema.ACCOUNTS),
        (AccessKey, schema.ACCESS_KEYS),
        (Image, schema.IMAGES),
        (Snapshot, schema.SNAPSHOTS),
        (Share, schema.SHARES),
        (Disk, schema.DISKS),
        (Instance, schema.INSTANCES),
        (KeyPair, schema.KEYS),
        (ClientToken, schema.CLIENT_TOKENS),
        (AuditEntry, schema.AUDIT),
        (Upload, schema.UPLOADS),
        (Session, schema.SESSIONS),
        (Vpc, schema.VPCS),
        (Subnet, schema.SUBNETS),
        (SecurityGroup, schema.SECURITY_GROUPS),
    ],
)
def test_every_field_has_a_column_unless_another_table_keeps_it(record: Any, table: Table) -> None:
    elsewhere = {field.name for field in fields(record)} - set(table.columns.keys())

    assert elsewhere <= {"tags", "key_ids", "group_ids"}


def test_a_time_of_any_zone_comes_back_as_the_same_moment_in_utc(catalog: Catalog) -> None:
    beijing = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=8)))
    image = an_image(created_at=beijing)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])

    with catalog.read() as tx:
        found = tx.images.find(image.image_id)
    assert found is not None
    assert found.created_at == beijing
    assert found.created_at.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(catalog: Catalog) -> None:
    join(catalog, ANNA)

    with pytest.raises(StatementError, match="without a zone"), catalog.begin() as tx:
        tx.images.add(an_image(created_at=NOW.replace(tzinfo=None)), [])


def test_tags_keep_the_order_they_were_given_in(catalog: Catalog) -> None:
    tags = tuple(Tag(key, "v") for key in ("zebra", "Apple", "mango"))
    image = replace(an_image(), tags=tags)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])

    with catalog.read() as tx:
        assert tx.images.find(image.image_id) == image
