"""How much work a page is: the same number of statements however long it is, and each of them finds its rows by an index."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from catalog_records import ANNA, BERT, HERE, NOW, a_snapshot, an_image, an_instance, join
from sqlalchemy import Engine, event

from linocut.catalog import Catalog, ImageQuery, InstanceQuery, Tx

Statements = list[tuple[str, Any]]

PAGES: dict[str, Callable[[Tx], Any]] = {
    "images": lambda tx: tx.images.visible(ImageQuery(caller=BERT, region=HERE, limit=100)),
    "images of some names": lambda tx: tx.images.visible(ImageQuery(caller=BERT, region=HERE, names=("image",), limit=100)),
    "tagged images": lambda tx: tx.images.visible(ImageQuery(caller=BERT, region=HERE, tags={"role": ("web",)}, limit=100)),
    "instances": lambda tx: tx.instances.list(InstanceQuery(owner=ANNA, region=HERE, limit=100)),
    "tagged instances": lambda tx: tx.instances.list(InstanceQuery(owner=ANNA, region=HERE, tag_keys=("role",), limit=100)),
    "key pairs": lambda tx: tx.keys.list(ANNA, limit=100),
}


@contextmanager
def statements_seen() -> Iterator[Statements]:
    """Yield a list that fills with what is sent to any database."""
    seen: Statements = []

    def note(*sent: Any) -> None:
        _connection, _cursor, statement, parameters, _context, _many = sent
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def fill(catalog: Catalog, count: int) -> None:
    snapshots = [a_snapshot() for _ in range(count)]
    images = [an_image(is_public=number % 2 == 0) for number in range(count)]
    with catalog.begin() as tx:
        for snapshot, image in zip(snapshots, images, strict=True):
            tx.snapshots.add(snapshot)
            tx.images.add(image, [snapshot.snapshot_id])
            tx.shares.add(image.image_id, [BERT], NOW)
        tx.instances.add_all(an_instance() for _ in range(count))


@pytest.mark.parametrize("page", PAGES)
def test_a_longer_page_takes_no_more_statements(catalog: Catalog, page: str) -> None:
    join(catalog, ANNA, BERT)
    counts = []
    for more in (2, 30):
        fill(catalog, more)
        with statements_seen() as seen, catalog.read() as tx:
            PAGES[page](tx)
        counts.append(len(seen))

    assert counts[0] == counts[1] <= 5


@pytest.mark.parametrize("page", PAGES)
def test_a_page_finds_its_rows_by_an_index(tmp_path: Path, page: str) -> None:
    file = tmp_path / "catalog.db"
    catalog = Catalog.open(f"sqlite:///{file}")
    join(catalog, ANNA, BERT)
    fill(catalog, 3)
    with statements_seen() as seen, catalog.read() as tx:
        PAGES[page](tx)
    catalog.close()

    connection = sqlite3.connect(file)
    plans = [[row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)] for sql, values in seen]
    connection.close()

    scanned = {step.split()[1] for plan in plans for step in plan if step.startswith("SCAN")}
    assert scanned <= {"seen", "page"}  # which are results of our own
    assert plans
