"""Who holds which bytes: every answer against a slow and obvious reference, and the parts against the whole."""

import os
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linocut.blocks import CHUNK_BYTES, ObjectMissing, RegionStore, Weight
from linocut.blocks.frames import digest_of
from linocut.blocks.nodes import LEAF_CHUNKS, LEAF_SPAN_BYTES, Chunk, Root, encode_leaf, encode_root
from linocut.blocks.shelf import ARRIVING, CHUNKS, TREES, object_name
from linocut.model.ids import RootDigest

DAY_S = 86400.0
Objects = dict[str, int]
"""Names of objects and their sizes."""


@pytest.fixture
def store() -> Iterator[RegionStore]:
    with RegionStore.open("memory:///") as opened:
        yield opened


class MadeUp:
    """Trees of made-up chunks: what is counted is never read."""

    def __init__(self, store: RegionStore) -> None:
        self.store = store
        self.reached: dict[RootDigest, Objects] = {}
        self.size_bytes: dict[RootDigest, int] = {}
        self.said: dict[str, int] = {}

    def chunk(self, number: int, said_bytes: int = 0) -> Chunk:
        digest = digest_of(number.to_bytes(4, "big"))
        held = bytes(100 + number)
        self.store.shelf.objects.put(object_name(CHUNKS, digest), held)
        return Chunk(digest, said_bytes or len(held))

    def tree(self, *leaves: tuple[Chunk, ...], folder: str = TREES) -> RootDigest:
        reached: Objects = {}
        digests = [self._node(encode_leaf((*leaf, *[None] * (LEAF_CHUNKS - len(leaf)))), reached, folder) for leaf in leaves]
        size_bytes = len(leaves) * LEAF_SPAN_BYTES - 5
        root = RootDigest(self._node(encode_root(Root(size_bytes, None, tuple(digests))), reached, folder).hex())
        for chunk in (chunk for leaf in leaves for chunk in leaf):
            name = object_name(CHUNKS, chunk.digest)
            info = self.store.shelf.objects.info(name)
            reached[name] = info.size_bytes if info else 0
            self.said[name] = max(self.said.get(name, 0), chunk.stored_bytes)
        self.reached[root] = reached
        self.size_bytes[root] = size_bytes
        return root

    def _node(self, data: bytes, reached: Objects, folder: str) -> bytes:
        digest = digest_of(data)
        name = object_name(folder, digest)
        self.store.shelf.objects.put(name, data)
        reached[name] = len(data)
        return digest


def weight(objects: Mapping[str, int]) -> Weight:
    """Add up some objects, one by one."""
    chunks = {name: size for name, size in objects.items() if name.startswith(CHUNKS)}
    return Weight(len(chunks), sum(chunks.values()), len(objects) - len(chunks), sum(objects.values()) - sum(chunks.values()))


SMALL_TREES = st.lists(
    st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=4), min_size=1, max_size=3), min_size=1, max_size=8
)
HOLDERS = st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=20)


@settings(max_examples=150, deadline=None)
@given(trees=SMALL_TREES, holders=HOLDERS, deleted=st.sets(st.integers(0, 19)), groups=st.integers(1, 4))
def test_every_answer_is_what_counting_one_by_one_gives(
    trees: list[list[list[int]]], holders: list[list[int]], deleted: set[int], groups: int
) -> None:
    with RegionStore.open("memory:///") as store:
        made = MadeUp(store)
        roots = [made.tree(*(tuple(map(made.chunk, leaf)) for leaf in leaves)) for leaves in trees]
        held = {number: {roots[tree % len(roots)] for tree in mine} for number, mine in enumerate(holders)}
        objects: dict[int, Objects] = {
            number: {name: size for root in mine for name, size in made.reached[root].items()} for number, mine in held.items()
        }

        def alone(some: set[int]) -> Weight:
            others = {name for number, mine in objects.items() if number not in some for name in mine}
            return weight({n: size for number in some for n, size in objects[number].items() if n not in others})

        ledger = store.ledger(held)

        everything = weight({name: size for mine in objects.values() for name, size in mine.items()})
        assert ledger.total() == everything == store.inventory(held).ledger.total()
        holdings = ledger.holdings()
        for number, mine in held.items():
            assert holdings[number].held == weight(objects[number])
            assert holdings[number].freed == alone({number}) == ledger.freed([number])
            assert holdings[number].logical_bytes == sum(made.size_bytes[root] for root in mine)
        assert sum((holding.freed for holding in holdings.values()), ledger.shared()) == everything
        gone = deleted & held.keys()
        assert ledger.freed(gone) == alone(gone)
        first: dict[str, int] = {}
        for number, mine in objects.items():
            for name in mine:
                first.setdefault(name, number)
        attributed = ledger.attribute()
        for number in held:
            assert attributed[number] == weight({n: size for n, size in objects[number].items() if first[n] == number})
        assert sum(attributed.values(), Weight()) == everything
        by_group = ledger.grouped(lambda number: [number % groups])
        for group, holding in by_group.holdings().items():
            members = {number for number in held if number % groups == group}
            assert holding.held == weight({name: size for number in members for name, size in objects[number].items()})
            assert holding.freed == alone(members)
        assert by_group.total() == everything


def test_a_holder_in_two_groups_counts_in_both_and_frees_in_neither(store: RegionStore) -> None:
    made = MadeUp(store)
    root = made.tree((made.chunk(1),))

    images = store.ledger({"snap-1": [root]}).grouped(lambda _: ["img-1", "img-2"])

    assert images.total() == images.shared() == weight(made.reached[root])
    for holding in images.holdings().values():
        assert (holding.held, holding.freed) == (weight(made.reached[root]), Weight())


def test_what_has_no_group_is_left_out(store: RegionStore) -> None:
    made = MadeUp(store)
    held = {"snap-1": [made.tree((made.chunk(1),))], "snap-2": [made.tree((made.chunk(2),))]}

    assert store.ledger(held).grouped(lambda holder: [holder] if holder == "snap-1" else []).total() == weight(
        made.reached[held["snap-1"][0]]
    )


def test_where_leaves_differ_the_most_counts_and_in_an_inventory_what_is_stored(store: RegionStore) -> None:
    made = MadeUp(store)
    held = {
        "fast": [made.tree((made.chunk(1, said_bytes=90),))],
        "slow": [made.tree((made.chunk(1, said_bytes=70),))],
    }

    assert store.ledger(held).total().chunk_bytes == 90
    assert store.ledger(dict(reversed(held.items()))).total().chunk_bytes == 90
    assert store.ledger({"slow": held["slow"]}).total().chunk_bytes == 70
    assert store.inventory(held).ledger.total().chunk_bytes == 101
    assert store.ledger(held).total().plain_bytes == CHUNK_BYTES


def test_everything_in_a_store_is_in_one_part_of_its_inventory(tmp_path: Path) -> None:
    later = [0.0]
    with RegionStore.open(f"file://{tmp_path}/store", now=lambda: later[0]) as store:
        made = MadeUp(store)
        live = made.tree((made.chunk(1), made.chunk(2)))
        newborn = made.tree((made.chunk(2), made.chunk(3)))
        forgotten = made.tree((made.chunk(3), made.chunk(4)))
        arriving = made.tree((made.chunk(5),), folder=ARRIVING)
        still_to_come = object_name(CHUNKS, made.chunk(5).digest)
        store.shelf.objects.delete([still_to_come])
        del made.reached[arriving][still_to_come]
        store.shelf.objects.put("chunks/notes.txt", b"not ours")
        later[0] = time.time() + 2 * DAY_S
        os.utime(tmp_path / "store" / object_name(TREES, bytes.fromhex(newborn)), (later[0], later[0]))

        inventory = store.inventory({"snap-1": [live], "snap-2": [arriving]})

        reached = made.reached
        live_objects = {**reached[live], **reached[arriving]}
        young = {name: size for name, size in reached[newborn].items() if name not in live_objects}
        doomed = {name: size for name, size in reached[forgotten].items() if name not in {**live_objects, **young}}
        assert inventory.live == inventory.ledger.total() == weight(live_objects)
        assert (inventory.young, inventory.doomed) == (weight(young), weight(doomed))
        assert (inventory.foreign, inventory.foreign_bytes) == (1, len(b"not ours"))
        assert (inventory.absent_chunks, inventory.absent_nodes) == (1, 0)
        listed = [info for folder in (CHUNKS, TREES, ARRIVING) for info in store.shelf.objects.list(folder)]
        assert inventory.total.stored_bytes + inventory.foreign_bytes == sum(info.size_bytes for info in listed)
        report = store.collect([live, arriving])
        assert report.deleted_bytes == inventory.doomed.stored_bytes
        assert report.kept_bytes == inventory.live.stored_bytes


def test_a_tree_that_cannot_be_read_is_no_holding(store: RegionStore) -> None:
    with pytest.raises(ObjectMissing):
        store.ledger({"snap-1": [RootDigest(random.Random(1).randbytes(32).hex())]})
