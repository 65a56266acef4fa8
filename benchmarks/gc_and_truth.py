"""Garbage collection and storage truth of 1,000,000 chunks in 500 snapshots: seconds and peak memory, and of a quarter of that.

The store is made up, because neither reads a chunk: nodes are real, chunks are sparse files of a size. Ten disks of 10 GiB have
a snapshot after each of 49 rounds of changes to random chunks, so that every snapshot has leaves of its own: the hardest case.
"""

import argparse
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import measuring
from measuring import MIB, table

from linocut.blocks import RegionStore
from linocut.blocks.frames import digest_of
from linocut.blocks.nodes import LEAF_CHUNKS, LEAF_SPAN_BYTES, Chunk, Root, encode_leaf, encode_root
from linocut.model.ids import RootDigest

_DISKS: Final = 10
_DOOMED: Final = 5
"""Every so many snapshots, one is deleted before the sweep."""
_LONG_AGO_S: Final = 3 * 86400


class MadeUp:
    """A store of made-up disks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with RegionStore.open(f"file://{directory}"):
            pass
        for folder, number in itertools.product(("chunks", "trees"), range(256)):
            (directory / folder / f"{number:02x}").mkdir(parents=True)

    def fill(self, chunks: int, snapshots: int) -> list[RootDigest]:
        """Write so many chunks in so many snapshots; return the roots, the oldest of each disk first."""
        draw = random.Random(chunks)  # noqa: S311 - the same every time
        rounds = snapshots // _DISKS
        leaves = max(1, chunks // _DISKS // 5 // LEAF_CHUNKS)
        changed = (chunks // _DISKS - leaves * LEAF_CHUNKS) // (rounds - 1)
        roots = []
        for _ in range(_DISKS):
            disk = [self._chunk(draw) for _ in range(leaves * LEAF_CHUNKS)]
            for turn in range(rounds):
                for position in draw.sample(range(len(disk)), changed if turn else 0):
                    disk[position] = self._chunk(draw)
                roots.append(self._tree(disk))
        return roots

    def _chunk(self, draw: random.Random) -> Chunk:
        chunk = Chunk(draw.randbytes(32), draw.randrange(50_000, 500_000))
        self._write("chunks", chunk.digest, b"", chunk.stored_bytes)
        return chunk

    def _tree(self, disk: list[Chunk]) -> RootDigest:
        leaves = [self._node(encode_leaf(tuple(disk[at : at + LEAF_CHUNKS]))) for at in range(0, len(disk), LEAF_CHUNKS)]
        return RootDigest(self._node(encode_root(Root(len(leaves) * LEAF_SPAN_BYTES, None, tuple(leaves)))).hex())

    def _node(self, data: bytes) -> bytes:
        digest = digest_of(data)
        self._write("trees", digest, data, len(data))
        return digest

    def _write(self, folder: str, digest: bytes, data: bytes, size: int) -> None:
        name = digest.hex()
        path = f"{self._directory}/{folder}/{name[:2]}/{name}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, data)
        os.ftruncate(descriptor, size)
        os.close(descriptor)


def truth(directory: Path, roots: list[RootDigest]) -> dict[str, Any]:
    """Ask what each snapshot holds and frees."""
    with RegionStore.open(f"file://{directory}") as store:
        began = time.perf_counter()
        inventory = store.inventory({number: [root] for number, root in enumerate(roots)})
        holdings = inventory.ledger.holdings()
        taken_s = time.perf_counter() - began
        live = inventory.ledger.total()
        assert sum(weight.stored_bytes for weight in inventory.ledger.attribute().values()) == live.stored_bytes
        assert live.stored_bytes == inventory.live.stored_bytes
        freed = sum(holding.freed.stored_bytes for holding in holdings.values())
    return {"seconds": taken_s, "what": f"{live.stored_bytes / MIB / 1024:.0f} GiB live, {freed / MIB / 1024:.0f} unique"}


def collect(directory: Path, roots: list[RootDigest], *, doomed: int) -> dict[str, Any]:
    """Sweep what every so many snapshots alone had, or nothing."""
    live = [root for number, root in enumerate(roots) if not doomed or number % doomed]
    with RegionStore.open(f"file://{directory}", now=lambda: time.time() + _LONG_AGO_S) as store:
        began = time.perf_counter()
        report = store.collect(live)
        taken_s = time.perf_counter() - began
    return {"seconds": taken_s, "what": f"{report.kept} kept, {report.deleted_chunks + report.deleted_trees} deleted"}


_WORK: Final = {
    "storage truth": truth,
    "GC, nothing to delete": lambda directory, roots: collect(directory, roots, doomed=0),
    "GC, a fifth of the snapshots deleted": lambda directory, roots: collect(directory, roots, doomed=_DOOMED),
}


def child(work: str, directory: Path) -> None:
    """Do one thing in a process of its own, and print what it took."""
    roots = json.loads((directory / "roots.json").read_text())
    began_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = _WORK[work](directory, roots)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**figures, "peak_kb": peak_kb, "began_kb": began_kb}))


def measure(work: Path, chunks: int, snapshots: int) -> Iterator[list[str]]:
    directory = work / f"store-{chunks}"
    began = time.perf_counter()
    roots = MadeUp(directory).fill(chunks, snapshots)
    (directory / "roots.json").write_text(json.dumps(roots))
    print(f"made up {chunks} chunks in {snapshots} snapshots in {time.perf_counter() - began:.0f} s", flush=True)
    for name in _WORK:
        done = subprocess.run(
            [sys.executable, __file__, "--child", name, str(directory)], check=True, capture_output=True, text=True
        )
        figures = json.loads(done.stdout)
        peak = f"{figures['peak_kb'] / 1024:.0f} MiB"
        yield [f"{name}: {chunks} chunks, {snapshots} snapshots", f"{figures['seconds']:.1f} s", peak, figures["what"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--snapshots", type=int, default=500)
    parser.add_argument("--work", type=Path, default=measuring.PROJECT / ".cache", help="where to put temporary files")
    chosen = parser.parse_args()
    with measuring.workplace(chosen) as work:
        sizes = ((chosen.chunks // 4, chosen.snapshots // 4), (chosen.chunks, chosen.snapshots))
        rows = [row for chunks, snapshots in sizes for row in measure(work, chunks, snapshots)]
    table("one process each, the store's metadata in the page cache", ["", "time", "peak memory", ""], rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
