"""Live image: what it costs to take an image of a running guest, and what the guest notices of it.

The guest has a disk of 20 GB and writes 10 MB in one case, 500 MB in the other; then an image is taken, another 10 MB are
written, and a second image is taken. Cost is to follow the change. A program in the guest reads the guest's clock a hundred
times a second; the longest gap while an image is taken is to be within 50 ms of the longest gap in idle time of the same length.
The peer does as Nova's snapshots do: `qemu-img convert` of overlay and base together, of the stopped guest.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bed import READY, Bed, TinyGuest, build_tiny_guest, drop_page_cache, in_guest, opened_bed, until, verdict
from measuring import MIB, run, seconds, table

LIMIT_MS = 50
IDLE_LEAST_S = 5.0
MARGIN_S = 0.5

TICKER = """
exec awk 'BEGIN {
  while ((getline stop < "/run/stop") < 0) {
    getline now < "/proc/uptime"; close("/proc/uptime"); split(now, part, " "); print part[1]; system("usleep 10000")
  }
}'
"""


@dataclass(frozen=True)
class Taken:
    """One image: what was written before it, how long it took, what the store gained, and the longest gaps in milliseconds."""

    name: str
    written_mb: int
    seconds: float
    added_bytes: int
    gap_ms: float
    idle_gap_ms: float

    @property
    def pause_ms(self) -> float:
        """What the guest noticed beyond what it notices anyway."""
        return max(0.0, self.gap_ms - self.idle_gap_ms)


class Guest:
    """A running guest that is watched from inside."""

    def __init__(self, bed: Bed, image_id: str) -> None:
        self._bed = bed
        (self.instance_id,) = bed.launch(image_id, 1).ids
        bed.await_running([self.instance_id])
        console = bed.machine(self.instance_id) / "console.log"
        until("the boot", lambda: READY.encode() in console.read_bytes() or None)
        self._address = bed.address(self.instance_id)
        self._files = 0

    def write(self, size_mb: int) -> None:
        """Write so much fresh random data."""
        self._files += 1
        in_guest(self._address, f"dd if=/dev/urandom of=/state/new-{self._files} bs=1M count={size_mb} conv=fsync")

    def take_image(self, name: str, written_mb: int) -> Taken:
        """Take an image, then leave the guest idle for as long; watch it through both."""
        with ThreadPoolExecutor(1) as pool:
            in_guest(self._address, "rm -f /run/stop")
            ticking = pool.submit(in_guest, self._address, TICKER)
            time.sleep(2 * MARGIN_S)
            asked_s = self._uptime_s()
            time.sleep(MARGIN_S)
            begun = time.monotonic()
            image_id = self._bed.call("CreateImage", InstanceId=self.instance_id, ImageName=name).ImageId
            self._bed.await_image(image_id)
            took_s = time.monotonic() - begun
            time.sleep(MARGIN_S)
            taken_s = self._uptime_s()
            time.sleep(max(IDLE_LEAST_S, taken_s - asked_s))
            idle_s = self._uptime_s()
            in_guest(self._address, "echo > /run/stop")
            ticks = [float(line) for line in ticking.result().split()]
        usage = self._bed.call_own("DescribeImageUsage", ImageIds=[image_id])["ImageUsageSet"][0]
        gap, idle_gap = longest_gap_ms(ticks, asked_s, taken_s), longest_gap_ms(ticks, taken_s, idle_s)
        return Taken(name, written_mb, took_s, usage["AddedBytes"], gap, idle_gap)

    def _uptime_s(self) -> float:
        return float(in_guest(self._address, "cat /proc/uptime").split()[0])


def longest_gap_ms(ticks: Sequence[float], begin_s: float, end_s: float) -> float:
    """Return the longest time between two ticks of a window. Ticks are exact to 10 ms."""
    seen = [tick for tick in ticks if begin_s <= tick <= end_s]
    assert len(seen) > 10, "the guest does not tick"
    return 1000 * max(after - before for before, after in pairwise(seen))


def converted(bed: Bed, guest: Guest, base: Path) -> tuple[float, int]:
    """Return the seconds and the bytes of the peer's image of a guest, which is stopped for it."""
    bed.stop(guest.instance_id)
    overlay = next(bed.machine(guest.instance_id).glob("disk-*.qcow2"))
    out = bed.folder / "peer.qcow2"
    disk = f"driver=qcow2,file.driver=file,file.filename={overlay},backing.driver=raw"
    whole = f"{disk},backing.file.driver=file,backing.file.filename={base}"
    drop_page_cache()

    def convert() -> None:
        run("qemu-img", "convert", "--image-opts", "-O", "qcow2", whole, out)
        run("sync", "-f", out)

    took_s = seconds(convert)
    held = out.stat().st_blocks * 512
    out.unlink()
    return took_s, held


def measured(bed: Bed, image_id: str, base: Path, written_mb: int, more_mb: int) -> tuple[list[Taken], tuple[float, int]]:
    """Take two images of a new guest, the second after a small change, and let the peer take one."""
    guest = Guest(bed, image_id)
    taken = []
    for number, size_mb in enumerate((written_mb, more_mb), 1):
        guest.write(size_mb)
        taken.append(guest.take_image(f"after-{written_mb}-{number}", size_mb))
    peer = converted(bed, guest, base)
    bed.terminate([guest.instance_id])
    return taken, peer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fill-mb", type=int, default=512, help="data on the disk before")
    parser.add_argument("--small-mb", type=int, default=10)
    parser.add_argument("--large-mb", type=int, default=500)
    chosen = parser.parse_args()
    disk = build_tiny_guest(TinyGuest(size_gb=20, fill_mb=chosen.fill_mb))
    rows, all_taken = [], []
    with opened_bed() as bed:
        base = bed.folder / "base.raw"
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, base)
        image_id = bed.image(disk, "bench")
        for size_mb in (chosen.small_mb, chosen.large_mb):
            taken, (peer_s, peer_bytes) = measured(bed, image_id, base, size_mb, chosen.small_mb)
            all_taken += taken
            for number, one in enumerate(taken):
                which = "first image" if number == 0 else "second image"
                rows.append((f"{which}, {one.written_mb} MB written", *cells(one), f"{peer_s / one.seconds:.1f} x"))
            peer = (f"{peer_s:.2f}", f"{peer_bytes / MIB:.0f}", "-", "-", "-", "1.0 x")
            rows.append((f"qemu-img convert of it all ({size_mb} + {chosen.small_mb} MB), stopped", *peer))
    head = ("20 GB disk", "seconds", "MiB stored", "gap ms", "idle gap ms", "pause ms", "faster by")
    table("CreateImage of a running guest", head, rows)
    judge(all_taken)


def cells(one: Taken) -> tuple[str, ...]:
    gaps = (one.gap_ms, one.idle_gap_ms, one.pause_ms)
    return (f"{one.seconds:.2f}", f"{one.added_bytes / MIB:.1f}", *(f"{gap:.0f}" for gap in gaps))


def judge(taken: Sequence[Taken]) -> None:
    worst = max(one.pause_ms for one in taken)
    middle = statistics.median(one.pause_ms for one in taken)
    print(
        f"pause beyond idle: at most {worst:.0f} ms, median {middle:.0f} ms; target ≤ {LIMIT_MS} ms: {verdict(worst, LIMIT_MS)}"
    )
    ratios = [one.added_bytes / MIB / one.written_mb for one in taken]
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"stored per written byte: {shown}; cost follows the change (each ≤ 2.00): {verdict(max(ratios), 2.0)}")


if __name__ == "__main__":
    main()
