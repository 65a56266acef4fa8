"""Snapshots: what one costs after changes of several sizes and kinds, and what going back to one costs.

A disk of 20 GB gets 2 GB of programs and libraries and a first snapshot; then 1 % and 10 % of the data are overwritten, at random
in blocks of 4 and 64 KiB or in one run, and a snapshot follows each. The peers see the same disk: `qemu-img convert -c` of all it
holds, restic and borg of the disk as a raw file (which has been made before, at no charge), and fixed chunks of 4 MiB, as Proxmox
Backup Server has them, compressed as ours are. The instance is off, so that nothing but the snapshot takes time; marks in its
overlay tell what changed, as they do while it runs.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard
from bed import REGION, Bed, TinyGuest, build_tiny_guest, opened_bed, until, verdict
from blake3 import blake3
from import_image import BORG, RESTIC
from measuring import MIB, held_bytes, make_durable, run, seconds, synthetic_image, table

PIECES = 512
PIECE_BYTES = 64 * 1024
LARGE_CHUNK_BYTES = 4 * MIB
RESTORE_MS = 100


@dataclass(frozen=True)
class Change:
    """A part of the data overwritten, in blocks of a size at random, or in one run where that is 0."""

    share: float
    block_kib: int

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"{self.share:.0%} in {f'{self.block_kib} KiB at random' if self.block_kib else 'one run'}"


CHANGES = [Change(share, block_kib) for share in (0.01, 0.1) for block_kib in (4, 64, 0)]


class TheDisk:
    """A data disk of an instance that is off, written to from outside as QEMU writes."""

    def __init__(self, bed: Bed, image_id: str, work: Path, *, size_gb: int, data_mb: int) -> None:
        self._bed = bed
        self._work = work
        self._data_bytes = data_mb * MIB
        self._dice = random.Random(5)  # noqa: S311 - the same every time
        self.instance_id = bed.launch_with_disk(image_id, size_gb)
        bed.stop(self.instance_id)
        self.disk_id = next(disk.DiskId for disk in bed.cbs("DescribeDisks").DiskSet if disk.DiskUsage == "DATA_DISK")
        self.overlay = bed.machine(self.instance_id) / f"{self.disk_id}.qcow2"
        self._pieces: list[Path] = []

    def fill(self) -> None:
        """Write the data."""
        source = synthetic_image(self._work / "source.raw", self._data_bytes)
        with source.open("r+b") as data:
            data.truncate(self._data_bytes)
            for number in range(PIECES):
                data.seek(self._dice.randrange(self._data_bytes // 2))
                piece = self._work / f"piece-{number}"
                piece.write_bytes(data.read(PIECE_BYTES).ljust(PIECE_BYTES, b"."))
                self._pieces.append(piece)
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", source, self.overlay)
        source.unlink()

    def change(self, change: Change) -> None:
        """Overwrite a part of the data."""
        script = "\n".join(self._writes(change))
        file = self._work / "writes"
        file.write_text(script + "\n")
        run("sh", "-c", f"qemu-io -f qcow2 {self.overlay} < {file}")

    def _writes(self, change: Change) -> Iterator[str]:
        size = change.block_kib * 1024 or PIECE_BYTES
        count = int(self._data_bytes * change.share) // size
        begin = self._dice.randrange(self._data_bytes // 2)
        for number in range(count):
            anywhere = self._dice.randrange(self._data_bytes // size) * size
            at = anywhere if change.block_kib else (begin + number * size) // size * size
            yield f"write -q -s {self._dice.choice(self._pieces)} {at} {size}"

    def snapshot(self) -> tuple[str, float]:
        """Take a snapshot; return its id and the seconds until it was NORMAL."""
        begun = time.monotonic()
        snapshot_id = self._bed.cbs("CreateSnapshot", DiskId=self.disk_id, SnapshotName="bench").SnapshotId
        until("the snapshot", lambda: self._state(snapshot_id) == "NORMAL" or None, deadline_s=600, poll_s=0.01)
        return str(snapshot_id), time.monotonic() - begun

    def go_back(self, snapshot_id: str) -> float:
        """Roll the disk back; return the seconds until it was back."""
        begun = time.monotonic()
        self._bed.cbs("ApplySnapshot", SnapshotId=snapshot_id, DiskId=self.disk_id)
        until("the rollback", lambda: self._disk_state() == "ATTACHED" or None, poll_s=0.005)
        return time.monotonic() - begun

    def _state(self, snapshot_id: str) -> str:
        (found,) = self._bed.cbs("DescribeSnapshots", SnapshotIds=[snapshot_id]).SnapshotSet
        return str(found.SnapshotState)

    def _disk_state(self) -> str:
        (found,) = self._bed.cbs("DescribeDisks", DiskIds=[self.disk_id]).DiskSet
        return str(found.DiskState)


class Peer:
    """A program that keeps one state of the disk after the other."""

    def __init__(self, name: str, keep: Callable[[Path, Path], None], place: Path) -> None:
        self.name = name
        self._keep = keep
        self._place = place

    def cost(self, raw: Path, overlay: Path) -> tuple[float, int]:
        """Return seconds and bytes that the present state takes."""
        before = held_bytes(self._place)

        def keep() -> None:
            self._keep(raw, overlay)
            make_durable(self._place)

        return seconds(keep), held_bytes(self._place) - before


def peers(work: Path) -> list[Peer]:
    """Return the peers with their places made."""
    images, restic, borg = (work / name for name in ("images", "restic", "borg"))
    for place in (images, restic):
        place.mkdir()
    run("restic", "init", "--repo", restic, **RESTIC)
    run("borg", "init", "--encryption", "none", borg, **BORG)
    count = iter(range(100))

    def convert(_raw: Path, overlay: Path) -> None:
        out = images / f"{next(count)}.qcow2"
        run("qemu-img", "convert", "-c", "-f", "qcow2", "-O", "qcow2", overlay, out)

    return [
        Peer("qemu-img convert -c", convert, images),
        Peer("restic", lambda raw, _: run("restic", "backup", "--repo", restic, raw, **RESTIC), restic),
        Peer("borg", lambda raw, _: run("borg", "create", "--sparse", f"{borg}::{next(count)}", raw, **BORG), borg),
    ]


class LargeChunks:
    """Counts what fixed chunks of 4 MiB would store."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._compressor = zstandard.ZstdCompressor(level=1)

    def added(self, raw: Path) -> int:
        """Return the compressed bytes of the chunks that were not there."""
        total = 0
        with raw.open("rb") as disk:
            while data := disk.read(LARGE_CHUNK_BYTES):
                digest = blake3(data).digest()
                if digest not in self._known and data.count(0) != len(data):
                    self._known.add(digest)
                    total += len(self._compressor.compress(data))
        return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-gb", type=int, default=20)
    parser.add_argument("--data-mb", type=int, default=2048)
    parser.add_argument("--most", type=float, default=1.0, help="the largest share of the data to change")
    chosen = parser.parse_args()
    with opened_bed() as bed:
        work = bed.folder / "work"
        work.mkdir()
        image_id = bed.image(build_tiny_guest(TinyGuest()), "bench")
        disk = TheDisk(bed, image_id, work, size_gb=chosen.size_gb, data_mb=chosen.data_mb)
        disk.fill()
        measure(bed, disk, work, [change for change in CHANGES if change.share <= chosen.most])


def measure(bed: Bed, disk: TheDisk, work: Path, changes: Sequence[Change]) -> None:
    """Take a snapshot of each state of the disk, and let the peers keep it."""
    rivals, large = peers(work), LargeChunks()
    raw = work / "disk.raw"
    store = bed.store(REGION)
    rows: list[tuple[str, ...]] = []
    ratios: dict[str, tuple[float, float]] = {}
    first = ""
    for change in (None, *changes):
        if change is not None:
            disk.change(change)
        os.sync()  # what was written before is nobody's cost
        before = held_bytes(store)
        snapshot_id, ours_s = disk.snapshot()
        first = first or snapshot_id
        ours_bytes = held_bytes(store) - before
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk.overlay, raw)
        costs = [rival.cost(raw, disk.overlay) for rival in rivals]
        large_bytes = large.added(raw)
        name = change.name if change else f"first, {disk_data(raw) / MIB:.0f} MiB"
        shown = [f"{took_s:.2f} s {held / MIB:.1f}" for took_s, held in costs]
        rows.append((name, f"{ours_s:.2f} s {ours_bytes / MIB:.1f}", *shown, f"{large_bytes / MIB:.1f}"))
        print("  ".join(rows[-1]), flush=True)
        ratios[name] = (min(took_s for took_s, _ in costs) / ours_s, ours_bytes / max(large_bytes, 1))
    head = ("seconds, MiB added", "ours", *(rival.name for rival in rivals), "4 MiB chunks")
    table("CreateSnapshot", head, rows)
    for name, (faster, size) in ratios.items():
        print(f"{name}: {faster:.1f} x the fastest full pass's speed, {size:.2f} x the bytes of 4 MiB chunks")
    print()
    restore(disk, first, raw)


def disk_data(raw: Path) -> int:
    return raw.stat().st_blocks * 512


def restore(disk: TheDisk, snapshot_id: str, raw: Path) -> None:
    """Go back to the first snapshot, several times, and let the peer make a raw disk."""
    ours = [disk.go_back(snapshot_id) for _ in range(5)]
    out = raw.with_suffix(".restored")
    peer_s = seconds(lambda: (run("qemu-img", "convert", "-O", "raw", disk.overlay, out), make_durable(out.parent)))
    middle_ms = 1000 * statistics.median(ours)
    rows = [
        ("ApplySnapshot", f"{middle_ms:.0f}"),
        ("qemu-img convert to raw (of the disk as it was last)", f"{1000 * peer_s:.0f}"),
    ]
    table("going back to the first snapshot", ("", "milliseconds"), rows)
    print(f"target ≤ {RESTORE_MS} ms: {verdict(middle_ms, RESTORE_MS)}")


if __name__ == "__main__":
    main()
