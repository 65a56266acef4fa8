"""What a guest notices of a snapshot: how long its writes take before, during and after one.

A guest writes blocks of 4 KiB to random places of a data disk, each made durable before the next, as a database does. QEMU counts
how long each write and each flush took that the guest asked for. The peer is QEMU's own `drive-backup` of the same disk of the
same guest to a local qcow2 file. Both copy the same data while the guest writes.
"""

import argparse
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from bed import READY, Bed, TinyGuest, build_tiny_guest, in_guest, opened_bed, until, verdict
from measuring import run, table

QUIET_S = 6.0
WORST_RATIO = 1.2
BOUNDARIES_NS = [int(10_000 * 1.12**step) for step in range(140)]
"""From 10 µs to over a minute, 12 % apart."""

WRITER = """
while [ ! -e /run/stop ]; do
  at=$(( (RANDOM * 32768 + RANDOM) % {blocks} ))
  dd if=/dev/urandom of=/dev/vdb bs=4096 count=1 seek=$at conv=notrunc,fsync 2>/dev/null || exit
done
"""


@dataclass(frozen=True)
class Latency:
    """What writes and flushes together took."""

    counts: tuple[int, ...]

    def percentile_ms(self, share: float) -> float:
        """Return the upper end of the bin in which the percentile lies."""
        if not any(self.counts):
            raise SystemExit("the guest did not write")
        wanted = share * sum(self.counts)
        number = next(number for number, seen in enumerate(accumulate(self.counts)) if seen >= wanted)
        return BOUNDARIES_NS[min(number, len(BOUNDARIES_NS) - 1)] / 1e6


class Monitor:
    """A conversation with a machine's QEMU, while the service has none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def execute(self, command: str, **arguments: object) -> Any:  # noqa: ANN401  # whatever QEMU answers
        """Return what QEMU answers to an order."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
            folder = os.open(self._path.parent, os.O_PATH)
            try:
                connected.connect(f"/proc/self/fd/{folder}/{self._path.name}")
            finally:
                os.close(folder)
            with connected.makefile("rwb") as lines:
                lines.readline()
                self._ask(lines, {"execute": "qmp_capabilities"})
                return self._ask(lines, {"execute": command, "arguments": arguments})

    @staticmethod
    def _ask(lines: Any, order: dict[str, Any]) -> Any:  # noqa: ANN401  # a socket's file
        lines.write(json.dumps(order).encode() + b"\n")
        lines.flush()
        while True:
            answer = json.loads(lines.readline())
            if "error" in answer:
                raise SystemExit(f"{order}: {answer['error']}")
            if "return" in answer:
                return answer["return"]


class Watched:
    """A guest that writes, and whose writes are counted."""

    def __init__(self, bed: Bed, image_id: str, size_gb: int, data_mb: int) -> None:
        self._bed = bed
        self.instance_id = bed.launch_with_disk(image_id, size_gb)
        machine = bed.machine(self.instance_id)
        until("the boot", lambda: READY.encode() in (machine / "console.log").read_bytes() or None)
        self._address = bed.address(self.instance_id)
        self.disk_id = next(disk.DiskId for disk in bed.cbs("DescribeDisks").DiskSet if disk.DiskUsage == "DATA_DISK")
        self.monitor = Monitor(machine / "control.sock")
        self._qdev = self._device()
        self._blocks = data_mb * 256
        in_guest(self._address, f"dd if=/dev/urandom of=/dev/vdb bs=1M count={data_mb} conv=fsync")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have the guest write meanwhile."""
        in_guest(self._address, "rm -f /run/stop")
        writer = threading.Thread(target=in_guest, args=(self._address, WRITER.format(blocks=self._blocks)))
        writer.start()
        try:
            time.sleep(1.0)
            yield
        finally:
            in_guest(self._address, "echo > /run/stop")
            writer.join()

    def latency(self, during: Callable[[], object]) -> Latency:
        """Return what writes took while something was done."""
        self.monitor.execute("block-latency-histogram-set", id=self._qdev, boundaries=BOUNDARIES_NS)
        during()
        (stats,) = [one for one in self.monitor.execute("query-blockstats") if one.get("qdev") == self._qdev]
        both = [stats["stats"][f"{kind}_latency_histogram"]["bins"] for kind in ("wr", "flush")]
        return Latency(tuple(map(sum, zip(*both, strict=True))))

    def _device(self) -> str:
        for found in self.monitor.execute("query-block"):
            if found.get("inserted", {}).get("node-name") == self.disk_id:
                return str(found["qdev"])
        raise SystemExit("the data disk is not there")


def ours(bed: Bed, guest: Watched, *, number: int) -> None:  # noqa: ARG001  # the peer needs it
    snapshot_id = bed.cbs("CreateSnapshot", DiskId=guest.disk_id).SnapshotId

    def look() -> bool | None:
        return bed.cbs("DescribeSnapshots", SnapshotIds=[snapshot_id]).SnapshotSet[0].SnapshotState == "NORMAL" or None

    until("the snapshot", look, deadline_s=900, poll_s=0.1)


def theirs(bed: Bed, guest: Watched, *, number: int) -> None:
    folder = bed.machine(guest.instance_id)
    target = folder / f"peer-{number}.qcow2"
    size = guest.monitor.execute("query-named-block-nodes", flat=True)
    virtual = next(node["image"]["virtual-size"] for node in size if node["node-name"] == guest.disk_id)
    run("qemu-img", "create", "-f", "qcow2", target, str(virtual))
    shutil.chown(target, (folder / f"{guest.disk_id}.qcow2").stat().st_uid)
    order = {"device": guest.disk_id, "target": target.name, "format": "qcow2", "mode": "existing", "sync": "full"}
    guest.monitor.execute("drive-backup", **{"job-id": "peer"}, **order)
    until("the peer's backup", lambda: not guest.monitor.execute("query-block-jobs") or None, deadline_s=900, poll_s=0.1)
    target.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-gb", type=int, default=20)
    parser.add_argument("--data-mb", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with opened_bed() as bed:
        image_id = bed.image(build_tiny_guest(TinyGuest()), "bench")
        pairs: list[tuple[str, Callable[..., object]]] = [
            ("CreateSnapshot", partial(ours, bed)),
            ("drive-backup to a local qcow2", partial(theirs, bed)),
        ]
        found: dict[str, list[Latency]] = {}
        for number in range(chosen.runs):
            for name, take in pairs:
                moments = watch(Watched(bed, image_id, chosen.size_gb, chosen.data_mb), partial(take, number=number))
                for moment, latency in moments.items():
                    found.setdefault(f"{name}: {moment}", []).append(latency)
                bed.terminate([instance.InstanceId for instance in bed.call("DescribeInstances").InstanceSet])
    report(found, [name for name, _ in pairs])


def watch(guest: Watched, take: Callable[[Watched], object]) -> dict[str, Latency]:
    """Return what the guest's writes took before, during and after."""
    with guest.writing():
        before = guest.latency(lambda: time.sleep(QUIET_S))
        begun = time.monotonic()
        during = guest.latency(lambda: take(guest))
        took_s = time.monotonic() - begun
        after = guest.latency(lambda: time.sleep(QUIET_S))
    print(f"{guest.instance_id}: {took_s:.1f} s")
    return {"before": before, "during": during, "after": after}


def report(found: dict[str, list[Latency]], names: Sequence[str]) -> None:
    """Print what was counted over all runs."""
    merged = {key: Latency(tuple(map(sum, zip(*(one.counts for one in each), strict=True)))) for key, each in found.items()}
    rows = [
        (key, str(sum(latency.counts)), *(f"{latency.percentile_ms(share):.2f}" for share in (0.5, 0.99, 0.999)))
        for key, latency in merged.items()
    ]
    table(
        "writes and flushes of 4 KiB, each durable, as the guest's disk saw them",
        ("", "count", "p50 ms", "p99 ms", "p99.9 ms"),
        rows,
    )
    mine, peer = (merged[f"{name}: during"].percentile_ms(0.99) for name in names)
    print(f"p99 during: {mine / peer:.2f} x QEMU's own; target ≤ {WORST_RATIO}: {verdict(mine / peer, WORST_RATIO)}")


if __name__ == "__main__":
    main()
