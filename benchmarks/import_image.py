"""Import: a local file into the store, durable, against qemu-img's zstd conversion, restic and borg, in the same run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import measuring
from measuring import fresh, make_durable, run, seconds

from linocut.blocks import BlockServer, RegionStore

RESTIC = {"RESTIC_PASSWORD": "x", "XDG_CACHE_HOME": "/tmp/linocut-bench-cache"}  # noqa: S108 - a cache, of nothing secret
BORG = {"BORG_BASE_DIR": "/tmp/linocut-bench-cache", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}  # noqa: S108


def ours_from_raw(raw: Path, work: Path) -> float:
    directory = fresh(work, "store")
    with RegionStore.open(f"file://{directory}") as store:
        return seconds(lambda: store.ingest_file(raw))


def ours_over_nbd(source: Path, kind: str, size_bytes: int, work: Path) -> float:
    directory = fresh(work, "store")
    server = BlockServer.start(fresh(work, "d"), f"file://{directory}")

    def convert() -> None:
        ingest = server.ingest(size_bytes)
        target = f"nbd:unix:{server.socket_path}:exportname={ingest.export}"
        run("qemu-img", "convert", "-n", "-W", "-m", "16", "--target-is-zero", "-f", kind, "-O", "raw", source, target)
        ingest.seal()

    try:
        return seconds(convert)
    finally:
        server.stop()


def qemu_img(source: Path, kind: str, work: Path) -> float:
    target = fresh(work, "peer") / "disk.qcow2"

    def convert() -> None:
        options = ("-c", "-o", "compression_type=zstd", "-m", "16", "-W")
        run("qemu-img", "convert", *options, "-f", kind, "-O", "qcow2", source, target)
        make_durable(target)

    return seconds(convert)


def restic(raw: Path, work: Path) -> float:
    repository = fresh(work, "peer")
    run("restic", "init", "--repo", repository, **RESTIC)

    def back_up() -> None:
        run("restic", "backup", "--repo", repository, raw, **RESTIC)
        make_durable(repository)

    return seconds(back_up)


def borg(raw: Path, work: Path) -> float:
    repository = fresh(work, "peer") / "borg"
    run("borg", "init", "--encryption", "none", repository, **BORG)

    def create() -> None:
        run("borg", "create", "--sparse", f"{repository}::one", raw, **BORG)
        make_durable(repository)

    return seconds(create)


def compare(title: str, contenders: dict[str, Callable[[], float]], runs: int) -> None:
    taken = measuring.medians(contenders, runs)
    ours = next(iter(taken.values()))
    rows = [[name, f"{time_s:.2f}", f"{time_s / ours:.2f}"] for name, time_s in taken.items()]
    measuring.table(title, ["", "seconds, median", "times ours"], rows)


def main() -> None:
    chosen = measuring.arguments(__doc__, runs=3)
    with measuring.workplace(chosen) as work:
        raw, qcow2 = measuring.images(chosen, work)
        size_bytes = raw.stat().st_size
        compare(
            f"raw file, {chosen.runs} runs",
            {
                "linocut, direct": partial(ours_from_raw, raw, work),
                "linocut, qemu-img into an ingest": partial(ours_over_nbd, raw, "raw", size_bytes, work),
                "qemu-img convert, zstd": partial(qemu_img, raw, "raw", work),
                "restic backup": partial(restic, raw, work),
                "borg create": partial(borg, raw, work),
            },
            chosen.runs,
        )
        compare(
            f"qcow2, {chosen.runs} runs",
            {
                "linocut, qemu-img into an ingest": partial(ours_over_nbd, qcow2, "qcow2", size_bytes, work),
                "qemu-img convert, zstd": partial(qemu_img, qcow2, "qcow2", work),
            },
            chosen.runs,
        )


if __name__ == "__main__":
    main()
