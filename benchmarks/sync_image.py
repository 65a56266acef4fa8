"""Sync: a tree to another region's empty store, then its successor; against cp of the store and of the disk, and rclone."""

import itertools
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import measuring
from import_again import changed_copy
from measuring import MIB, fresh, make_durable, run, seconds

from linocut.blocks import RegionStore
from linocut.model.ids import RootDigest

_BLOCK_BYTES = 4096


class Contender:
    """A way to have a copy of some trees or of a disk: what it copies from, and how."""

    def __init__(self, first: Path, second: Path, copy: Callable[[Path, Path], object]) -> None:
        self._sides = (first, second)
        self._copy = copy

    def run(self, target: Path) -> tuple[float, float, int]:
        """Return the seconds of the first copy and of the second on top of it, and the bytes that the second added."""
        first, second = (partial(self._copy, side, target) for side in self._sides)
        first_s = seconds(first)
        held = disk_bytes(target)
        os.sync()
        return first_s, seconds(second), disk_bytes(target) - held


def ours(store: Path, root: RootDigest, target: Path) -> None:
    with RegionStore.open(f"file://{store}") as source, RegionStore.open(f"file://{target}") as region:
        region.copy_trees(source, [root])


def ours_until_open(store: Path, root: RootDigest, target: Path) -> None:
    with RegionStore.open(f"file://{store}") as source, RegionStore.open(f"file://{target}") as region:
        region.copy_nodes(source, [root])


def cp_store(store: Path, target: Path) -> None:
    run("cp", "-r", "--update", f"{store}/.", target)
    make_durable(target)


def cp_disk(disk: Path, target: Path) -> None:
    run("cp", "--sparse=always", disk, target / disk.name)
    make_durable(target)


def rclone(store: Path, target: Path) -> None:
    run("rclone", "copy", "--config=", "--transfers=16", "--checkers=16", store, target)
    make_durable(target)


def disk_bytes(directory: Path) -> int:
    """Return what the files below a directory take up on the disk."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def changed_bytes(before: Path, after: Path) -> int:
    """Return the size of the 4 KiB blocks in which two disks differ."""
    changed = 0
    with before.open("rb") as old, after.open("rb") as new:
        for was, now in zip(iter(partial(old.read, MIB), b""), iter(partial(new.read, MIB), b""), strict=True):
            if was != now:
                blocks = range(0, len(now), _BLOCK_BYTES)
                changed += sum(_BLOCK_BYTES for at in blocks if was[at : at + _BLOCK_BYTES] != now[at : at + _BLOCK_BYTES])
    return changed


def stores(raw: Path, changed: Path, work: Path) -> tuple[tuple[Path, RootDigest], tuple[Path, RootDigest]]:
    """Return a store of the first disk and its root, and one of both disks and the second's root."""
    made = []
    for disks in ((raw,), (raw, changed)):
        directory = fresh(work, "source")
        with RegionStore.open(f"file://{directory}") as store:
            root = [store.ingest_file(disk) for disk in disks][-1]
        made.append((directory, root))
    return made[0], made[1]


def main() -> None:
    chosen = measuring.arguments(__doc__, runs=5)
    with measuring.workplace(chosen) as work:
        raw, _ = measuring.images(chosen, work)
        changed, how = changed_copy(raw, work)
        (first, first_root), (second, second_root) = stores(raw, changed, work)
        roots = {first: first_root, second: second_root}
        contenders = {
            "linocut": Contender(first, second, lambda store, target: ours(store, roots[store], target)),
            "linocut, until the tree opens": Contender(
                first, second, lambda store, target: ours_until_open(store, roots[store], target)
            ),
            "cp -r of the store": Contender(first, second, cp_store),
            "rclone of the store": Contender(first, second, rclone),
            "cp of the disk": Contender(raw, changed, cp_disk),
        }
        measure(contenders, chosen.runs, work, f"{how}: {changed_bytes(raw, changed) / MIB:.1f} MiB of blocks changed")


def measure(contenders: dict[str, Contender], runs: int, work: Path, title: str) -> None:
    """Run all in turn, and print the medians."""
    taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in contenders}
    for _, (name, contender) in itertools.product(range(runs), contenders.items()):
        os.sync()
        taken[name].append(contender.run(fresh(work, "target")))
    medians = {name: [sorted(column)[runs // 2] for column in zip(*figures, strict=True)] for name, figures in taken.items()}
    ours_s = medians["linocut"][0]
    rows = [
        [name, f"{first_s:.2f} s", f"{first_s / ours_s:.2f}", f"{second_s:.2f} s", f"{added / MIB:.1f} MiB"]
        for name, (first_s, second_s, added) in medians.items()
    ]
    measuring.table(title, ["to an empty region", "first", "times ours", "the changed one", "adds"], rows)


if __name__ == "__main__":
    main()
