"""The same library of images in Linocut, in Glance and in moto, of any size, so that each lists what the others list.

A library of n images belongs to two callers and a thousand other accounts, images of all of them taking turns in time:

    few    owns 40 images, and sees 10 that others share to it
    many   owns half of the library
    the operator's 20 images are public

So `few` sees 70 images however large the library is, and `many` sees n / 2. Five images of each carry a name that contains
`needle`. Every image has one snapshot (in Glance one location and two properties) and two tags.

Rows are made by the database from one image that the catalog itself wrote: a million of them take a minute that way.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, literal, select, text, update

from linocut.catalog.engines import connect
from linocut.catalog.image_counts import ImageType, Standing
from linocut.catalog.schema import ACCOUNTS, IMAGE_COUNTS, IMAGE_SNAPSHOTS, IMAGES, SHARES, SNAPSHOTS, TAGS
from linocut.cloud.accounts import NewAccount, create_account, ensure_operator
from linocut.cloud.context import Cloud
from linocut.model.ids import ImageId, Region, SnapshotId
from linocut.model.records import DiskUsage, Image, ImageSource, Snapshot, Tag
from linocut.model.states import ImageState, SnapshotState
from linocut.service import credentials, offline
from linocut.settings import Settings

REGION: Final = Region("ap-guangzhou")
NEEDLE: Final = "needle"
OWN: Final = 40
SHARED: Final = 10
PUBLIC: Final = 20
NEEDLES: Final = 5
OTHERS: Final = 1000
_FIRST: Final = 10_000_000
_EPOCH: Final = 1_700_000_000
_MADE: Final = datetime(2023, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Places:
    """Which images of a library, by number, are whose: spread evenly over all of them."""

    few: tuple[int, ...]
    shared: tuple[int, ...]
    public: tuple[int, ...]
    needles: tuple[int, ...]
    """Names of these contain the needle: five of `few`, and five of `many`."""

    @classmethod
    def of(cls, size: int) -> "Places":
        """Return the places in a library; odd numbers, for even ones belong to `many`."""
        odd = tuple(range(1, size, size // (OWN + SHARED) // 2 * 2))[: OWN + SHARED]
        few = tuple(place for number, place in enumerate(odd) if number % 5)
        shared = tuple(place for number, place in enumerate(odd) if not number % 5)
        public = tuple(range(0, size, size // PUBLIC // 4 * 4))[:PUBLIC]
        of_many = tuple(range(2, size, size // NEEDLES // 4 * 4))[:NEEDLES]
        return cls(few, shared, public, (*few[:NEEDLES], *of_many))


@dataclass(frozen=True)
class Callers:
    """The accounts that list images, with their keys."""

    few: NewAccount
    many: NewAccount


def seen(size: int) -> dict[str, int]:
    """Return how many images each caller sees in a library."""
    return {"few": OWN + SHARED + PUBLIC, "many": size // 2}


def fill_linocut(settings: Settings, size: int) -> Callers:
    """Fill the catalog of a service that does not run yet."""
    with offline(settings) as cloud:
        operator = ensure_operator(cloud)
        assert operator is not None
        (settings.state / "credentials.json").write_text(json.dumps(credentials(operator)))
        callers = Callers(create_account(cloud, "few"), create_account(cloud, "many"))
        _add_model(cloud, callers.many)
    engines = connect(settings.database_url)
    try:
        with engines.writer.begin() as connection:
            _multiply(connection, callers, operator, size)
        if engines.writer.dialect.name == "postgresql":
            with engines.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
    finally:
        engines.dispose()
    return callers


def _add_model(cloud: Cloud, owner: NewAccount) -> None:
    """Add image number 0, by the catalog's own hand."""
    snapshot = Snapshot(
        snapshot_id=SnapshotId(f"snap-{_FIRST}"),
        owner=owner.uin,
        region=REGION,
        name="system",
        usage=DiskUsage.SYSTEM_DISK,
        state=SnapshotState.NORMAL,
        size_bytes=10 * 2**30,
        root=None,
        disk_id=None,
        percent=100,
        created_at=_MADE,
    )
    image = Image(
        image_id=ImageId(f"img-{_FIRST}"),
        owner=owner.uin,
        region=REGION,
        name="model",
        description="An image as it is listed, with a description of ordinary length",
        state=ImageState.NORMAL,
        source=ImageSource.EXTERNAL_IMPORT,
        is_public=False,
        platform="Debian",
        os_name="Debian 12 64bit",
        architecture="x86_64",
        size_gb=10,
        license_type="TencentCloud",
        boot_mode="Legacy BIOS",
        family="debian-12",
        deprecated=False,
        supports_cloud_init=True,
        percent=100,
        failure="",
        source_url="",
        source_instance=None,
        force_poweroff=False,
        request_id="",
        created_at=_MADE,
        tags=(Tag("role", "web"), Tag("env", "test")),
    )
    with cloud.catalog.begin() as tx:
        tx.snapshots.add(snapshot)
        tx.images.add(image, [snapshot.snapshot_id])


def _multiply(connection: Connection, callers: Callers, operator: NewAccount, size: int) -> None:
    series = _Series(connection, size)
    many = callers.many.uin
    other = f"(200000000000 + n % {OTHERS})"
    series.copy(
        ACCOUNTS, f"t.uin = '{many}' AND n < {OTHERS}", uin=_words("(200000000000 + n)"), app_id="(1 + n)", name=_words("n")
    )
    number = f"({_FIRST} + n)"
    series.copy(
        IMAGES,
        "n > 0",
        image_id=f"'img-' || {number}",
        owner=f"CASE WHEN n % 2 = 0 THEN '{many}' ELSE {_words(other)} END",
        name=f"'image ' || {number}",
        name_folded=f"'image ' || {number}",
        created_at=series.moment(f"{_EPOCH} + n"),
    )
    _allot(connection, callers, operator, Places.of(size))
    series.copy(SNAPSHOTS, "n > 0", snapshot_id=f"'snap-' || {number}")
    series.copy(IMAGE_SNAPSHOTS, "n > 0", image_id=f"'img-' || {number}", snapshot_id=f"'snap-' || {number}")
    _count(connection, callers)
    series.copy(TAGS, "n > 0", resource_id=f"'img-' || {number}")


def _allot(connection: Connection, callers: Callers, operator: NewAccount, places: Places) -> None:
    """Give the images at the places to whom they belong, and count them."""
    for owner, is_public, numbers in ((callers.few, False, places.few), (operator, True, places.public)):
        whose = IMAGES.c.image_id.in_([_image_id(number) for number in numbers])
        connection.execute(update(IMAGES).where(whose).values(owner=owner.uin, is_public=is_public))
    for number in places.needles:
        name = f"{NEEDLE} {number}"
        mine = IMAGES.c.image_id == _image_id(number)
        connection.execute(update(IMAGES).where(mine).values(name=name, name_folded=name))
    shares = [{"image_id": _image_id(number), "account": callers.few.uin, "created_at": _MADE} for number in places.shared]
    connection.execute(insert(SHARES), shares)


def _count(connection: Connection, callers: Callers) -> None:
    """Count what the rows above come to, as the catalog would have."""
    connection.execute(delete(IMAGE_COUNTS))
    mine = (IMAGES.c.owner, IMAGES.c.region)
    kind = literal(ImageType.PRIVATE_IMAGE.value)
    private = select(*mine, kind, func.count()).where(IMAGES.c.is_public.is_(False)).group_by(*mine)
    connection.execute(insert(IMAGE_COUNTS).from_select(["account", "region", "kind", "count"], private))
    (public,) = Standing(callers.many.uin, REGION, is_public=True, state=ImageState.NORMAL).seen_by(())
    shared = (callers.few.uin, REGION, ImageType.SHARED_IMAGE)
    for (account, region, seen_as), count in ((public, PUBLIC), (shared, SHARED)):
        row = {"account": account, "region": region, "kind": seen_as, "count": count}
        connection.execute(insert(IMAGE_COUNTS).values(row))


def fill_glance(database: Path, size: int) -> None:
    """Fill the database of a Glance that does not run yet; its projects are named like our callers."""
    places = Places.of(size)
    owner = f"CASE WHEN n % 2 = 0 THEN 'many' ELSE 'other-' || (n % {OTHERS}) END"
    at = f"strftime('%Y-%m-%d %H:%M:%S.000000', {_EPOCH} + n, 'unixepoch')"
    stamps = f"{at}, {at}, 0"
    numbers = _numbers(size)
    image = "'00000000-0000-4000-8000-' || substr('000000000000' || n, -12)"
    with closing(sqlite3.connect(database)) as connection, connection:

        def add(table: str, columns: str, values: str) -> None:
            columns = f"{columns}, created_at, updated_at, deleted"
            rows = f"{numbers} SELECT {values}, {stamps} FROM series"  # noqa: S608  all of it is ours
            connection.execute(f"INSERT INTO {table} ({columns}) {rows}")

        def change(setting: str, chosen: tuple[int, ...]) -> None:
            ids = ", ".join(f"'{_glance_id(number)}'" for number in chosen)
            connection.execute(f"UPDATE images SET {setting} WHERE id IN ({ids})")  # noqa: S608  the same

        add(
            "images",
            "id, name, size, virtual_size, status, disk_format, container_format, checksum, owner, visibility, min_disk, min_ram",
            f"{image}, 'image ' || n, 194641920, 10737418240, 'active', 'qcow2', 'bare', '{'0' * 32}', {owner}, 'private', 0, 0",
        )
        for tag in ("web", "test"):
            add("image_tags", "image_id, value", f"{image}, '{tag}'")
        for name in ("os_distro", "architecture"):
            add("image_properties", "image_id, name, value", f"{image}, '{name}', 'debian'")
        where = f"'file:///nowhere/' || {image}"
        add("image_locations", "image_id, value, meta_data, status", f"{image}, {where}, '{{}}', 'active'")
        change("owner = 'few'", places.few)
        change("owner = 'operator', visibility = 'public'", places.public)
        change("visibility = 'shared'", places.shared)
        change(f"name = '{NEEDLE}'", places.needles)
        for number in places.shared:
            values = (_glance_id(number), _MADE.isoformat(" "), _MADE.isoformat(" "))
            connection.execute(
                "INSERT INTO image_members (image_id, member, can_share, created_at, updated_at, deleted, status) "
                "VALUES (?, 'few', 0, ?, ?, 0, 'accepted')",
                values,
            )


def fill_moto(file: Path, size: int) -> None:
    """Write the images that moto is to begin with, instead of the ones that it knows by itself."""
    images = [
        {
            "ami_id": f"ami-{number:08x}",
            "name": f"image {number}",
            "description": "An image as it is listed, with a description of ordinary length",
            "owner_id": "123456789012",
            "public": True,
            "virtualization_type": "hvm",
            "architecture": "x86_64",
            "state": "available",
            "platform": None,
            "image_type": "machine",
            "hypervisor": "xen",
            "root_device_name": "/dev/sda1",
            "root_device_type": "ebs",
            "sriov": "simple",
            "creation_date": "2023-01-01T00:00:00.000Z",
        }
        for number in range(size)
    ]
    file.write_text(json.dumps(images))


def _glance_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


class _Series:
    """Copies a table's only row so many times; n numbers the copies, t is the row."""

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        self._is_postgres = connection.dialect.name == "postgresql"

    def copy(self, table: Table, where: str, **changed: str) -> None:
        columns = [column.name for column in table.columns]
        values = [changed.get(name, f't."{name}"') for name in columns]
        quoted = ", ".join(f'"{name}"' for name in columns)
        rows = f'{_numbers(self._size)} SELECT {", ".join(values)} FROM series, "{table.name}" AS t WHERE {where}'  # noqa: S608  ours
        self._connection.execute(text(f'INSERT INTO "{table.name}" ({quoted}) {rows}'))

    def moment(self, seconds: str) -> str:
        if self._is_postgres:
            return f"to_timestamp({seconds})"
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {seconds}, 'unixepoch')"


def _numbers(size: int) -> str:
    return f"WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < {size - 1})"  # noqa: S608  ours


def _words(number: str) -> str:
    return f"CAST({number} AS TEXT)"


def _image_id(number: int) -> str:
    return f"img-{_FIRST + number}"
