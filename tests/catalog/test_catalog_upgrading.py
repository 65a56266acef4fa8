"""Catalogs that an earlier Linocut filled, brought up to date by this one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from catalog_records import ANNA, BERT, HERE, NOW, a_root
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    func,
    insert,
    select,
    text,
)

from linocut.catalog import Catalog, migrations
from linocut.catalog.engines import connect
from linocut.model.ids import DiskId, ImageId, InstanceId, KeyId, SecretId, SnapshotId, Uin
from linocut.model.states import ImageState, InstanceState
from linocut.model.usage import DiskUse, InstanceUse, SnapshotUse

_IMAGE, _PUBLIC = ImageId("img-00000001"), ImageId("img-00000002")
_SNAPSHOT, _INSTANCE, _DISK = SnapshotId("snap-00000001"), InstanceId("ins-00000001"), DiskId("disk-00000001")
_KEY, _SECRET = KeyId("skey-00000001"), SecretId("AKID1")
_OWN: Final = {"owner": ANNA, "region": HERE}
_FIRST: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("accounts", {"uin": ANNA, "app_id": 1, "name": "anna", "is_operator": True}),
    ("accounts", {"uin": BERT, "app_id": 2, "name": "bert", "is_operator": False}),
    ("access_keys", {"secret_id": _SECRET, "uin": ANNA, "sealed_secret_key": b"\x00sealed"}),
    ("audit", {"uin": ANNA, "action": "DescribeImages"}),
    ("client_tokens", {**_OWN, "token": "once", "order_digest": "d", "instance_ids": [_INSTANCE]}),
    ("images", {**_OWN, "image_id": _IMAGE, "name": "own", "state": "NORMAL", "source": "CREATE_IMAGE", "license_type": "BYOL"}),
    ("images", {**_OWN, "image_id": _PUBLIC, "name": "all's", "state": "NORMAL", "source": "OFFICIAL", "is_public": True}),
    ("shares", {"image_id": _IMAGE, "account": BERT}),
    (
        "instances",
        {
            **_OWN,
            "instance_id": _INSTANCE,
            "uuid": "7f3b1c5e-0000-4000-8000-000000000001",
            "zone": f"{HERE}-1",
            "name": "web",
            "image_id": _IMAGE,
            "state": "STOPPED",
            "address": "127.0.31.7",
            "latest_operation_state": "SUCCESS",
            "launch_ms": {},
        },
    ),
    ("keys", {"owner": ANNA, "key_id": _KEY, "name": "key", "public_key": "ssh-ed25519 AAAA"}),
    ("instance_keys", {"instance_id": _INSTANCE, "key_id": _KEY}),
    (
        "snapshots",
        {**_OWN, "snapshot_id": _SNAPSHOT, "usage": "SYSTEM_DISK", "state": "NORMAL", "size_bytes": 2**30, "root": a_root("a")},
    ),
    ("image_snapshots", {"image_id": _IMAGE, "snapshot_id": _SNAPSHOT}),
    (
        "disks",
        {
            **_OWN,
            "disk_id": _DISK,
            "zone": f"{HERE}-1",
            "instance_id": _INSTANCE,
            "usage": "SYSTEM_DISK",
            "state": "ATTACHED",
            "base_root": a_root("a"),
        },
    ),
    ("tags", {"resource_id": _IMAGE, "key": "role", "value": "web"}),
    ("uploads", {**_OWN, "upload_id": "upload-1", "size_bytes": 5}),
)
"""A row or two of each table of the first release."""


def _revisions() -> list[str]:
    """Return all revisions, the first one first."""
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    return [each.revision for each in reversed(list(script.walk_revisions()))]


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _filled(column: Column[Any]) -> Any:
    """Return a value for a column of which a test says nothing."""
    match column.type:
        case DateTime():
            return NOW
        case Boolean():
            return False
        case BigInteger() | Integer():
            return 0
        case LargeBinary():
            return b""
        case JSON():
            return []
        case _:
            return ""


def _put(connection: Connection, table: Table, given: dict[str, Any]) -> None:
    numbered = {"audit": "entry", "tasks": "task_id"}.get(table.name)
    filled = {
        column.name: _filled(column) for column in table.columns if not column.nullable and column.name not in {numbered, *given}
    }
    connection.execute(insert(table).values(filled | given))


def _tables(connection: Connection) -> MetaData:
    tables = MetaData()
    tables.reflect(connection)
    return tables


def _counts(connection: Connection) -> dict[str, int]:
    """Return how many rows each table has, but for those that count others and Alembic's own."""
    tables = [each for each in _tables(connection).sorted_tables if each.name not in {"alembic_version", "image_counts"}]
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


@pytest.fixture
def first_url(empty_url: str) -> str:
    """Return the URL of a catalog as the first release left it, with rows in all of its tables."""
    engines = connect(empty_url)
    with engines.writer.begin() as connection:
        _upgrade(connection, _revisions()[0])
        tables = _tables(connection).tables
        for name, given in _FIRST:
            _put(connection, tables[name], given)
        assert all(_counts(connection).values())
    engines.dispose()
    return empty_url


def test_a_catalog_of_the_first_release_is_read_as_it_was_written(first_url: str) -> None:
    catalog = Catalog.open(first_url)

    with catalog.read() as tx:
        anna = tx.accounts.get(ANNA)
        assert anna is not None
        assert anna.is_operator
        assert tx.accounts.by_secret_id(_SECRET) is not None
        image = tx.images.find(_IMAGE)
        assert image is not None
        assert (image.state, image.name, [(tag.key, tag.value) for tag in image.tags]) == (
            ImageState.NORMAL,
            "own",
            [("role", "web")],
        )
        assert [(each.snapshot_id, each.root, each.is_copy) for each in tx.images.snapshots_of(_IMAGE)] == [
            (_SNAPSHOT, a_root("a"), False)
        ]
        assert [share.account for share in tx.shares.of(_IMAGE)] == [BERT]
        instance = tx.instances.find(_INSTANCE)
        assert instance is not None
        assert (instance.state, instance.key_ids, instance.address) == (InstanceState.STOPPED, (_KEY,), "127.0.31.7")
        assert (instance.license_type, instance.vpc_id, instance.has_public_address) == ("BYOL", "", False)
        assert [disk.disk_id for disk in tx.disks.of([_INSTANCE])[_INSTANCE]] == [_DISK]
        assert [pair.key_id for pair in tx.keys.owned(ANNA, [_KEY])] == [_KEY]
        assert tx.snapshots.live_roots(HERE) == {a_root("a")}
    catalog.close()


def test_what_there_is_counts_from_the_upgrade_on(first_url: str) -> None:
    before = datetime.now(UTC)
    catalog = Catalog.open(first_url)

    with catalog.read() as tx:
        spans = [span for name in (_SNAPSHOT, _DISK, _INSTANCE) for span in tx.history.of(name)]
    assert [(type(span.use), span.ended_at, span.owner) for span in spans] == [
        (SnapshotUse, None, ANNA),
        (DiskUse, None, ANNA),
        (InstanceUse, None, ANNA),
    ]
    assert all(before <= span.began_at <= datetime.now(UTC) for span in spans)
    catalog.close()


def test_counters_are_right_after_an_upgrade(first_url: str) -> None:
    Catalog.open(first_url).close()

    assert _image_counts(first_url) == {
        (ANNA, HERE, "PRIVATE_IMAGE"): 1,
        (BERT, HERE, "SHARED_IMAGE"): 1,
        ("", "", "PUBLIC_IMAGE"): 1,
    }


def test_what_the_first_release_made_can_be_deleted(first_url: str) -> None:
    catalog = Catalog.open(first_url)

    with catalog.begin() as tx:
        tx.instances.remove(_INSTANCE)
        image = tx.images.find(_IMAGE)
        assert image is not None
        tx.images.remove(image)

    with catalog.read() as tx:
        assert tx.instances.find(_INSTANCE) is None
        assert tx.images.find(_IMAGE) is None
    assert {key: count for key, count in _image_counts(first_url).items() if count} == {("", "", "PUBLIC_IMAGE"): 1}
    catalog.close()


def test_no_migration_loses_a_row(empty_url: str) -> None:
    """Each table gets a row when it is made, with references to the rows of others; none is lost until the last migration."""
    for revision in _revisions():
        _upgrade_to(empty_url, revision)
        engines = connect(empty_url)
        with engines.writer.begin() as connection:
            for table in _tables(connection).sorted_tables:
                if table.name != "image_counts" and connection.execute(select(func.count()).select_from(table)).scalar_one() == 0:
                    _put(connection, table, _references(table))
        engines.dispose()

    Catalog.open(empty_url).close()

    engines = connect(empty_url)
    with engines.reader.connect() as connection:
        assert set(_counts(connection).values()) == {1}
    engines.dispose()


def test_a_catalog_whose_references_do_not_hold_is_not_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    _upgrade_to(url, "0001")
    engines = connect(url)
    with engines.writer.connect() as connection:
        raw = connection.connection.cursor()
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("INSERT INTO shares VALUES ('img-gone', 'nobody', '2026-01-01 00:00:00.000000')")
        raw.close()
    engines.dispose()

    with pytest.raises(ValueError, match="shares"):
        Catalog.open(url)

    engines = connect(url)
    with engines.reader.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0001"
    engines.dispose()


def test_references_are_enforced_again_after_an_upgrade(first_url: str) -> None:
    catalog = Catalog.open(first_url)
    with catalog._engines.writer.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    catalog.close()


def _upgrade_to(url: str, revision: str) -> None:
    engines = connect(url)
    with engines.writer.connect() as connection, migrations._references_unenforced(connection), connection.begin():
        _upgrade(connection, revision)
    engines.dispose()


def _references(table: Table) -> dict[str, Any]:
    """Return the columns that refer to the rows that `_put` makes of nothing: all their columns are empty, which is a value."""
    return {column.name: "" for column in table.columns if column.foreign_keys}


def _image_counts(url: str) -> dict[tuple[str, str, str], int]:
    engines = connect(url)
    with engines.reader.connect() as connection:
        rows = connection.execute(text("SELECT account, region, kind, count FROM image_counts")).all()
    engines.dispose()
    return {(Uin(row[0]), row[1], row[2]): row[3] for row in rows}
