"""Launch: what we add between RunInstances and a guest that reads its first sector, beside what QEMU itself takes for it.

Our part is from the request's departure to the execution of QEMU, and what the block server takes to answer the first read. It is
to be under 100 ms, for one guest and for each of twenty, whatever the image's size. The peer is the same QEMU command line on an
overlay that qemu-img makes on a local raw file, as tools around libvirt do it.
"""

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bed import Bed, Launched, PlainGuests, TinyGuest, build_tiny_guest, opened_bed, until, verdict
from measuring import run, table

LIMIT_MS = 100
AIM_MS = 50


@dataclass(frozen=True)
class Times:
    """One guest's way to its first sector, in milliseconds."""

    before: float
    """From the request to the execution of QEMU."""
    qemu: float
    """From there to its first read."""
    reply: float
    """From there to the answer."""

    @property
    def ours(self) -> float:
        """What we add."""
        return self.before + self.reply


@dataclass(frozen=True)
class Round:
    """Guests that were launched alike: their times, how long the call took, and the service's own account of its steps."""

    times: tuple[Times, ...]
    call: float
    steps: tuple[Mapping[str, float], ...]


def launched(bed: Bed, image_id: str, count: int) -> Round:
    """Launch guests from a cold block cache, and end them once each has read."""
    bed.drop_caches()
    call = bed.launch(image_id, count)
    steps = bed.await_running(call.ids)
    readers = until("the first reads", lambda: _all_read(bed, call))
    times = tuple(_times(bed, call, one, readers[bed.process(one)]) for one in call.ids)
    bed.terminate(call.ids)
    return Round(times, 1000 * (call.answered_s - call.asked_s), tuple(steps.values()))


def _all_read(bed: Bed, call: Launched) -> Mapping[int, Mapping[str, Any]] | None:
    readers = bed.readers()
    return readers if all(readers.get(bed.process(one), {}).get("first_reply_s") for one in call.ids) else None


def _times(bed: Bed, call: Launched, instance_id: str, reader: Mapping[str, Any]) -> Times:
    executed_s, first_read_s = bed.executed_s(instance_id), reader["first_read_s"]
    return Times(
        before=1000 * (executed_s - call.asked_s),
        qemu=1000 * (first_read_s - executed_s),
        reply=1000 * (reader["first_reply_s"] - first_read_s),
    )


def plain(peers: PlainGuests, count: int) -> tuple[Times, ...]:
    """Start so many peers, two at a time as far as they come up, and leave them on until all have read."""
    asked_s = time.time()
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        guests = list(pool.map(lambda _: stack.enter_context(peers.started()), range(count)))
        return tuple(
            Times(1000 * (guest.executed_s - asked_s), 1000 * (guest.first_read_s() - guest.executed_s), 0.0) for guest in guests
        )


def show(rows: Mapping[str, Sequence[Times]]) -> None:
    head = ("", "request → QEMU", "most", "first read", "most", "ours", "most", "QEMU's own", "request → first sector")
    table("milliseconds, medians", head, [_row(name, times) for name, times in rows.items()])


def _row(name: str, times: Sequence[Times]) -> tuple[str, ...]:
    before, reply, ours = ([getattr(one, part) for one in times] for part in ("before", "reply", "ours"))
    is_peer = not any(reply)
    pairs = [f"{figure(part):.1f}" for part in (before, reply, ours) for figure in (statistics.median, max)]
    if is_peer:
        pairs[2:] = ["-"] * 4
    own = statistics.median(one.qemu for one in times)
    return (name, *pairs, f"{own:.1f}", f"{statistics.median(one.ours + one.qemu for one in times):.1f}")


def judge(rows: Mapping[str, Sequence[Times]]) -> None:
    """Print each figure beside its limit; twenty at once wait for each other, so what each adds to the wait is shown as well."""
    judged = []
    for name, times in rows.items():
        ours = [one.ours for one in times]
        middle, most = statistics.median(ours), max(ours)
        share = most / int(name.split()[0])
        judged.append((name, f"{middle:.1f}", verdict(middle, LIMIT_MS), verdict(middle, AIM_MS), f"{most:.1f}", f"{share:.1f}"))
    head = ("our part, ms", "median", f"≤ {LIMIT_MS}", f"≤ {AIM_MS}", "most", "most / guests")
    table("target: our part of a launch, whatever the image's size", head, judged)


def show_steps(name: str, rounds: Sequence[Round]) -> None:
    """Print the service's own account: what it measured of each step."""
    parts = {
        part: statistics.median(step[part] for one in rounds for step in one.steps)
        for part in ("queue", "prepare", "spawn", "ready")
    }
    shown = ", ".join(f"{part} {value:.1f}" for part, value in parts.items())
    print(f"{name}: the call {statistics.median(one.call for one in rounds):.1f}; {shown} (medians in ms, as the service tells)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fill-mb", type=int, default=2048, help="data on the disk of 20 GB")
    parser.add_argument("--many", type=int, default=20, help="guests of the larger launch")
    parser.add_argument("--runs", type=int, default=5, help="launches of one guest; of many there are two")
    chosen = parser.parse_args()
    small, large = TinyGuest(), TinyGuest(size_gb=20, fill_mb=chosen.fill_mb)
    disks = {"1 GB": build_tiny_guest(small), f"20 GB with {chosen.fill_mb} MB": build_tiny_guest(large)}
    rows: dict[str, Sequence[Times]] = {}
    peer_rows: dict[str, Sequence[Times]] = {}
    with opened_bed() as bed:
        images = {name: bed.image(disk, f"bench-{number}") for number, (name, disk) in enumerate(disks.items())}
        for count, runs in ((1, chosen.runs), (chosen.many, 2)):
            for name, image_id in images.items():
                rounds = [launched(bed, image_id, count) for _ in range(runs)]
                rows[f"{count} of {name}"] = [times for one in rounds for times in one.times]
                show_steps(f"{count} of {name}", rounds)
        base = bed.folder / "base.raw"
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", disks["1 GB"], base)
        peers = PlainGuests.like(bed, images["1 GB"], base)
        for count, runs in ((1, chosen.runs), (chosen.many, 1)):
            peer_rows[f"{count} plain QEMU on 1 GB"] = [times for _ in range(runs) for times in plain(peers, count)]
    print()
    show({**rows, **peer_rows})
    judge(rows)


if __name__ == "__main__":
    main()
