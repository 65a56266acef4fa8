"""Two at once, through two openings of one database, as two processes would be: one wins, the other is told."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from catalog_records import ANNA, BERT, HERE, NOW, a_key, a_token, an_access_key, an_account, an_image, an_instance, join

from linocut.catalog import Catalog
from linocut.model.errors import (
    AccountNameTaken,
    ImageNameTaken,
    ImageQuotaExceeded,
    KeyNameTaken,
    KeyQuotaExceeded,
    LostRace,
    Refusal,
    ShareQuotaExceeded,
)
from linocut.model.ids import Uin
from linocut.model.states import ImageState, InstanceState

DEADLINE_S = 20


@pytest.fixture
def catalogs(url: str) -> Iterator[tuple[Catalog, Catalog]]:
    pair = Catalog.open(url), Catalog.open(url)
    join(pair[0], ANNA, BERT)
    yield pair
    for catalog in pair:
        catalog.close()


def race(catalogs: tuple[Catalog, Catalog], attempt: Callable[[Catalog, int], object], contestants: int = 6) -> list[str]:
    """Let contestants attempt at once, half of them through each catalog, and return how each of them ended."""
    together = threading.Barrier(contestants)

    def contest(number: int) -> str:
        together.wait(DEADLINE_S)
        try:
            attempt(catalogs[number % 2], number)
        except Refusal as refusal:
            return type(refusal).__name__
        return "won"

    with ThreadPoolExecutor(contestants) as threads:
        return sorted(future.result(DEADLINE_S) for future in [threads.submit(contest, number) for number in range(contestants)])


def test_the_last_place_of_a_quota_is_taken_once(catalogs: tuple[Catalog, Catalog]) -> None:
    with catalogs[0].begin() as tx:
        tx.images.add(an_image(), [])

    def take(catalog: Catalog, _number: int) -> None:
        with catalog.begin() as tx:
            tx.images.lock_quota(ANNA, HERE)
            if tx.images.count_owned(ANNA, HERE) >= 2:
                raise ImageQuotaExceeded("no more images")
            tx.images.add(an_image(), [])

    assert race(catalogs, take) == [ImageQuotaExceeded.__name__] * 5 + ["won"]
    with catalogs[0].read() as tx:
        assert tx.images.count_owned(ANNA, HERE) == 2


def test_capacity_is_promised_once(catalogs: tuple[Catalog, Catalog]) -> None:
    def launch(catalog: Catalog, number: int) -> None:
        with catalog.begin() as tx:
            tx.instances.lock_capacity()
            vcpus, _ = tx.instances.reserved()
            if vcpus + 2 > 6 or f"127.0.0.{vcpus}" in tx.instances.addresses():
                raise ImageQuotaExceeded(f"no room for {number}")
            tx.instances.add_all([an_instance(vcpus=2, address=f"127.0.0.{vcpus}")])

    assert race(catalogs, launch).count("won") == 3
    with catalogs[1].read() as tx:
        assert tx.instances.reserved()[0] == 6
        assert len(tx.instances.addresses()) == 3


def test_the_last_share_of_an_image_is_given_once(catalogs: tuple[Catalog, Catalog]) -> None:
    image = an_image()
    takers = [Uin(f"20000000000{number}") for number in range(6)]
    join(catalogs[0], *takers)
    with catalogs[0].begin() as tx:
        tx.images.add(image, [])

    def share(catalog: Catalog, number: int) -> None:
        with catalog.begin() as tx:
            tx.shares.add(image.image_id, [takers[number]], NOW)
            if tx.shares.count(image.image_id) > 2:
                raise ShareQuotaExceeded("no more shares")

    assert race(catalogs, share).count("won") == 2


def test_the_last_place_for_a_key_pair_is_taken_once(catalogs: tuple[Catalog, Catalog]) -> None:
    def take(catalog: Catalog, _number: int) -> None:
        with catalog.begin() as tx:
            tx.keys.lock_quota(ANNA)
            if tx.keys.count(ANNA) >= 2:
                raise KeyQuotaExceeded("no more keys")
            tx.keys.add(a_key())

    assert race(catalogs, take).count("won") == 2


def test_an_image_leaves_a_state_once(catalogs: tuple[Catalog, Catalog]) -> None:
    image = an_image(state=ImageState.IMPORTING)
    with catalogs[0].begin() as tx:
        tx.images.add(image, [])

    def move(catalog: Catalog, number: int) -> None:
        with catalog.begin() as tx:
            tx.images.move(image, ImageState.NORMAL if number % 2 else ImageState.IMPORTFAILED)

    assert race(catalogs, move) == ["LostRace"] * 5 + ["won"]


def test_an_instance_takes_one_of_many_requests(catalogs: tuple[Catalog, Catalog]) -> None:
    instance = an_instance(state=InstanceState.RUNNING)
    with catalogs[0].begin() as tx:
        tx.instances.add_all([instance])

    def request(catalog: Catalog, number: int) -> None:
        with catalog.begin() as tx:
            if number % 3:
                tx.instances.move(instance, InstanceState.STOPPING, latest_request_id=f"stop-{number}")
            else:
                tx.instances.update(instance, latest_operation="CreateImage", latest_request_id=f"image-{number}")

    assert race(catalogs, request) == ["LostRace"] * 5 + ["won"]


@pytest.mark.parametrize(
    ("add", "loser"),
    [
        (lambda tx, _n: tx.images.add(an_image(name="web"), []), ImageNameTaken),
        (lambda tx, _n: tx.keys.add(a_key(name="work")), KeyNameTaken),
        (lambda tx, _n: tx.tokens.add(a_token()), LostRace),
        (lambda tx, n: tx.accounts.add(*new_account(n)), AccountNameTaken),
        (lambda tx, n: tx.accounts.add(*new_account(n, is_operator=True, name=f"operator {n}")), LostRace),
    ],
    ids=["image name", "key name", "client token", "account name", "operator"],
)
def test_a_name_is_given_once(catalogs: tuple[Catalog, Catalog], add: Callable[..., None], loser: type[Refusal]) -> None:
    def attempt(catalog: Catalog, number: int) -> None:
        with catalog.begin() as tx:
            add(tx, number)

    assert race(catalogs, attempt, contestants=4) == [loser.__name__] * 3 + ["won"]


def new_account(number: int, **fields: object) -> tuple[object, object]:
    uin = Uin(f"30000000000{number}")
    return an_account(uin, **{"name": "new", **fields}), an_access_key(uin)


def test_an_image_is_not_shared_while_it_is_removed(catalogs: tuple[Catalog, Catalog]) -> None:
    image = an_image()
    with catalogs[0].begin() as tx:
        tx.images.add(image, [])

    def attempt(catalog: Catalog, number: int) -> None:
        with catalog.begin() as tx:
            tx.images.hold(image)
            if number % 2:
                tx.shares.add(image.image_id, [BERT], NOW)
            elif tx.shares.count(image.image_id):
                raise ShareQuotaExceeded("shared")
            else:
                tx.images.remove(image)

    race(catalogs, attempt)

    with catalogs[0].read() as tx:
        assert (tx.images.find(image.image_id) is None) == (not tx.shares.count(image.image_id))


def test_changes_that_wait_for_each_other_end_in_a_lost_race(catalogs: tuple[Catalog, Catalog]) -> None:
    images = [an_image(), an_image()]
    with catalogs[0].begin() as tx:
        for image in images:
            tx.images.add(image, [])
    halfway = threading.Barrier(2)

    def cross(catalog: Catalog, number: int) -> None:
        first, second = images if number else reversed(images)
        with catalog.begin() as tx:
            tx.images.update(first, family="a")
            with suppress(threading.BrokenBarrierError):  # SQLite lets one write at a time, so the other one does not come
                halfway.wait(0.5)
            tx.images.update(second, family="b")

    assert race(catalogs, cross, contestants=2) == ["LostRace", "won"]


def test_many_writers_at_once_all_get_their_turn(catalogs: tuple[Catalog, Catalog]) -> None:
    def write(catalog: Catalog, _number: int) -> None:
        for _ in range(5):
            with catalog.begin() as tx:
                tx.instances.add_all([an_instance(key_ids=(), tags=())])

    assert race(catalogs, write, contestants=8) == ["won"] * 8
    with catalogs[0].read() as tx:
        assert tx.instances.count_owned(ANNA, HERE) == 40
