"""Whatever is written in whatever order, an ingest holds what a plain array of bytes would."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linocut.blocks import CHUNK_BYTES, Ingest, IngestGone, RegionStore
from linocut.blocks.spans import Spans

SIZE = 4 * CHUNK_BYTES + 3 * 512 + 5
LANES = 3

Action = tuple[str, int, int, int]
kinds = st.sampled_from(["write", "write", "zeroes", "trim", "flush", "read"])
edges = st.one_of(
    st.integers(0, SIZE),
    st.sampled_from([0, CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES, 4 * CHUNK_BYTES, SIZE]),
    st.integers(0, 3).map(lambda chunk: chunk * CHUNK_BYTES + 4096),
)
actions = st.tuples(kinds, edges, edges, st.integers(1, 255))
rounds = st.lists(st.lists(actions, min_size=1, max_size=LANES), min_size=1, max_size=12)


def apply(ingest: Ingest, model: bytearray, kind: str, start: int, end: int, fill: int) -> None:
    match kind:
        case "write":
            data = random.Random(fill).randbytes(end - start)
            ingest.write(start, data)
            model[start:end] = data
        case "zeroes":
            ingest.write_zeroes(start, end - start)
            model[start:end] = bytes(end - start)
        case "trim":
            ingest.trim(start, end - start)
            model[start:end] = bytes(end - start)
        case "flush":
            ingest.flush()
        case _:
            assert ingest.read(start, end - start) == bytes(model[start:end])


def apart(actions: list[Action]) -> list[Action]:
    """Make the actions of one round disjoint, so that they may run at once, however they fall."""
    cuts = sorted({edge for _, start, end, _ in actions for edge in (start, end)})
    spans = pairwise(cuts)
    return [(kind, *span, fill) for (kind, _, _, fill), span in zip(actions, spans, strict=False)]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=rounds, has_parent=st.booleans(), buffers=st.integers(1, 6))
def test_overlapping_writes_zeroes_and_trims_equal_a_plain_array(
    rounds: list[list[Action]], *, has_parent: bool, buffers: int
) -> None:
    with RegionStore.open("memory:///") as store, ThreadPoolExecutor(LANES) as lanes:
        model = bytearray(SIZE)
        parent = None
        if has_parent:
            model[:] = random.Random(0).randbytes(SIZE)
            model[CHUNK_BYTES : 2 * CHUNK_BYTES] = bytes(CHUNK_BYTES)
            before = store.ingest(SIZE)
            before.write(0, model)
            parent = store.tree(before.seal())
        ingest = Ingest(store.shelf, store._workers, SIZE, parent, buffers)
        for together in rounds:
            list(lanes.map(lambda action: apply(ingest, model, *action), apart(together)))
        for alone in [action for together in rounds for action in together]:
            kind, start, end, fill = alone
            apply(ingest, model, kind, min(start, end), max(start, end), fill)
        tree = store.tree(ingest.seal())

        assert tree.read(0, SIZE) == bytes(model)
        clean = store.ingest(SIZE)
        clean.write(0, model)
        assert store.tree(clean.seal()).leaves == tree.leaves, "the same content has the same leaves, however it was written"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda span: span[0] < span[1])))
def test_spans_equal_a_plain_set(added: list[tuple[int, int]]) -> None:
    spans, model = Spans(), set()
    for start, end in added:
        spans.add(start, end)
        model.update(range(start, end))

    gaps = {byte for start, end in spans.gaps(40) for byte in range(start, end)}
    assert gaps == set(range(40)) - model
    assert spans.cover(40) == (not gaps)


def test_many_small_writes_all_over_stay_within_the_buffers() -> None:
    size = 200 * CHUNK_BYTES
    with RegionStore.open("memory:///") as store:
        ingest = store.ingest(size)
        order = list(range(200))
        random.Random(5).shuffle(order)
        for index in order:
            ingest.write(index * CHUNK_BYTES + 77, index.to_bytes(4, "little"))
        tree = store.tree(ingest.seal())

        for index in order[:20]:
            assert tree.read(index * CHUNK_BYTES + 70, 20) == bytes(7) + index.to_bytes(4, "little") + bytes(9)


def test_extents_tell_what_has_been_written_so_far() -> None:
    with RegionStore.open("memory:///") as store:
        ingest = store.ingest(4 * CHUNK_BYTES)
        ingest.write(CHUNK_BYTES + 5, b"x")

        assert [tuple(extent) for extent in ingest.extents(0, 4 * CHUNK_BYTES)] == [
            (0, CHUNK_BYTES, False),
            (CHUNK_BYTES, CHUNK_BYTES, True),
            (2 * CHUNK_BYTES, 2 * CHUNK_BYTES, False),
        ]
        ingest.abort()


def test_a_sealed_ingest_takes_no_more_and_seals_again_to_the_same() -> None:
    with RegionStore.open("memory:///") as store:
        ingest = store.ingest(1000)
        ingest.write(0, b"x")
        root = ingest.seal()

        assert ingest.seal() == root
        for verb in (lambda: ingest.write(0, b"y"), ingest.flush, lambda: ingest.read(0, 1), lambda: ingest.trim(0, 9)):
            with pytest.raises(IngestGone):
                verb()


def test_an_aborted_ingest_is_gone() -> None:
    with RegionStore.open("memory:///") as store:
        ingest = store.ingest(1000)
        ingest.write(0, b"x")
        ingest.abort()
        ingest.abort()

        with pytest.raises(IngestGone):
            ingest.seal()
        with pytest.raises(IngestGone):
            ingest.write(0, b"y")
