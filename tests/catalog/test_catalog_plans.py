"""How much work a page is: the same number of statements however long it is, and each of them finds its rows by an index."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from catalog_records import ANNA, BERT, HERE, NOW, a_disk, a_snapshot, an_image, an_instance, join
from sqlalchemy import event
from sqlalchemy.pool import Pool

from linocut.catalog import Catalog, DiskQuery, ImageQuery, InstanceQuery, PolicyQuery, SnapshotQuery, Tx

PAGES: dict[str, Callable[[Tx], Any]] = {
    "images": lambda tx: tx.images.visible(ImageQuery(caller=BERT, region=HERE, limit=100)),
    "images of some names": lambda tx: tx.images.visible(ImageQuery(caller=BERT, region=HERE, names=("image",), limit=100)),
    "tagged images": lambda tx: tx.images.visible(ImageQuery(caller=BERT, region=HERE, tags={"role": ("web",)}, limit=100)),
    "instances": lambda tx: tx.instances.list(InstanceQuery(owner=ANNA, region=HERE, limit=100)),
    "tagged instances": lambda tx: tx.instances.list(InstanceQuery(owner=ANNA, region=HERE, tag_keys=("role",), limit=100)),
    "key pairs": lambda tx: tx.keys.list(ANNA, limit=100),
    "disks": lambda tx: tx.disks.list(DiskQuery(owner=ANNA, region=HERE, limit=100)),
    "policies": lambda tx: tx.snapshot_policies.list(PolicyQuery(owner=ANNA, region=HERE, limit=100)),
    "policies that are due": lambda tx: tx.snapshot_policies.due(NOW, 100),
    "what policies owe": lambda tx: tx.snapshot_policies.owed(),
    "snapshots": lambda tx: tx.snapshots.list(SnapshotQuery(owner=ANNA, region=HERE, limit=100)),
}


@contextmanager
def statements_seen() -> Iterator[list[str]]:
    """Yield a list that fills with what SQLite is asked, values and all."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if statement.startswith(("SELECT", "WITH")):
            seen.append(statement)

    def listen(connection: sqlite3.Connection, *_about: object) -> None:
        connection.set_trace_callback(note)

    def leave(connection: sqlite3.Connection, *_about: object) -> None:
        connection.set_trace_callback(None)

    event.listen(Pool, "checkout", listen)
    event.listen(Pool, "checkin", leave)
    try:
        yield seen
    finally:
        event.remove(Pool, "checkout", listen)
        event.remove(Pool, "checkin", leave)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
def catalog(file: Path) -> Iterator[Catalog]:
    """Yield a catalog in SQLite, which can be watched at work; the statements are the same everywhere."""
    opened = Catalog.open(f"sqlite:///{file}")
    join(opened, ANNA, BERT)
    yield opened
    opened.close()


def fill(catalog: Catalog, count: int) -> None:
    snapshots = [a_snapshot() for _ in range(count)]
    images = [an_image(is_public=number % 2 == 0) for number in range(count)]
    with catalog.begin() as tx:
        for snapshot, image in zip(snapshots, images, strict=True):
            tx.snapshots.add(snapshot)
            tx.images.add(image, [snapshot.snapshot_id])
            tx.shares.add(image.image_id, [BERT], NOW)
        instances = [an_instance() for _ in range(count)]
        tx.instances.add_all(instances)
        tx.disks.add_all(a_disk(instance) for instance in instances)


@pytest.mark.parametrize("page", PAGES)
def test_a_longer_page_takes_no_more_statements(catalog: Catalog, page: str) -> None:
    counts = []
    for more in (2, 30):
        fill(catalog, more)
        with statements_seen() as seen, catalog.read() as tx:
            PAGES[page](tx)
        counts.append(len(seen))

    assert 1 <= counts[0] == counts[1] <= 6


@pytest.mark.parametrize("page", PAGES)
def test_a_page_finds_its_rows_by_an_index(catalog: Catalog, file: Path, page: str) -> None:
    fill(catalog, 3)
    with statements_seen() as seen, catalog.read() as tx:
        PAGES[page](tx)

    connection = sqlite3.connect(file)
    plans = [[row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")] for statement in seen]
    connection.close()

    scanned = {step.split()[1] for plan in plans for step in plan if step.startswith("SCAN")}
    assert scanned <= {"seen", "first", "page", "CONSTANT"}  # results of our own, and a row that stands for none
    assert plans


@pytest.mark.parametrize("page", ["images", "images of some names", "tagged images"])
def test_a_page_of_images_takes_no_more_work_among_more_images_of_others(catalog: Catalog, file: Path, page: str) -> None:
    fill(catalog, 3)
    work = []
    for more in (0, 60):
        with catalog.begin() as tx:
            for _ in range(more):
                tx.images.add(an_image(), [])
        with statements_seen() as seen, catalog.read() as tx:
            PAGES[page](tx)
        work.append(steps_of(file, seen))

    assert work[1] <= work[0] + 20


def test_the_first_page_of_all_images_takes_no_more_work_however_many_there_are(catalog: Catalog, file: Path) -> None:
    work = []
    for more in (80, 320):
        with catalog.begin() as tx:
            for number in range(more):
                tx.images.add(an_image(is_public=number % 2 == 0, created_at=NOW + timedelta(seconds=more + number)), [])
        with statements_seen() as seen, catalog.read() as tx:
            assert tx.images.visible(ImageQuery(caller=ANNA, region=HERE)).total == (80 if more == 80 else 400)
        work.append(steps_of(file, seen))

    assert work[1] <= 1.1 * work[0]


def steps_of(file: Path, statements: list[str]) -> int:
    """Return how many steps SQLite's machine takes for some statements."""
    steps = itertools.count()
    connection = sqlite3.connect(file)
    connection.set_progress_handler(lambda: next(steps) < 0, 1)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()
    return next(steps)
