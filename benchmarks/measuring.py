"""What the benchmarks share: images to measure with, medians, and tables with the peer's figure beside ours."""

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MIB = 2**20


def arguments(description: str, runs: int) -> argparse.Namespace:
    """Parse what every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--image", type=Path, help="a qcow2 or raw disk; else the demo's Debian if built, else files of this machine"
    )
    parser.add_argument("--runs", type=int, default=runs, help="medians are taken over so many runs")
    parser.add_argument("--work", type=Path, default=PROJECT / ".cache", help="where to put temporary files")
    return parser.parse_args()


@contextmanager
def workplace(chosen: argparse.Namespace) -> Iterator[Path]:
    """A temporary directory on the file system that is to be measured."""
    chosen.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=chosen.work) as name:
        yield Path(name)


def images(chosen: argparse.Namespace, work: Path) -> tuple[Path, Path]:
    """Return the image to measure with as a raw file and as a qcow2."""
    built = sorted((PROJECT / ".cache" / "debian").glob("*.qcow2"), key=lambda path: path.stat().st_mtime)
    given = chosen.image or (built[-1] if built else synthetic_image(work / "synthetic.raw"))
    kind = "qcow2" if given.suffix == ".qcow2" else "raw"
    raw, qcow2 = work / "disk.raw", given
    if kind == "raw":
        raw, qcow2 = given, work / "disk.qcow2"
        run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, qcow2)
    else:
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", qcow2, raw)
    held = raw.stat().st_blocks * 512 / MIB
    print(f"image: {given.name}, {raw.stat().st_size / MIB:.0f} MiB, of which {held:.0f} MiB data; {os.cpu_count()} CPUs\n")
    return raw, qcow2


def synthetic_image(path: Path, data_bytes: int = 700 * MIB) -> Path:
    """Write a sparse disk of programs and libraries of this machine, at 4 KiB steps with gaps, the same every time."""
    gaps = random.Random(1)  # noqa: S311 - the same every time
    with path.open("wb") as disk:
        disk.truncate(4 * data_bytes)
        position = MIB
        for folder in ("/usr/lib", "/usr/bin", "/usr/share"):
            for file in sorted(Path(folder).rglob("*")):
                if position < data_bytes and file.is_file() and not file.is_symlink():
                    disk.seek(position)
                    position += disk.write(file.read_bytes())
                    position += -position % 4096 + (gaps.randrange(4) * MIB if gaps.random() < 0.01 else 0)
    return path


def run(*words: str | Path, **environment: str) -> None:
    """Run a program, and show what it said only if it fails."""
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, env={**os.environ, **environment}, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")


def fresh(work: Path, name: str) -> Path:
    """Return a new directory.

    Nothing is deleted between runs: ext4 avoids inodes that were freed within seconds, at a cost that would be charged to whoever
    creates files next.
    """
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work))


def make_durable(path: Path) -> None:
    """Flush the file system that holds a path, as our own import does."""
    run("sync", "-f", path)


def held_bytes(directory: Path) -> int:
    """Return the bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def medians(contenders: dict[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """Measure all contenders in turn, so that a busy minute hits each of them, and return the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, measure in contenders.items():
            os.sync()
            taken[name].append(measure())
    return {name: statistics.median(times) for name, times in taken.items()}


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(title)
    for row in (head, ["-" * width for width in widths], *rows):
        cells = (
            cell.ljust(width) if not index else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join(cells))
    print(flush=True)
