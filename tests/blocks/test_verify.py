"""Every object that is flipped, cut off or gone is found, named with who suffers, and mended from a store that has it."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linocut.blocks import CHUNK_BYTES, Damage, Problem, RegionStore
from linocut.blocks.objects import Objects
from linocut.blocks.shelf import Shelf
from linocut.model.ids import RootDigest

LEAF_BYTES = 1024 * CHUNK_BYTES


class Lab:
    """A store to be damaged, and another one with the same trees: of three disks, two share a chunk and two share a leaf."""

    def __init__(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "here"
        self.here = RegionStore.open(f"file://{self.directory}")
        self.there = RegionStore.open(f"file://{tmp_path}/there")
        first = self.disk({0: 1, LEAF_BYTES: 2})
        second = self.disk({0: 1, LEAF_BYTES: 3})
        third = self.disk({0: 2})
        self.roots = [first, second, third]

    def disk(self, chunks: dict[int, int]) -> RootDigest:
        for store in (self.here, self.there):
            ingest = store.ingest(2 * LEAF_BYTES)
            for offset, seed in chunks.items():
                ingest.write(offset, random.Random(seed).randbytes(CHUNK_BYTES))
            root = ingest.seal()
        return root

    def chunk(self, root: RootDigest, leaf: int = 0) -> Path:
        chunk = self.here.tree(root).chunk(leaf * 1024)
        assert chunk is not None
        return self.file("chunks", chunk.digest)

    def leaf(self, root: RootDigest, number: int = 0) -> Path:
        leaf = self.here.tree(root).leaves[number]
        assert leaf is not None
        return self.file("trees", leaf)

    def file(self, folder: str, digest: bytes) -> Path:
        return self.directory / folder / digest.hex()[:2] / digest.hex()

    def name(self, path: Path) -> str:
        return str(path.relative_to(self.directory))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.here.close()
    made.there.close()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


HARMS: dict[Callable[[Path], None], Problem] = {
    flip: Problem.CORRUPT,
    cut: Problem.CORRUPT,
    empty: Problem.CORRUPT,
    lengthen: Problem.CORRUPT,
    Path.unlink: Problem.MISSING,
}
VICTIMS: dict[str, tuple[Callable[[Lab], Path], set[int]]] = {
    "a chunk of one": (lambda lab: lab.chunk(lab.roots[1], 1), {1}),
    "a chunk of two": (lambda lab: lab.chunk(lab.roots[0], 1), {0, 2}),
    "a leaf of one": (lambda lab: lab.leaf(lab.roots[1], 1), {1}),
    "a leaf of two": (lambda lab: lab.leaf(lab.roots[0], 0), {0, 1}),
    "a root": (lambda lab: lab.file("trees", bytes.fromhex(lab.roots[2])), {2}),
}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_damaged_is_found_named_and_mended(lab: Lab, victim: str, harm: Callable[[Path], None]) -> None:
    find, suffering = VICTIMS[victim]
    path = find(lab)
    whole = path.read_bytes()
    harm(path)

    with RegionStore.open(f"file://{lab.directory}") as fresh:
        report = fresh.verify(lab.roots)
        (damage,) = report.damages
        assert (damage.name, damage.problem, damage.repaired_from) == (lab.name(path), HARMS[harm], None)
        assert {lab.roots.index(root) for root in damage.roots} == suffering
        assert (report.is_sound, report.unrepaired) == (False, (damage,))

        mended = fresh.verify(lab.roots, repair_from={"elsewhere": lab.there})

        assert [(one.name, one.repaired_from) for one in mended.damages] == [(lab.name(path), "elsewhere")]
        assert mended.is_sound
        assert path.read_bytes() == whole
        assert fresh.verify(lab.roots).damages == ()


def test_damage_of_all_kinds_at_once_is_mended_at_once(lab: Lab) -> None:
    for path in [*lab.directory.glob("*/*/*")]:
        random.Random(path.name).choice(list(HARMS))(path)

    with RegionStore.open(f"file://{lab.directory}") as fresh:
        mended = fresh.verify(lab.roots, repair_from={"elsewhere": lab.there})
        assert (len(mended.damages), mended.is_sound) == (3 + 3 + 3, True)
        report = fresh.verify(lab.roots)
    assert (report.damages, report.objects) == ((), 9)


def test_what_no_source_has_whole_is_named_and_left(lab: Lab, tmp_path: Path) -> None:
    path, other = lab.chunk(lab.roots[1], 1), lab.chunk(lab.roots[0], 1)
    flip(path)
    flip(tmp_path / "there" / path.relative_to(lab.directory))
    other.unlink()

    with RegionStore.open("memory:///") as blank:
        report = lab.here.verify(lab.roots, repair_from={"blank": blank, "elsewhere": lab.there})

    assert not report.is_sound
    assert [damage.name for damage in report.unrepaired] == [lab.name(path)]
    assert {damage.name: damage.repaired_from for damage in report.damages} == {
        lab.name(path): None,
        lab.name(other): "elsewhere",
    }


def test_below_a_leaf_that_cannot_be_mended_all_else_is(lab: Lab, tmp_path: Path) -> None:
    leaf, chunk = lab.leaf(lab.roots[1], 1), lab.chunk(lab.roots[0], 1)
    for path in (leaf, chunk):
        flip(path)
    (tmp_path / "there" / leaf.relative_to(lab.directory)).unlink()

    with RegionStore.open(f"file://{lab.directory}") as fresh:
        report = fresh.verify(lab.roots, repair_from={"elsewhere": lab.there})

    assert [damage.name for damage in report.unrepaired] == [lab.name(leaf)]
    assert len(report.damages) == 2


def test_what_nothing_refers_to_is_read_too_and_nobody_suffers(lab: Lab) -> None:
    path = lab.chunk(lab.roots[1], 1)
    flip(path)

    (damage,) = lab.here.verify(lab.roots[:1]).damages

    assert damage == Damage(lab.name(path), Problem.CORRUPT, damage.reason)
    assert lab.here.verify([], repair_from={"elsewhere": lab.there}).is_sound
    assert lab.here.verify([]).damages == ()


def test_a_root_that_nothing_refers_to_is_not_mended_for_it_would_promise_what_may_not_be_there(lab: Lab) -> None:
    path = lab.file("trees", bytes.fromhex(lab.roots[1]))
    flip(path)

    report = lab.here.verify(lab.roots[:1], repair_from={"elsewhere": lab.there})

    assert [damage.name for damage in report.unrepaired] == [lab.name(path)]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_nodes_of_an_arriving_tree_are_mended_where_they_belong(lab: Lab, harm: Callable[[Path], None]) -> None:
    with RegionStore.open(f"file://{lab.directory.parent}/target") as target:
        target.copy_nodes(lab.there, lab.roots[:1])
        for path in [*(lab.directory.parent / "target" / "arriving").glob("*/*")]:
            harm(path)

    with RegionStore.open(f"file://{lab.directory.parent}/target") as target:
        report = target.verify(lab.roots[:1], arriving=lab.roots[:1])
        assert {damage.name.partition("/")[0] for damage in report.damages} == {"arriving"}
        report = target.verify(lab.roots[:1], arriving=lab.roots[:1], repair_from={"elsewhere": lab.there})
        assert (report.is_sound, len(report.damages), report.awaited) == (True, 3, 2)
        assert target.is_arriving(lab.roots[0]), "its chunks have not come"
        assert target.verify(lab.roots[:1]).awaited == 2


def test_a_mended_root_is_the_last_thing_to_be_written(lab: Lab) -> None:
    objects = Watched.open(f"file://{lab.directory}")
    for path in [*lab.directory.glob("*/*/*")]:
        path.unlink()

    with RegionStore(Shelf(objects, level=1, grace_s=86400)) as watched:
        assert watched.verify(lab.roots, repair_from={"elsewhere": lab.there}).is_sound

    assert {name.rpartition("/")[2] for name in objects.written[-3:]} == set(lab.roots)


def test_a_disk_that_cannot_read_a_block_is_damage_like_any_other(lab: Lab) -> None:
    objects = Watched.open(f"file://{lab.directory}")
    objects.unreadable = lab.name(lab.chunk(lab.roots[1], 1))

    with RegionStore(Shelf(objects, level=1, grace_s=86400)) as watched:
        (damage,) = watched.verify(lab.roots).damages

    assert (damage.name, damage.problem) == (objects.unreadable, Problem.CORRUPT)


class Watched(Objects):
    """The files of a store: notes what is written, and fails to read one as a rotten disk does."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.written: list[str] = []
        self.unreadable = ""

    def put(self, name: str, data: bytes) -> None:
        self.written.append(name)
        super().put(name, data)

    def _read(self, name: str, most_bytes: int) -> bytes:
        if name == self.unreadable:
            raise OSError(5, "Input/output error")
        return super()._read(name, most_bytes)


def test_progress_of_reading_ends_at_the_total(lab: Lab) -> None:
    told: list[tuple[int, int]] = []

    report = lab.here.verify(lab.roots[:2], lambda done, total: told.append((done, total)))

    assert told == sorted(told)
    assert told[-1] == (report.objects, report.objects) == (9, 9)
