"""Many writers, copies and deletions while two stores are swept without a pause: nothing that is named is ever lost."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from linocut.blocks import CHUNK_BYTES, IngestGone, ObjectUnreadable, RegionStore
from linocut.model.ids import RootDigest

GRACE_S: Final = 1.5
LASTS_S: Final = 6.0
CHUNKS: Final = [random.Random(seed).randbytes(64) * (CHUNK_BYTES // 64) for seed in range(24)]
"""Few, so that what one writer wants is what others had, and what a sweep is about to take."""


class Names:
    """The catalog of one region: which trees are named. A tree is named when it is whole, and unnamed at any time."""

    def __init__(self) -> None:
        self._named: dict[int, RootDigest] = {}
        self._held: dict[int, RootDigest] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.made = 0

    def live(self) -> set[RootDigest]:
        with self._lock:
            return {*self._named.values(), *self._held.values()}

    def add(self, root: RootDigest) -> None:
        with self._lock:
            self._named[next(self._numbers)] = root
            self.made += 1

    def drop_one(self, draw: random.Random) -> None:
        with self._lock:
            if len(self._named) > 3:
                del self._named[draw.choice(list(self._named))]

    @contextmanager
    def held(self, draw: random.Random) -> Iterator[RootDigest | None]:
        """Keep any named tree live while something builds on it."""
        with self._lock:
            root = draw.choice(list(self._named.values())) if self._named else None
            number = next(self._numbers)
            if root is not None:
                self._held[number] = root
        try:
            yield root
        finally:
            with self._lock:
                self._held.pop(number, None)


class Region:
    """A store in a directory, opened anew by everybody, as by so many processes."""

    def __init__(self, directory: Path) -> None:
        self.url = f"file://{directory}"
        self.names = Names()
        self.swept = 0

    def open(self) -> RegionStore:
        return RegionStore.open(self.url, grace_s=GRACE_S)


def write(region: Region, draw: random.Random) -> None:
    with region.open() as store, region.names.held(draw) as parent:
        ingest = store.ingest(8 * CHUNK_BYTES, parent if draw.random() < 0.5 else None)
        for _ in range(draw.randrange(1, 4)):
            ingest.write(draw.randrange(8) * CHUNK_BYTES, draw.choice(CHUNKS))
        time.sleep(draw.choice((0, 0, 0.1, 0.3)))
        region.names.add(ingest.seal())


def copy(source: Region, target: Region, draw: random.Random) -> None:
    with source.names.held(draw) as root, source.open() as there, target.open() as here:
        if root is not None:
            here.copy_trees(there, [root])
            target.names.add(root)


def sweep(region: Region, lost: list[str]) -> None:
    with region.open() as store:
        try:
            region.swept += store.collect(region.names.live()).deleted_chunks
        except ObjectUnreadable as error:  # a live tree whose nodes are gone
            lost.append(str(error))


def test_nothing_that_is_named_is_lost_while_many_write_copy_delete_and_sweep(tmp_path: Path) -> None:
    here, there = Region(tmp_path / "here"), Region(tmp_path / "there")
    lost: list[str] = []
    ends = time.monotonic() + LASTS_S

    def again(seed: int, work: Callable[[random.Random], object]) -> None:
        draw = random.Random(seed)
        while time.monotonic() < ends and not lost:
            try:
                work(draw)
            except IngestGone:  # refused, as it may be: too slow for so short a grace period
                time.sleep(0.01)

    works: list[Callable[[random.Random], object]] = [
        *(lambda draw, region=region: write(region, draw) for region in (here, here, there)),
        lambda draw: copy(here, there, draw),
        lambda draw: copy(there, here, draw),
        *(lambda _, region=region: sweep(region, lost) for region in (here, there)),
        lambda draw: (here.names.drop_one(draw), there.names.drop_one(draw), time.sleep(0.01)),
    ]
    threads = [threading.Thread(target=again, args=(seed, work)) for seed, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert lost == []
    for region in (here, there):
        with region.open() as store:
            assert store.verify(region.names.live()).damages == ()
        assert region.names.made > 3
        assert region.swept > 3
