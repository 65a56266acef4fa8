"""Boot: the same guest to the same line on its console, from our tree and from a local qcow2 overlay on a raw file.

Both run the same QEMU command line; ours has the block server under the overlay. Every boot is cold: the block server and, for
root, the kernel have forgotten what they held in memory. The two take turns, and which goes first alternates.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bed import READY, Bed, PlainGuests, TinyGuest, build_tiny_guest, drop_page_cache, opened_bed, until, verdict
from measuring import run, table

LIMIT = 1.10
AIM = 1.03


def console_shows(marker: str, folder: Path) -> Callable[[], float | None]:
    """Return a function that tells when the marker is on a guest's console, None while it is not."""

    def look() -> float | None:
        log = folder / "console.log"
        return time.time() if log.exists() and marker.encode() in log.read_bytes() else None

    return look


def booted(bed: Bed, image_id: str, marker: str) -> float:
    """Return the seconds from the execution of QEMU to the marker, for a guest of ours."""
    bed.drop_caches()
    call = bed.launch(image_id, 1)
    (instance_id,) = call.ids
    folder = bed.machine(instance_id)
    shown_s = until("the marker", console_shows(marker, folder), poll_s=0.01, deadline_s=600)
    took_s = shown_s - bed.executed_s(instance_id)
    bed.await_running(call.ids)
    bed.terminate(call.ids)
    return took_s


def plainly_booted(peers: PlainGuests, marker: str) -> float:
    """Return the same for the peer."""
    drop_page_cache()
    with peers.started() as guest:
        shown_s = until("the marker", console_shows(marker, guest.folder), poll_s=0.01, deadline_s=600)
        return shown_s - guest.executed_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="a qcow2 disk; else the tiny guest")
    parser.add_argument("--marker", default=READY, help="what its serial console shows when it is up (a Debian: 'login:')")
    parser.add_argument("--runs", type=int, default=7, help="boots of each kind, after one that warms nothing but the programs")
    chosen = parser.parse_args()
    disk = chosen.image or build_tiny_guest(TinyGuest())
    ours: list[float] = []
    plain: list[float] = []
    with opened_bed() as bed:
        base = bed.folder / "base.raw"
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, base)
        image_id = bed.image(disk, "bench")
        peers = PlainGuests.like(bed, image_id, base)
        plainly_booted(peers, chosen.marker)
        turns = (
            (ours, lambda: booted(bed, image_id, chosen.marker)),
            (plain, lambda: plainly_booted(peers, chosen.marker)),
        )
        for number in range(chosen.runs):
            for taken, boot in turns if number % 2 else reversed(turns):
                taken.append(boot())
    show(ours, plain)


def show(ours: list[float], plain: list[float]) -> None:
    rows = [
        (name, f"{statistics.median(taken):.2f}", f"{min(taken):.2f}", f"{max(taken):.2f}")
        for name, taken in (("from our tree, through the block server", ours), ("from a local overlay on a raw file", plain))
    ]
    table("seconds from QEMU's execution to the marker, cold", ("", "median", "least", "most"), rows)
    ratio = statistics.median(ours) / statistics.median(plain)
    paired = statistics.median(mine / other for mine, other in zip(ours, plain, strict=True))
    print(f"ratio of the medians {ratio:.3f}, median of the ratios {paired:.3f}")
    print(f"target ≤ {LIMIT:.2f}: {verdict(ratio, LIMIT)}; aim ≤ {AIM:.2f}: {verdict(ratio, AIM)}")


if __name__ == "__main__":
    main()
