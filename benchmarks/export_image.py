"""Export: ExportImages, from the call until its task has ended, against qemu-img convert from a local qcow2 of the same disk.

All files are durable at the end. The peer reads the qcow2 as it is distributed, which is compressed, and one that is not.
"""

from functools import partial
from pathlib import Path
from typing import Final

import measuring
from bed import Bed, opened_bed, until, verdict
from measuring import fresh, make_durable, run, seconds

LIMIT: Final = 1.2
FORMATS: Final = ("RAW", "QCOW2")


def ours(bed: Bed, image_id: str, bucket: str, disk_format: str) -> float:
    """Export through the service."""

    def export() -> None:
        task = bed.call("ExportImages", ImageIds=[image_id], BucketName=bucket, ExportFormat=disk_format).TaskId

        def ended() -> str | None:
            found = bed.call_own("DescribeTasks", TaskIds=[task])["TaskSet"][0]
            return None if found["State"] == "RUNNING" else f"{found['State']} {found['Error']}".strip()

        how = until("the export", ended, poll_s=0.02)
        if how != "SUCCESS":
            raise SystemExit(f"the export ended {how}")

    return seconds(export)


def qemu_img(source: Path, disk_format: str, work: Path) -> float:
    """Convert from a local file."""
    target = fresh(work, "peer") / f"disk.{disk_format.lower()}"

    def convert() -> None:
        run("qemu-img", "convert", "-m", "16", "-f", "qcow2", "-O", disk_format.lower(), source, target)
        make_durable(target)

    taken = seconds(convert)
    target.unlink()
    return taken


def main() -> None:
    """Print a table of both."""
    chosen = measuring.arguments(__doc__, runs=5)
    with measuring.workplace(chosen) as work, opened_bed() as bed:
        raw, distributed = measuring.images(chosen, work)
        plain = work / "plain.qcow2"
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, plain)
        image_id = bed.image(plain, "measured")
        bucket = str(bed.call_own("DescribeBucketFiles")["BucketName"])
        for disk_format in FORMATS:
            taken = measuring.medians(
                {
                    "linocut": partial(ours, bed, image_id, bucket, disk_format),
                    "qemu-img convert from the qcow2 as distributed": partial(qemu_img, distributed, disk_format, work),
                    "qemu-img convert from a qcow2 without compression": partial(qemu_img, plain, disk_format, work),
                },
                chosen.runs,
            )
            rows = [
                [name, f"{time_s:.2f}", f"{taken['linocut'] / time_s:.2f}", verdict(taken["linocut"] / time_s, LIMIT)]
                for name, time_s in taken.items()
            ]
            title = f"export to {disk_format}, {chosen.runs} runs"
            measuring.table(title, ["", "seconds, median", "linocut's times this", f"at most {LIMIT}"], rows)


if __name__ == "__main__":
    main()
