"""Import again: bytes that an unchanged image, and one into which files were installed, add; against restic and casync."""

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import measuring
from import_image import RESTIC
from measuring import MIB, fresh, held_bytes, run

from linocut.blocks import RegionStore

NEW_FILES_BYTES = 40 * MIB
SCATTERED_WRITES = 60


def changed_copy(raw: Path, work: Path) -> tuple[Path, str]:
    """Return a copy of a disk into whose largest ext4 file system some 40 MiB of files were installed."""
    changed = work / "changed.raw"
    run("cp", "--sparse=always", raw, changed)
    partition = _largest_partition(raw)
    if partition is None or not _install_files(changed, partition, work):
        _scatter(changed)
        return changed, f"{NEW_FILES_BYTES // MIB} MiB in one run and {SCATTERED_WRITES} scattered blocks"
    return changed, f"{NEW_FILES_BYTES // MIB} MiB of files installed into its ext4"


def _largest_partition(raw: Path) -> int | None:
    """Return where a disk's largest partition begins, in bytes."""
    listed = subprocess.run(["sfdisk", "--dump", raw], check=False, capture_output=True, text=True).stdout
    found = [(int(size) * 512, int(start) * 512) for start, size in re.findall(r"start=\s*(\d+), size=\s*(\d+)", listed)]
    return max(found)[1] if found else None


def _install_files(disk: Path, start: int, work: Path) -> bool:
    """Write files as a package manager would, through the file system itself, without mounting it."""
    script = work / "install"
    commands = ["mkdir /opt/added", "cd /opt/added"]
    written = 0
    for file in sorted(Path("/usr/lib").rglob("*.so*")):
        size = file.stat().st_size if file.is_file() and not file.is_symlink() else 0
        if 0 < size < 4 * MIB and written < NEW_FILES_BYTES:
            commands.append(f"write {file} {len(commands)}.so")
            written += size
    script.write_text("\n".join(commands))
    device = f"{disk}?offset={start}"
    done = subprocess.run(["debugfs", "-w", "-f", script, device], check=False, capture_output=True, text=True)
    return done.returncode == 0 and "Bad magic" not in done.stderr


def _scatter(disk: Path) -> None:
    source = random.Random(2)  # noqa: S311 - the same every time
    with disk.open("r+b") as file:
        file.seek(disk.stat().st_size // 2)
        file.write(source.randbytes(NEW_FILES_BYTES))
        for _ in range(SCATTERED_WRITES):
            file.seek(source.randrange(disk.stat().st_size // 4096) * 4096)
            file.write(source.randbytes(4096))


def ours(disks: list[Path], work: Path) -> list[int]:
    directory = fresh(work, "store")
    with RegionStore.open(f"file://{directory}") as store:
        return _growth(directory, disks, store.ingest_file)


def restic(disks: list[Path], work: Path) -> list[int]:
    repository = fresh(work, "peer")
    run("restic", "init", "--repo", repository, **RESTIC)
    return _growth(repository, disks, lambda disk: run("restic", "backup", "--repo", repository, disk, **RESTIC))


def casync(disks: list[Path], work: Path) -> list[int]:
    directory = fresh(work, "peer")

    def make(disk: Path) -> None:
        index = directory / f"{len(list(directory.glob('*.caibx')))}.caibx"
        run("casync", "make", f"--store={directory / 'default.castr'}", index, disk)

    return _growth(directory, disks, make)


def _growth(directory: Path, disks: list[Path], keep: Callable[[Path], object]) -> list[int]:
    grown = []
    for disk in disks:
        before = held_bytes(directory)
        keep(disk)
        grown.append(held_bytes(directory) - before)
    return grown


def main() -> None:
    chosen = measuring.arguments(__doc__, runs=1)
    with measuring.workplace(chosen) as work:
        raw, _ = measuring.images(chosen, work)
        changed, how = changed_copy(raw, work)
        contenders = {"linocut": ours, "restic": restic, "casync": casync}
        figures = {name: measure([raw, raw, changed], work) for name, measure in contenders.items()}
        added = figures["linocut"][2]
        rows = [
            [name, *(f"{value / MIB:.1f}" for value in values), f"{values[2] / added:.2f}"] for name, values in figures.items()
        ]
        head = ["MiB added by", "first import", "the same again", "the changed one", "times ours"]
        measuring.table(f"changed: {how}", head, rows)


if __name__ == "__main__":
    main()
