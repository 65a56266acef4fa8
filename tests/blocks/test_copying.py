"""Trees from one region store to another: all of them, no more than is missing, whatever happens on the way."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_s3 import small_s3

from linocut.blocks import (
    CHUNK_BYTES,
    Copied,
    CopyCancelled,
    IngestGone,
    ObjectCorrupt,
    ObjectMissing,
    RegionStore,
    RequestInvalid,
)
from linocut.blocks.objects import ObjectInfo, Objects
from linocut.blocks.shelf import Shelf
from linocut.model.ids import RootDigest

DAY_S = 86400.0
SPARSE_BYTES = 1100 * CHUNK_BYTES
"""The size of a disk of two leaves."""


class Killed(Exception):
    """The process of a copy is no more."""


class Watched(Objects):
    """A store in which something happens right before a look, a read or a write."""

    before_get: Callable[[str], object] | None = None
    before_look: Callable[[str], object] | None = None
    before_put: Callable[[str], object] | None = None

    def get(self, name: str, limit_bytes: int) -> bytes:
        if self.before_get is not None:
            self.before_get(name)
        return super().get(name, limit_bytes)

    def info(self, name: str) -> ObjectInfo | None:
        if self.before_look is not None:
            self.before_look(name)
        return super().info(name)

    def put(self, name: str, data: bytes) -> None:
        if self.before_put is not None:
            self.before_put(name)
        super().put(name, data)


def watched(url: str, now: Callable[[], float] = time.time) -> tuple[Watched, RegionStore]:
    objects = Watched.open(url)
    shelf = Shelf(objects, level=1, grace_s=DAY_S, now=now)
    shelf.require_format()
    return objects, RegionStore(shelf)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RegionStore]:
    with RegionStore.open(f"file://{tmp_path}/source") as opened:
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Iterator[RegionStore]:
    with RegionStore.open(f"file://{tmp_path}/target") as opened:
        yield opened


def noise(chunks: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(chunks * CHUNK_BYTES)


def tree_of(store: RegionStore, chunks: dict[int, int], parent: RootDigest | None = None) -> RootDigest:
    """Make a tree whose chunks at these indices are told by numbers."""
    ingest = store.ingest(SPARSE_BYTES, parent)
    for index, content in chunks.items():
        ingest.write(index * CHUNK_BYTES, content.to_bytes(8, "little") * (CHUNK_BYTES // 8))
    return ingest.seal()


def names(store: RegionStore) -> set[str]:
    return {info.name for folder in ("arriving", "chunks", "trees") for info in store.shelf.objects.list(folder)}


def files(directory: Path, folder: str = "") -> list[Path]:
    return sorted(path for path in Path(directory, folder).rglob("*") if path.is_file() and path.name != "store.toml")


def age(directory: Path, seconds: float) -> None:
    for path in files(directory):
        changed = path.stat().st_mtime - seconds
        os.utime(path, (changed, changed))


contents = st.dictionaries(st.sampled_from([0, 1, 2, 1023, 1024, 1099]), st.integers(0, 5), max_size=6)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    disks=st.lists(contents, min_size=1, max_size=3),
    shuffled=st.randoms(use_true_random=False),
    presence=st.floats(0, 1),
    age_s=st.sampled_from([0.0, 0.6 * DAY_S, 2 * DAY_S]),
    arrives=st.booleans(),
    killed_at=st.integers(1, 12),
)
def test_a_copy_that_was_killed_at_any_write_is_called_again_and_whole(
    *, disks: list[dict[int, int]], shuffled: random.Random, presence: float, age_s: float, arrives: bool, killed_at: int
) -> None:
    objects, target = watched("memory:///", now=lambda: time.time() + age_s)
    with RegionStore.open("memory:///") as source, target:
        roots: list[RootDigest] = []
        for disk in disks:
            roots.append(tree_of(source, disk, parent=shuffled.choice([None, *roots])))
        there = {name for name in sorted(names(source)) if shuffled.random() < presence}
        for name in there:
            target.shelf.objects.put(name, bytes(source.shelf.objects.get(name, 2**20)))
        left = [killed_at]

        def die(_: str) -> None:
            left[0] -= 1
            if left[0] <= 0:
                raise Killed

        objects.before_put = die
        try:
            if arrives:
                target.copy_nodes(source, roots)
            target.copy_trees(source, roots)
        except Killed:
            complete = [root for root in roots if (name := f"trees/{root[:2]}/{root}") in names(target) - there]
            assert target.verify(complete).is_sound, "a root promises all that it reaches"
        objects.before_put = None

        target.copy_trees(source, roots)

        assert names(target) == names(source)
        assert target.verify(roots).is_sound
        assert target.verify().is_sound
        assert not any(target.is_arriving(root) for root in roots)
        for root in roots:
            assert list(target.tree(root).runs(0, SPARSE_BYTES)) == list(source.tree(root).runs(0, SPARSE_BYTES))


def test_a_copy_killed_for_real_goes_on_where_it_stopped(source: RegionStore, target: RegionStore, tmp_path: Path) -> None:
    root = source.ingest_file(image_of(noise(6, seed=1), tmp_path))
    script = (
        "import os, signal, sys\n"
        "from linocut.blocks import RegionStore\n"
        "from linocut.model.ids import RootDigest\n"
        "def watch(here, total):\n"
        "    if here > total / 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "source, target = (RegionStore.open(f'file://{sys.argv[1]}/{name}') for name in ('source', 'target'))\n"
        "fetch = source.shelf.read_frame\n"
        "def read_slowly(digest, into):\n"
        "    import time; time.sleep(0.15)\n"
        "    return fetch(digest, into)\n"
        "source.shelf.read_frame = read_slowly\n"
        "target.copy_trees(source, [RootDigest(sys.argv[2])], progress=watch)\n"
    )

    done = subprocess.run([sys.executable, "-c", script, tmp_path, root], check=False, timeout=30)

    assert done.returncode == -signal.SIGKILL
    assert not target.verify([root]).is_sound
    left = len(files(tmp_path / "target", "chunks"))
    assert 0 < left < 6
    copied = target.copy_trees(source, [root])
    assert copied.skipped_objects >= left - 1, "one may have been half written"
    assert target.verify([root]).is_sound


def image_of(data: bytes, folder: Path) -> Path:
    path = folder / "disk.raw"
    path.write_bytes(data)
    return path


def test_only_what_is_missing_is_copied(source: RegionStore, target: RegionStore, tmp_path: Path) -> None:
    older = source.ingest_file(image_of(noise(5, seed=2), tmp_path))
    newer = source.ingest_file(image_of(noise(5, seed=2) + noise(2, seed=3), tmp_path))
    first = target.copy_trees(source, [older])
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path / "target")}

    second = target.copy_trees(source, [newer])
    third = target.copy_trees(source, [newer])

    assert (first.objects, first.skipped_objects) == (7, 0)
    assert first.stored_bytes == sum(path.stat().st_size for path in before)
    assert (second.objects, second.skipped_objects) == (2 + 2, 5)
    assert second.stored_bytes < source.added_bytes(newer, [older]) + 4096
    assert (third.objects, third.stored_bytes, third.skipped_objects) == (0, 0, 9)
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())


def test_frames_are_copied_as_they_are(target: RegionStore, tmp_path: Path) -> None:
    with RegionStore.open(f"file://{tmp_path}/source", level=12) as source:
        target.copy_trees(source, [source.ingest_file(image_of(b"compress me! " * 100_000, tmp_path))])

    copies = {path.name: path.read_bytes() for path in files(tmp_path / "target")}
    assert copies == {path.name: path.read_bytes() for path in files(tmp_path / "source")}


def test_progress_counts_what_trees_share_once_and_what_is_there_at_once(source: RegionStore, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    at_writes: list[int] = []
    objects, target = watched(f"file://{tmp_path}/target")
    older = tree_of(source, {0: 1, 1: 2, 1024: 3})
    newer = tree_of(source, {1: 4}, parent=older)
    target.copy_trees(source, [older])
    nodes = sum(info.size_bytes for info in source.shelf.objects.list("trees"))
    objects.before_put = lambda _: at_writes.append(told[-1][0])

    with target:
        target.copy_trees(source, [older, newer, older], progress=lambda here, total: told.append((here, total)))

    total = source.usage([older, newer]).stored_bytes + nodes
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert {all_of_it for _, all_of_it in told} == {total}
    assert at_writes[0] >= source.usage([older]).stored_bytes


@pytest.mark.parametrize("ends", [("bucket", "directory"), ("directory", "bucket"), ("bucket", "bucket")])
def test_buckets_and_directories_are_copied_either_way(ends: tuple[str, str], tmp_path: Path) -> None:
    with small_s3() as (endpoint, _):
        bucket = f"?endpoint={endpoint}&region=x&access_key_id=k&secret_access_key=s"
        urls = [f"s3://lab/{side}{bucket}" if kind == "bucket" else f"file://{tmp_path}/{side}" for side, kind in enumerate(ends)]
        with RegionStore.open(urls[0]) as source, RegionStore.open(urls[1]) as target:
            root = tree_of(source, {0: 1, 5: 2, 1099: 3})
            target.copy_nodes(source, [root])
            assert target.verify([root]).awaited == 3

            assert target.copy_trees(source, [root]) == Copied(6, stored_bytes(source), 0, 0)

            assert target.verify([root]).is_sound
            assert names(target) == names(source)


def stored_bytes(store: RegionStore) -> int:
    stat = store.stat()
    return stat.chunk_bytes + stat.node_bytes


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("folder", ["chunks", "trees"])
@pytest.mark.parametrize(("damage", "error"), [(flip_a_bit, ObjectCorrupt), (Path.unlink, ObjectMissing)])
def test_what_the_source_has_damaged_is_named_and_not_copied(
    source: RegionStore,
    target: RegionStore,
    tmp_path: Path,
    folder: str,
    damage: Callable[[Path], object],
    error: type[Exception],
) -> None:
    root = source.ingest_file(image_of(noise(3, seed=4), tmp_path))
    victim = files(tmp_path / "source", folder)[0]
    damage(victim)

    with RegionStore.open(f"file://{tmp_path}/source") as reopened, pytest.raises(error, match=f"in the source: .*{victim.name}"):
        target.copy_trees(reopened, [root])

    assert files(tmp_path / "target", "trees") == []
    assert target.verify().is_sound
    assert victim.name not in {path.name for path in files(tmp_path / "target")}


def test_a_copy_stops_when_it_is_cancelled_and_what_it_wrote_serves_the_next(
    source: RegionStore, target: RegionStore, tmp_path: Path
) -> None:
    root = source.ingest_file(image_of(noise(8, seed=5), tmp_path))
    here = [0]

    def progress(done: int, _: int) -> None:
        here[0] = done

    objects, slow = watched(f"file://{tmp_path}/source")
    few = threading.Semaphore(3)
    objects.before_get = lambda name: name.startswith("chunks") and few.acquire(timeout=0.5)
    with slow, pytest.raises(CopyCancelled):
        target.copy_trees(slow, [root], progress=progress, cancelled=lambda: here[0] > 0)

    assert files(tmp_path / "target", "trees") == []
    found = len(files(tmp_path / "target", "chunks"))
    assert 0 < found < 8
    assert target.copy_trees(source, [root]).skipped_objects == found


def test_what_is_old_is_written_again_from_where_it_lies(source: RegionStore, target: RegionStore, tmp_path: Path) -> None:
    root = source.ingest_file(image_of(noise(3, seed=6), tmp_path))
    target.copy_trees(source, [root])
    age(tmp_path / "target", seconds=0.6 * DAY_S)
    began = time.time()
    for path in files(tmp_path / "source", "chunks"):
        path.unlink()

    copied = target.copy_trees(source, [root])

    assert copied.skipped_objects >= 3
    assert all(path.stat().st_mtime > began - 1 for path in files(tmp_path / "target"))


def test_what_has_rotted_when_it_is_written_again_comes_from_the_source(
    source: RegionStore, target: RegionStore, tmp_path: Path
) -> None:
    root = source.ingest_file(image_of(noise(2, seed=7), tmp_path))
    target.copy_trees(source, [root])
    flip_a_bit(files(tmp_path / "target", "chunks")[0])
    age(tmp_path / "target", seconds=0.6 * DAY_S)

    target.copy_trees(source, [root])

    assert target.verify([root]).is_sound


def test_a_copy_holds_against_a_sweep_at_every_step(source: RegionStore, tmp_path: Path) -> None:
    root = source.ingest_file(image_of(noise(3, seed=8), tmp_path))
    objects, target = watched(f"file://{tmp_path}/target")
    with target, RegionStore.open(f"file://{tmp_path}/target") as sweeping:
        target.copy_trees(source, [root])
        age(tmp_path / "target", seconds=2 * DAY_S)
        objects.before_put = lambda _: sweeping.collect([])

        target.copy_trees(source, [root])

        assert target.verify([root]).is_sound


def test_a_copy_too_slow_for_the_grace_period_looks_everything_up_again(source: RegionStore, tmp_path: Path) -> None:
    root = source.ingest_file(image_of(noise(3, seed=9), tmp_path))
    clock = [0.0]
    objects, target = watched(f"file://{tmp_path}/target", now=lambda: time.time() + clock[0])

    def wait_long(_: str) -> None:
        clock[0] += DAY_S / 3

    def wait_long_once(_: str) -> None:
        objects.before_put = None
        clock[0] += DAY_S / 3

    with target:
        objects.before_put = wait_long
        with pytest.raises(IngestGone):
            target.copy_trees(source, [root])
        assert files(tmp_path / "target", "trees/" + root[:2]) == []
        objects.before_put = wait_long_once

        target.copy_trees(source, [root])

        assert target.verify([root]).is_sound


def test_an_arriving_tree_is_open_before_its_chunks_are_there(source: RegionStore, target: RegionStore) -> None:
    root = tree_of(source, {0: 1, 1: 2, 1099: 3})

    target.copy_nodes(source, [root])

    assert target.is_arriving(root)
    assert target.tree(root).extents(0, SPARSE_BYTES) == source.tree(root).extents(0, SPARSE_BYTES)
    assert target.usage([root]) == source.usage([root])
    with pytest.raises(ObjectMissing):
        target.tree(root).read(0, 1)
    report = target.verify([root])
    assert (report.is_sound, report.awaited) == (True, 3)
    target.copy_trees(source, [root])
    assert not target.is_arriving(root)
    assert target.verify([root]).awaited == 0
    assert names(target) == names(source)


def test_what_a_whole_tree_lacks_is_missing_even_if_an_arriving_one_awaits_it(
    source: RegionStore, target: RegionStore, tmp_path: Path
) -> None:
    whole = tree_of(source, {0: 1})
    arriving = tree_of(source, {0: 1, 1: 2})
    target.copy_trees(source, [whole])
    target.copy_nodes(source, [arriving])
    files(tmp_path / "target", "chunks")[0].unlink()

    report = target.verify([arriving, whole])

    assert (len(report.missing), report.awaited) == (1, 1)


def test_the_sweep_keeps_what_an_arriving_tree_that_lives_has_so_far(
    source: RegionStore, target: RegionStore, tmp_path: Path
) -> None:
    root = tree_of(source, {0: 1, 1: 2, 1099: 3})
    target.copy_nodes(source, [root])
    target.copy_trees(source, [tree_of(source, {5: 1})])
    age(tmp_path / "target", seconds=2 * DAY_S)

    assert target.collect([root]).deleted_chunks == 0
    assert target.tree(root).read(0, 8) == (1).to_bytes(8, "little")
    report = target.collect([])

    assert report.deleted_chunks == 1
    assert names(target) == set()


def test_a_whole_tree_stays_whole_when_another_copy_of_it_begins_and_is_given_up(
    source: RegionStore, target: RegionStore, tmp_path: Path
) -> None:
    root = tree_of(source, {0: 1, 1: 2, 1099: 3})
    target.copy_trees(source, [root])

    target.copy_nodes(source, [root])

    assert files(tmp_path / "target", "arriving") == []
    assert not target.is_arriving(root)
    files(tmp_path / "target", "chunks")[0].unlink()
    report = target.verify([root])
    assert (report.is_sound, len(report.missing), report.awaited) == (False, 1, 0)


def test_what_a_copy_that_was_given_up_left_of_an_old_tree_goes_with_the_next_sweep(
    source: RegionStore, target: RegionStore, tmp_path: Path
) -> None:
    root = tree_of(source, {0: 1, 1: 2, 1099: 3})
    target.copy_trees(source, [root])
    age(tmp_path / "target", seconds=2 * DAY_S)
    target.copy_nodes(source, [root])
    assert not target.is_arriving(root)

    report = target.collect([root])

    assert (report.deleted_trees, report.deleted_chunks) == (3, 0)
    assert files(tmp_path / "target", "arriving") == []
    assert target.verify([root]).is_sound


def test_a_young_root_that_nothing_names_keeps_its_promise_through_a_sweep(target: RegionStore, tmp_path: Path) -> None:
    parent = tree_of(target, {0: 1, 1: 2})
    age(tmp_path / "target", seconds=2 * DAY_S)
    child = tree_of(target, {1099: 3}, parent=parent)

    report = target.collect([])

    assert (report.deleted_trees, report.deleted_chunks) == (1, 0)
    assert target.verify([child]).is_sound


def test_a_tree_that_was_swept_by_half_is_made_whole(source: RegionStore, target: RegionStore, tmp_path: Path) -> None:
    root = tree_of(source, {0: 1, 1: 2, 1099: 3})
    target.copy_trees(source, [root])
    for path in files(tmp_path / "target", "chunks") + files(tmp_path / "target", "trees")[:1]:
        path.unlink()

    target.copy_trees(source, [root])

    assert target.verify([root]).is_sound


def test_a_leaf_that_two_arriving_trees_share_stays_for_the_other(source: RegionStore, target: RegionStore) -> None:
    first = tree_of(source, {0: 1})
    second = tree_of(source, {1099: 2}, parent=first)
    target.copy_nodes(source, [first, second])

    target.copy_trees(source, [first])

    assert target.is_arriving(second)
    assert target.tree(second).extents(0, SPARSE_BYTES) == source.tree(second).extents(0, SPARSE_BYTES)


def test_what_is_no_root_is_refused(source: RegionStore, target: RegionStore) -> None:
    with pytest.raises(RequestInvalid):
        target.copy_trees(source, [RootDigest("../etc")])
    with pytest.raises(ObjectMissing, match="in the source"):
        target.copy_nodes(source, [RootDigest("ab" * 32)])
