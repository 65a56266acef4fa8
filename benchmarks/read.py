"""Read: sequential and random reads through the block server, every byte verified, against qemu-nbd on a qcow2 of the same."""

import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import measuring
from measuring import MIB, fresh, run

from linocut.blocks import BlockServer, RegionStore

CACHE_BYTES = 2048 * MIB


@dataclass(frozen=True)
class Pattern:
    """One way to read: request size, distance from one to the next, how many at once, how many in all."""

    name: str
    size: int
    step: int
    depth: int
    count: int


WARM = (
    Pattern("4 KiB random, 64 at once", 4096, 4096 * 1021, 64, 60000),
    Pattern("4 KiB random, 1 at once", 4096, 4096 * 1021, 1, 20000),
    Pattern("64 KiB sequential, 16 at once", 65536, 65536, 16, 8000),
    Pattern("64 KiB sequential, 1 at once", 65536, 65536, 1, 6000),
    Pattern("512 KiB sequential, 16 at once", 524288, 524288, 16, 1000),
    Pattern("512 KiB sequential, 1 at once", 524288, 524288, 1, 1000),
)
COLD = (
    Pattern("4 KiB random, 16 at once", 4096, 4096 * 1021, 16, 1000),
    Pattern("4 KiB random, 1 at once", 4096, 4096 * 1021, 1, 500),
    Pattern("64 KiB sequential, 16 at once", 65536, 65536, 16, 7000),
    Pattern("512 KiB sequential, 16 at once", 524288, 524288, 16, 800),
)


@contextmanager
def qemu_nbd(qcow2: Path, work: Path) -> Iterator[str]:
    """Serve a qcow2 as the peer does; yield its NBD name."""
    path = work / "peer.sock"
    words = ["qemu-nbd", "-r", "-t", "-f", "qcow2", "-x", "disk", "--shared=4", "-k", path, qcow2]
    with subprocess.Popen(words) as process:
        try:
            while not path.exists():
                time.sleep(0.01)
            yield f"nbd:unix:{path}:exportname=disk"
        finally:
            process.terminate()
    path.unlink(missing_ok=True)


@contextmanager
def blockd(store: Path, root: str, work: Path) -> Iterator[str]:
    """Serve a tree with a cold cache; yield its NBD name."""
    server = BlockServer.start(fresh(work, "d"), f"file://{store}", memory_bytes=CACHE_BYTES)
    try:
        yield f"nbd:unix:{server.socket_path}:exportname=tree/{root}"
    finally:
        server.stop()


def read_all(name: str) -> None:
    """Read every byte once, which warms every cache."""
    path, export = re.fullmatch(r"nbd:unix:(.*):exportname=(.*)", name).groups()
    run("nbdcopy", f"nbd+unix:///{export}?socket={path}", "null:")


def requests_per_s(name: str, pattern: Pattern, offset: int) -> float:
    """Have QEMU's own client read by a pattern."""
    words = ["qemu-img", "bench", "-f", "raw", "-c", pattern.count, "-d", pattern.depth, "-s", pattern.size]
    done = subprocess.run(
        [*map(str, words), "-S", str(pattern.step), "-o", str(offset), name], check=True, capture_output=True, text=True
    )
    return pattern.count / float(re.search(r"in ([\d.]+) seconds", done.stdout)[1])


def data_disk(raw: Path, work: Path) -> Path:
    """Return a disk of the image's data alone, so that no reader is measured on holes."""
    packed = work / "packed.raw"
    zeros = bytes(MIB)
    with raw.open("rb") as source, packed.open("wb") as target:
        while block := source.read(MIB):
            if block != zeros[: len(block)]:
                target.write(block)
    return packed


def main() -> None:
    chosen = measuring.arguments(__doc__, runs=3)
    with measuring.workplace(chosen) as work:
        raw, _ = measuring.images(chosen, work)
        disk, qcow2, store = data_disk(raw, work), work / "packed.qcow2", fresh(work, "store")
        raw.unlink() if raw.parent == work else None
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, qcow2)
        with RegionStore.open(f"file://{store}") as opened:
            root = opened.ingest_file(disk)
        rows = []
        with blockd(store, root, work) as ours, qemu_nbd(qcow2, work) as theirs:
            read_all(ours)
            read_all(theirs)
            for pattern in WARM:
                pairs = [(requests_per_s(ours, pattern, 0), requests_per_s(theirs, pattern, 0)) for _ in range(chosen.runs)]
                rows.append(row(f"warm, {pattern.name}", pattern, pairs))
        for pattern in COLD:
            pairs = []
            for _ in range(chosen.runs):
                with blockd(store, root, work) as ours, qemu_nbd(qcow2, work) as theirs:
                    pairs.append((requests_per_s(ours, pattern, 0), requests_per_s(theirs, pattern, 0)))
            rows.append(row(f"cold, {pattern.name}", pattern, pairs))
        head = ["cold: server just started, files in the page cache", "ours/s", "MiB/s", "qemu-nbd/s", "MiB/s", "ours : theirs"]
        measuring.table(f"reads by qemu-img bench, medians of {chosen.runs}, peer on an uncompressed qcow2", head, rows)


def row(name: str, pattern: Pattern, pairs: list[tuple[float, float]]) -> list[str]:
    """Return one line of the table."""
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    speeds = [text for rate in (ours, theirs) for text in (f"{rate:.0f}", f"{rate * pattern.size / MIB:.0f}")]
    return [name, *speeds, f"{ours / theirs:.2f}"]


if __name__ == "__main__":
    main()
