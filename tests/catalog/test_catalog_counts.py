"""Totals that are known beforehand are those that one would count: a filter that every image passes makes the catalog count."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from catalog_records import ANNA, BERT, CLEO, HERE, NOW, THERE, an_image, join, join_in
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, MetaData, Table, insert
from undone import undone

from linocut.catalog import Catalog, ImageQuery, ImageType, Tx, migrations
from linocut.catalog.engines import connect
from linocut.catalog.rows import values_of
from linocut.catalog.schema import ACCOUNTS, IMAGES, SHARES
from linocut.model.errors import LostRace
from linocut.model.ids import ImageId, Uin
from linocut.model.records import Image
from linocut.model.states import IMAGE_MOVES, ImageState

EVERYBODY = (ANNA, BERT, CLEO)
DEADLINE_S = 20


def known_and_counted(tx: Tx) -> list[tuple[int, int]]:
    """Return each total twice: as it is known beforehand, and counted."""
    every = tuple(ImageState)
    questions = [
        ImageQuery(caller=caller, region=region, types=types, limit=1)
        for caller in EVERYBODY
        for region in (HERE, THERE)
        for types in ((), *((kind,) for kind in ImageType))
    ]
    return [(tx.images.visible(asked).total, tx.images.visible(replace(asked, states=every)).total) for asked in questions]


def agree(totals: list[tuple[int, int]]) -> bool:
    return all(known == counted for known, counted in totals)


def add(tx: Tx, _image: Image | None, draw: Callable[[Any], Any]) -> None:
    states = st.sampled_from([ImageState.NORMAL, ImageState.IMPORTING])
    regions = st.sampled_from([HERE, THERE])
    tx.images.add(
        an_image(draw(st.sampled_from(EVERYBODY)), region=draw(regions), state=draw(states), is_public=draw(st.booleans())), []
    )


def publish(tx: Tx, image: Image, _draw: Callable[[Any], Any]) -> None:
    tx.images.update(image, is_public=not image.is_public)


def move(tx: Tx, image: Image, draw: Callable[[Any], Any]) -> None:
    if IMAGE_MOVES[image.state]:
        tx.images.move(image, draw(st.sampled_from(sorted(IMAGE_MOVES[image.state]))))


def share(tx: Tx, image: Image, draw: Callable[[Any], Any]) -> None:
    tx.shares.add(image.image_id, draw(st.lists(st.sampled_from(EVERYBODY))), NOW)


def unshare(tx: Tx, image: Image, draw: Callable[[Any], Any]) -> None:
    tx.shares.remove(image.image_id, draw(st.lists(st.sampled_from(EVERYBODY))))


def remove(tx: Tx, image: Image, _draw: Callable[[Any], Any]) -> None:
    tx.images.remove(image)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_after_any_changes_the_known_totals_are_the_counted_ones(lasting_catalog: Catalog, data: st.DataObject) -> None:
    with undone(lasting_catalog) as tx:
        join_in(tx, *EVERYBODY)
        for change in data.draw(st.lists(st.sampled_from([add, add, publish, move, share, unshare, remove]), max_size=20)):
            images = tx.images.in_states(ImageState)
            if change is add:
                add(tx, None, data.draw)
            elif images:
                change(tx, data.draw(st.sampled_from(images)), data.draw)

        assert agree(known_and_counted(tx))


@pytest.fixture
def catalogs(url: str) -> Iterator[tuple[Catalog, Catalog]]:
    pair = Catalog.open(url), Catalog.open(url)
    join(pair[0], *EVERYBODY)
    yield pair
    for catalog in pair:
        catalog.close()


def test_changes_at_once_leave_the_known_totals_right(catalogs: tuple[Catalog, Catalog]) -> None:
    shared = [an_image(ANNA) for _ in range(2)]
    with catalogs[0].begin() as tx:
        for image in shared:
            tx.images.add(image, [])
    together = threading.Barrier(6)

    def find(tx: Tx, image_id: ImageId) -> Image:
        image = tx.images.find(image_id)
        assert image is not None
        return image

    def attempt(number: int, turn: int, tx: Tx) -> None:
        image_id, accounts = shared[turn % 2].image_id, [BERT, CLEO] if number % 2 else [CLEO, BERT]
        match number:
            case 0 | 1:
                tx.shares.add(image_id, accounts, NOW)
            case 2 | 3:
                tx.shares.remove(image_id, accounts[:1])
            case 4:
                tx.images.update(find(tx, image_id), is_public=turn % 3 == 0)
            case _:
                tx.images.add(an_image(BERT), [])

    def contest(number: int) -> None:
        together.wait(DEADLINE_S)
        for turn in range(8):
            with suppress(LostRace), catalogs[number % 2].begin() as tx:
                attempt(number, turn, tx)

    with ThreadPoolExecutor(6) as threads:
        for ended in [threads.submit(contest, number) for number in range(6)]:
            ended.result(DEADLINE_S)

    with catalogs[1].read() as tx:
        totals = known_and_counted(tx)
    assert agree(totals)
    assert any(known for known, _ in totals)


@pytest.mark.parametrize(
    "change", [lambda tx, image: tx.images.move(image, ImageState.SYNCING), lambda tx, image: tx.images.remove(image)]
)
def test_who_has_not_seen_an_image_published_does_not_change_it(
    catalogs: tuple[Catalog, Catalog], change: Callable[[Tx, Image], object]
) -> None:
    image = an_image(ANNA)
    with catalogs[0].begin() as tx:
        tx.images.add(image, [])
    with catalogs[1].begin() as tx:
        tx.images.update(image, is_public=True)

    with pytest.raises(LostRace), catalogs[0].begin() as tx:
        change(tx, image)


def test_changes_that_touch_the_same_counters_crosswise_all_succeed(catalogs: tuple[Catalog, Catalog]) -> None:
    images = [an_image(ANNA), an_image(ANNA)]
    with catalogs[0].begin() as tx:
        for image in images:
            tx.images.add(image, [])
    halfway = threading.Barrier(2)

    def contest(number: int) -> None:
        first, second = (BERT, CLEO) if number else (CLEO, BERT)
        with catalogs[number].begin() as tx:
            tx.shares.add(images[number].image_id, [first], NOW)
            with suppress(threading.BrokenBarrierError):  # SQLite lets one write at a time, so the other one does not come
                halfway.wait(0.5)
            tx.shares.add(images[number].image_id, [second], NOW)

    with ThreadPoolExecutor(2) as threads:
        for ended in [threads.submit(contest, number) for number in range(2)]:
            ended.result(DEADLINE_S)

    with catalogs[0].read() as tx:
        assert agree(known_and_counted(tx))


def test_images_from_before_there_were_counters_are_counted(empty_url: str) -> None:
    def fill(connection: Connection) -> None:
        """Add images as they were kept then."""
        config = Config()
        config.set_main_option("script_location", str(migrations.__path__[0]))
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        tables = MetaData()
        tables.reflect(connection)

        def put(table: Table, **values: Any) -> None:
            then = tables.tables[table.name]
            connection.execute(insert(then).values({name: value for name, value in values.items() if name in then.columns}))

        for number, uin in enumerate(EVERYBODY):
            put(ACCOUNTS, uin=uin, app_id=number, name=uin, is_operator=False, created_at=NOW)
        unready = {"is_public": True, "state": ImageState.IMPORTING}
        kinds: tuple[dict[str, Any], ...] = ({}, {"is_public": True}, unready, {"region": THERE})
        for owner in (ANNA, BERT):
            for fields in kinds:
                image = an_image(owner, **fields)
                put(IMAGES, **values_of(image, IMAGES), name_folded="", platform_folded="")
                for account in EVERYBODY:
                    put(SHARES, image_id=image.image_id, account=account, created_at=NOW)

    engines = connect(empty_url)
    with engines.writer.begin() as connection:
        fill(connection)
    engines.dispose()

    catalog = Catalog.open(empty_url)
    with catalog.read() as tx:
        assert agree(known_and_counted(tx))
        assert tx.images.visible(ImageQuery(caller=Uin(CLEO), region=HERE)).total == 4
    catalog.close()
