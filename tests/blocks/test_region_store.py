"""Trees in, trees out: what a region store keeps, shares, counts, collects and finds broken."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linocut.blocks import (
    CHUNK_BYTES,
    FormatUnknown,
    Ingest,
    IngestGone,
    ObjectCorrupt,
    ObjectMissing,
    RegionStore,
    RequestInvalid,
    StoreFull,
)
from linocut.blocks.objects import ObjectInfo, Objects
from linocut.blocks.shelf import Shelf
from linocut.model.ids import RootDigest

DAY_S = 86400.0


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """An empty store for each test, to be damaged."""
    return f"file://{tmp_path}/store"


@pytest.fixture
def store(store_url: str) -> Iterator[RegionStore]:
    with RegionStore.open(store_url) as opened:
        yield opened


def noise(chunks: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(chunks * CHUNK_BYTES)


def tree_of(store: RegionStore, data: bytes, parent: RootDigest | None = None) -> RootDigest:
    ingest = store.ingest(len(data), parent)
    ingest.write(0, data)
    return ingest.seal()


def chunk_files(store_url: str) -> list[Path]:
    return sorted(path for path in Path(store_url.removeprefix("file://"), "chunks").rglob("*") if path.is_file())


def test_a_raw_file_reads_back_as_it_was(store: RegionStore, image: Path) -> None:
    root = store.ingest_file(image)

    content = image.read_bytes()
    tree = store.tree(root)
    assert (tree.size_bytes, tree.parent) == (len(content), None)
    assert tree.read(0, len(content)) == content
    assert tree.read(CHUNK_BYTES - 310, 20) == content[CHUNK_BYTES - 310 :][:20]
    assert tree.read(len(content), 0) == b""


def test_holes_and_zeros_are_never_stored(store: RegionStore, store_url: str, image: Path) -> None:
    root = store.ingest_file(image)

    runs = [(extent.offset // CHUNK_BYTES, extent.is_data) for extent in store.tree(root).extents(0, image.stat().st_size)]
    assert runs == [(0, True), (3, False), (7, True), (8, False)]
    assert len(chunk_files(store_url)) == 4


def test_both_ways_in_give_the_same_tree(store: RegionStore, image: Path) -> None:
    assert tree_of(store, image.read_bytes()) == store.ingest_file(image)


def test_the_odd_end_of_a_file_is_followed_by_zeros(store: RegionStore, tmp_path: Path) -> None:
    content = noise(5, seed=17)[:-1000]
    (tmp_path / "odd.raw").write_bytes(content)

    assert store.ingest_file(tmp_path / "odd.raw") == tree_of(store, content)
    larger = store.tree(store.ingest_file(tmp_path / "odd.raw", size_bytes=len(content) + 5000))
    assert larger.read(len(content) - 10, 5010) == content[-10:] + bytes(5000)


def test_a_disk_may_be_larger_than_the_file(store: RegionStore, image: Path) -> None:
    size = image.stat().st_size

    tree = store.tree(store.ingest_file(image, size_bytes=size + 5 * CHUNK_BYTES))

    assert tree.size_bytes == size + 5 * CHUNK_BYTES
    assert tree.read(size - 1000, 3 * CHUNK_BYTES) == image.read_bytes()[-1000:] + bytes(3 * CHUNK_BYTES - 1000)


def test_progress_ends_at_the_total(store: RegionStore, image: Path) -> None:
    told: list[tuple[int, int]] = []

    store.ingest_file(image, progress=lambda done, total: told.append((done, total)))

    size = image.stat().st_size
    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_a_child_shares_all_that_did_not_change(store: RegionStore, store_url: str, image: Path) -> None:
    parent = store.ingest_file(image)
    stored = len(chunk_files(store_url))

    ingest = store.ingest(image.stat().st_size, parent)
    ingest.write(7 * CHUNK_BYTES + 12345, b"changed")
    child = ingest.seal()

    assert len(chunk_files(store_url)) == stored + 1
    assert store.tree(child).parent == parent
    expected = bytearray(image.read_bytes())
    expected[7 * CHUNK_BYTES + 12345 : 7 * CHUNK_BYTES + 12352] = b"changed"
    assert store.tree(child).read(0, len(expected)) == bytes(expected)


def test_rewriting_the_same_content_stores_nothing(store: RegionStore, store_url: str, image: Path) -> None:
    parent = store.ingest_file(image)
    before = {path: path.stat().st_mtime_ns for path in chunk_files(store_url)}

    by_file = store.tree(store.ingest_file(image, parent=parent))
    by_write = store.tree(tree_of(store, image.read_bytes(), parent))

    assert {path: path.stat().st_mtime_ns for path in chunk_files(store_url)} == before
    assert by_file.leaves == by_write.leaves == store.tree(parent).leaves


def test_what_a_file_no_longer_holds_becomes_holes(store: RegionStore, tmp_path: Path, image: Path) -> None:
    parent = store.ingest_file(image)
    empty = tmp_path / "empty.raw"
    with empty.open("wb") as file:
        file.truncate(image.stat().st_size)

    tree = store.tree(store.ingest_file(empty, parent=parent))

    assert tree.extents(0, tree.size_bytes) == [(0, tree.size_bytes, False)]


def test_usage_counts_shared_chunks_once(store: RegionStore) -> None:
    shared, own = noise(2, seed=1), noise(1, seed=2)
    first, second = tree_of(store, shared), tree_of(store, shared + own)

    one, both = store.usage([first]), store.usage([first, second])

    assert (one.data_bytes, one.logical_bytes) == (2 * CHUNK_BYTES, 2 * CHUNK_BYTES)
    assert (both.data_bytes, both.logical_bytes) == (3 * CHUNK_BYTES, 5 * CHUNK_BYTES)
    assert store.added_bytes(second, [first]) == both.stored_bytes - one.stored_bytes > CHUNK_BYTES
    assert store.added_bytes(first, [second]) == 0
    assert store.added_bytes(first, []) == one.stored_bytes


def test_usage_says_what_the_files_weigh(store: RegionStore, store_url: str, image: Path) -> None:
    root = store.ingest_file(image)

    assert store.usage([root]).stored_bytes == sum(path.stat().st_size for path in chunk_files(store_url))
    assert store.stat().chunk_bytes == store.usage([root]).stored_bytes


def test_collecting_keeps_the_living_and_deletes_the_old(store_url: str, image: Path) -> None:
    with RegionStore.open(store_url) as store:
        live, dead = store.ingest_file(image), tree_of(store, noise(3, seed=3))
    later = RegionStore.open(store_url, now=lambda: time.time() + DAY_S + 60)

    report = later.collect([live])

    assert (report.deleted_chunks, report.deleted_trees) == (3, 2)
    assert later.tree(live).read(0, image.stat().st_size) == image.read_bytes()
    assert later.verify([live]).is_sound
    with pytest.raises(ObjectMissing):
        later.tree(dead)
    later.close()


def test_collecting_spares_what_is_young(store: RegionStore) -> None:
    root = tree_of(store, noise(2, seed=4))

    report = store.collect([])

    assert (report.deleted_chunks, report.deleted_trees, report.spared_young) == (0, 0, 4)
    assert store.verify([root]).is_sound


def test_collecting_deletes_nothing_while_a_living_tree_cannot_be_read(store: RegionStore, store_url: str) -> None:
    root = tree_of(store, noise(1, seed=5))

    with pytest.raises(ObjectMissing):
        store.collect([root, RootDigest("0" * 63 + "1")], grace_s=-1)

    assert store.verify([root]).is_sound
    assert len(chunk_files(store_url)) == 1


def test_collecting_removes_what_killed_writers_left_half_written(store: RegionStore, store_url: str) -> None:
    left = Path(store_url.removeprefix("file://")) / "chunks" / "ab" / ("ab" * 32 + "#1")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")

    assert store.collect([]).removed_staging == 0
    assert left.exists()
    assert store.collect([], grace_s=-60).removed_staging == 1
    assert not left.exists()


def test_writing_what_is_there_makes_it_young_before_the_sweep_comes(store_url: str) -> None:
    clock = [time.time()]
    store = RegionStore.open(store_url, now=lambda: clock[0])
    data = noise(2, seed=6)
    tree_of(store, data)
    age(store_url, seconds=0.6 * DAY_S)

    again = tree_of(store, data)
    clock[0] += 0.5 * DAY_S
    store.collect([])

    assert store.verify([again]).is_sound
    store.close()


def age(store_url: str, seconds: float) -> None:
    for path in Path(store_url.removeprefix("file://")).rglob("*"):
        if path.is_file() and path.name != "store.toml":
            changed = path.stat().st_mtime - seconds
            os.utime(path, (changed, changed))


class Interrupted(Objects):
    """A store in which something happens at the moment of a deletion or a write."""

    before_look: Callable[[str], object] | None = None
    before_delete: Callable[[], object] | None = None
    before_put: Callable[[str], object] | None = None
    before_aside: Callable[[], object] | None = None
    after_aside: Callable[[], object] | None = None

    def _delete_aside(self, path: Path, cutoff_s: float) -> bool:
        before, self.before_aside = self.before_aside, None
        if before is not None:
            before()
        return super()._delete_aside(path, cutoff_s)

    def info(self, name: str) -> ObjectInfo | None:
        if self.before_look is not None:
            self.before_look(name)
        return super().info(name)

    def delete(self, names: list[str]) -> None:  # type: ignore[override]
        happen, self.before_delete = self.before_delete, None
        if happen is not None:
            happen()
        super().delete(names)

    def put(self, name: str, data: bytes) -> None:
        if self.before_put is not None:
            self.before_put(name)
        super().put(name, data)


def interrupted(store_url: str) -> tuple[Interrupted, RegionStore]:
    objects = Interrupted.open(store_url)
    shelf = Shelf(objects, level=1, grace_s=DAY_S)
    shelf.require_format()
    return objects, RegionStore(shelf)


def test_what_is_refreshed_after_the_sweep_has_listed_it_is_spared(store_url: str) -> None:
    objects, sweeping = interrupted(store_url)
    root = tree_of(sweeping, noise(1, seed=18))
    age(store_url, seconds=2 * DAY_S)
    objects.before_look = lambda _: age(store_url, seconds=-2 * DAY_S)

    report = sweeping.collect([])

    assert (report.deleted_chunks, report.deleted_trees) == (0, 0)
    assert sweeping.verify([root]).is_sound
    sweeping.close()


def test_an_ingest_whose_chunk_is_swept_under_its_hands_is_refused() -> None:
    clock = [0.0]
    objects = Interrupted.open("memory:///")
    with RegionStore(Shelf(objects, level=1, grace_s=DAY_S, now=lambda: time.time() + clock[0])) as store:
        data = noise(1, seed=8)
        tree_of(store, data)
        objects.delete([info.name for info in objects.list("trees")])
        clock[0] = 2 * DAY_S
        ingest = store.ingest(len(data))

        def write_in_the_gap() -> None:
            ingest.write(0, data)
            ingest.flush()

        objects.before_delete = write_in_the_gap

        assert store.collect([]).deleted_chunks == 1
        with pytest.raises(IngestGone):
            ingest.seal()


@pytest.mark.parametrize("again", [False, True])
def test_in_a_directory_what_is_written_in_the_instant_of_its_deletion_stays(store_url: str, again: bool) -> None:  # noqa: FBT001
    objects, sweeping = interrupted(store_url)
    data = noise(1, seed=8)
    tree_of(sweeping, data)
    age(store_url, seconds=2 * DAY_S)
    for path in Path(store_url.removeprefix("file://"), "trees").rglob("*/*"):
        path.unlink()
    with RegionStore.open(store_url) as writing:
        ingest = writing.ingest(len(data))

        def write_in_the_gap() -> None:
            ingest.write(0, data)
            ingest.flush()

        objects.before_aside = write_in_the_gap
        objects.after_aside = (lambda: tree_of(writing, data)) if again else None

        assert sweeping.collect([]).deleted_chunks == 0
        assert writing.verify([ingest.seal()]).is_sound
    assert list(Path(store_url.removeprefix("file://")).rglob("*#*")) == []
    sweeping.close()


def test_an_ingest_that_outlasts_its_share_of_the_grace_period_is_refused(store_url: str) -> None:
    clock = [0.0]
    store = RegionStore.open(store_url, now=lambda: time.time() + clock[0])
    ingest = store.ingest(CHUNK_BYTES)
    clock[0] = DAY_S / 4 + 1

    with pytest.raises(IngestGone):
        ingest.seal()
    store.close()


def test_a_full_store_says_so_and_nothing_names_what_it_kept(store_url: str, image: Path) -> None:
    objects, store = interrupted(store_url)

    def refuse(name: str) -> None:
        raise StoreFull(f"cannot write {name}")

    objects.before_put = refuse
    with pytest.raises(StoreFull):
        store.ingest_file(image)
    ingest = store.ingest(CHUNK_BYTES)
    ingest.write(0, noise(1, seed=9))
    with pytest.raises(StoreFull):
        ingest.flush()
    with pytest.raises(StoreFull):
        ingest.seal()
    objects.before_put = None

    assert store.stat().nodes == 0
    store.close()


def fill_and_seal(ingest: Ingest) -> None:
    ingest.write(0, noise(16, seed=10))
    ingest.seal()


def test_a_full_file_system_says_so_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", mount], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        with RegionStore.open(f"file://{mount}") as store:
            ingest = store.ingest(16 * CHUNK_BYTES)
            with pytest.raises(StoreFull):
                fill_and_seal(ingest)
            assert not [path for path in mount.rglob("*") if "#" in path.name]
            assert store.collect([], grace_s=-60).deleted_chunks > 0
            assert store.verify([tree_of(store, noise(1, seed=11))]).is_sound
    finally:
        subprocess.run(["umount", mount], check=True)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [flip_a_bit, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(path.read_bytes() * 9)]
)
def test_damaged_chunks_are_never_read_as_data(store: RegionStore, store_url: str, damage: Callable[[Path], object]) -> None:
    root = tree_of(store, noise(1, seed=12))
    damage(chunk_files(store_url)[0])

    with pytest.raises(ObjectCorrupt):
        store.tree(root).read(0, 10)
    report = store.verify([root])
    assert (len(report.corrupt), report.missing) == (1, ())
    assert chunk_files(store_url)[0].name in report.corrupt[0]


def test_missing_chunks_are_named(store: RegionStore, store_url: str) -> None:
    root = tree_of(store, noise(2, seed=13))
    gone = chunk_files(store_url)[0]
    gone.unlink()

    report = store.verify()

    assert report.is_sound  # what is there is sound
    report = store.verify([root])
    assert (len(report.missing), report.corrupt) == (1, ())
    assert gone.name in report.missing[0]


@pytest.mark.parametrize("size", [0, 50])
def test_damaged_nodes_are_never_believed(store: RegionStore, store_url: str, size: int) -> None:
    root = tree_of(store, noise(1, seed=14))
    for path in Path(store_url.removeprefix("file://"), "trees").rglob("*/*"):
        path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(ObjectCorrupt):
        store.tree(root).read(0, 1)
    assert len(store.verify().corrupt) == 2


def test_a_cut_off_chunk_is_written_again_rather_than_relied_on(store: RegionStore, store_url: str) -> None:
    data = noise(1, seed=15)
    tree_of(store, data)
    chunk_files(store_url)[0].write_bytes(b"")

    root = tree_of(store, data)

    assert store.tree(root).read(0, len(data)) == data


def test_a_store_of_another_version_is_refused(store: RegionStore, store_url: str) -> None:
    del store
    manifest = Path(store_url.removeprefix("file://")) / "store.toml"
    manifest.write_text(manifest.read_text().replace("format = 1", "format = 2"))

    with pytest.raises(FormatUnknown):
        RegionStore.open(store_url)


def test_the_manifest_keeps_its_bytes(store: RegionStore, store_url: str) -> None:
    # Older versions refuse a store whose manifest they do not know: a change locks them out.
    del store
    manifest = Path(store_url.removeprefix("file://")) / "store.toml"
    assert manifest.read_text() == "# A Linocut region store\nformat = 1\nchunk_bytes = 524288\n"


@pytest.mark.parametrize("url", ["/dir", "file://host/dir", "ftp://x/y", "s3://", "s3://bucket?color=red"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(RequestInvalid):
        RegionStore.open(url)


def test_a_store_in_memory_does_the_same() -> None:
    with RegionStore.open("memory:///") as store:
        data = noise(3, seed=16)
        root = tree_of(store, data)
        assert store.tree(root).read(CHUNK_BYTES, CHUNK_BYTES) == data[CHUNK_BYTES : 2 * CHUNK_BYTES]
        assert store.collect([], grace_s=-1).deleted_chunks == 3


def test_impossible_disks_and_ranges_are_refused(store: RegionStore) -> None:
    root = tree_of(store, b"x" * 1000)
    for size in (0, -1, 2**60):
        with pytest.raises(RequestInvalid):
            store.ingest(size)
    with pytest.raises(RequestInvalid):
        store.ingest(999, root)
    with pytest.raises(RequestInvalid):
        store.tree(root).read(999, 2)
    with pytest.raises(RequestInvalid):
        store.tree(RootDigest("../../etc/passwd"))


def test_a_large_disk_of_little_data_is_quick_to_survey(store: RegionStore) -> None:
    size = 10 * 2**40
    ingest = store.ingest(size)
    ingest.write(5 * 2**40 + 7, b"lonely")
    tree = store.tree(ingest.seal())

    lonely = 5 * 2**40
    assert tree.extents(0, size) == [
        (0, lonely, False),
        (lonely, CHUNK_BYTES, True),
        (lonely + CHUNK_BYTES, size - lonely - CHUNK_BYTES, False),
    ]
    assert next(tree.runs(lonely, size - lonely)) == (lonely, CHUNK_BYTES, True)
    assert tree.read(lonely, 20) == bytes(7) + b"lonely" + bytes(7)
