"""Chunk size: what 64 KiB to 4 MiB would cost and save, on an image and on what becomes of it.

The size is a constant of the format and no setting. So each size is measured in a process of its own that reads the module of the
formats with another constant in it; all else is the program as it is. The series is an image, and on it, each by itself: 1 % and
10 % of its data overwritten in blocks of 4 KiB and 64 KiB at random places and in one run, and as many files replaced as an
upgrade of packages would. What is written over is other data of the image, so that it compresses as such data does.
"""

import importlib.machinery
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

import measuring
from measuring import MIB, PROJECT, table

_KIB: Final = 1024
_SIZES: Final = tuple(64 * _KIB << step for step in range(7))
_BLOCK: Final = 4096
_READS: Final = 500
_NODES: Final = "linocut.blocks.nodes"
_CONSTANT: Final = "CHUNK_BYTES: Final = 512 * 1024\n"
_FILES_OF_AN_UPGRADE: Final = 300


class Resized(importlib.machinery.SourceFileLoader):
    """Loads the module of the formats with another chunk size."""

    chunk_bytes = 0

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - of one module
        """Return the code of the module with the other size."""
        source = Path(self.path).read_text(encoding="utf-8")
        assert source.count(_CONSTANT) == 1, "the constant is not where it was"
        return compile(source.replace(_CONSTANT, f"CHUNK_BYTES: Final = {self.chunk_bytes}\n"), self.path, "exec")


class Finder(MetaPathFinder):
    """Finds that one module."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - there is one file
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Tell where the module is."""
        if fullname != _NODES:
            return None
        file = PROJECT / "src" / "linocut" / "blocks" / "nodes.py"
        return importlib.util.spec_from_file_location(fullname, file, loader=Resized(fullname, str(file)))


def child(chunk_bytes: int, directory: Path, disks: list[Path]) -> None:
    """Store the series with this chunk size, and print what that took."""
    Resized.chunk_bytes = chunk_bytes
    sys.meta_path.insert(0, Finder())
    from linocut.blocks import CHUNK_BYTES, RegionStore

    assert chunk_bytes == CHUNK_BYTES
    with RegionStore.open(f"file://{directory}") as store:
        roots, bytes_after, seconds = [], [], []
        for disk in disks:
            began = time.perf_counter()
            roots.append(store.ingest_file(disk, parent=roots[0] if roots else None))
            seconds.append(time.perf_counter() - began)
            bytes_after.append(store.stat().stored_bytes)
        stat = store.stat()
        tree = store.tree(roots[0])
        data = [extent for extent in tree.extents(0, tree.size_bytes) if extent.is_data]
        draw = random.Random(2)  # noqa: S311 - the same every time
        times = []
        for _ in range(_READS):
            extent = draw.choice(data)
            offset = extent.offset + draw.randrange(max(1, (extent.length - _BLOCK) // _BLOCK)) * _BLOCK
            began = time.perf_counter()
            tree.read(min(offset, tree.size_bytes - _BLOCK), _BLOCK)
            times.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "added": [after - before for before, after in zip((0, *bytes_after), bytes_after, strict=False)],
                "objects": stat.chunks + stat.nodes,
                "seconds": seconds,
                "read_s": statistics.median(times),
            }
        )
    )


def series(raw: Path, work: Path) -> Iterator[tuple[str, Path]]:
    """Yield what each disk is, and a file of it; the first is the image itself."""
    yield "the image", raw
    spans = list(_data_spans(raw))
    data_bytes = sum(length for _, length in spans)
    for share, block in ((share, block) for share in (1, 10) for block in (_BLOCK, 64 * _KIB, 0)):
        changed_bytes = data_bytes * share // 100
        sizes = [block] * (changed_bytes // block) if block else [changed_bytes]
        how = f"random {block // _KIB} KiB" if block else "one run"
        yield f"{share} %, {how}", _changed(raw, work / f"changed-{share}-{block}.raw", spans, sizes)
    files = [file for file in Path("/usr/lib").rglob("*") if file.is_file() and not file.is_symlink()]
    chosen = random.Random(3).sample(sorted(files), min(_FILES_OF_AN_UPGRADE, len(files)))  # noqa: S311
    sizes = [-(-file.stat().st_size // _BLOCK) * _BLOCK for file in chosen]
    yield f"{len(sizes)} files", _changed(raw, work / "upgraded.raw", spans, sizes)


def _data_spans(raw: Path) -> Iterator[tuple[int, int]]:
    shown = subprocess.run(
        ["qemu-img", "map", "--output=json", "-f", "raw", raw], check=True, capture_output=True, text=True
    ).stdout
    for extent in json.loads(shown):
        if extent["data"] and extent["length"] >= _BLOCK:
            yield extent["start"], extent["length"]


def _changed(raw: Path, path: Path, spans: list[tuple[int, int]], sizes: list[int]) -> Path:
    """Return a copy in which runs of these sizes are other data of the same disk."""
    measuring.run("cp", "--sparse=always", raw, path)
    draw = random.Random(path.name)  # noqa: S311 - the same every time
    held_bytes = sum(length for _, length in spans)
    with raw.open("rb") as source, path.open("r+b") as disk:
        for number, size in enumerate(sizes):
            begins = [draw.randrange((held_bytes - size) // _BLOCK) * _BLOCK for _ in range(2)]
            data = bytearray()
            for at, length in _pieces(spans, begins[0], size):
                source.seek(at)
                data += source.read(length)
            data[:8] = number.to_bytes(8, "big")
            for at, length in _pieces(spans, begins[1], size):
                disk.seek(at)
                disk.write(data[:length])
                del data[:length]
    return path


def _pieces(spans: list[tuple[int, int]], begin: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a run of the disk's data lies, counted without the holes."""
    for start, length in spans:
        if size and begin < length:
            piece = min(size, length - begin)
            yield start + begin, piece
            size -= piece
            begin = 0
        elif size:
            begin -= length


def measure(chunk_bytes: int, directory: Path, disks: list[Path]) -> dict[str, Any]:
    words = [sys.executable, __file__, "--child", str(chunk_bytes), str(directory), *map(str, disks)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> None:
    chosen = measuring.arguments(__doc__, runs=1)
    with measuring.workplace(chosen) as work:
        raw, _ = measuring.images(chosen, work)
        names, disks = zip(*series(raw, work), strict=True)
        taken = {size: measure(size, measuring.fresh(work, "store"), list(disks)) for size in _SIZES}
    head = ["stored, MiB", *(f"{size // _KIB} KiB" if size < MIB else f"{size // MIB} MiB" for size in _SIZES)]
    rows = [[name, *(f"{taken[size]['added'][number] / MIB:.1f}" for size in _SIZES)] for number, name in enumerate(names)]
    rows += [
        ["all together", *(f"{sum(taken[size]['added']) / MIB:.0f}" for size in _SIZES)],
        ["objects", *(str(taken[size]["objects"]) for size in _SIZES)],
        ["ingest of the image, s", *(f"{taken[size]['seconds'][0]:.1f}" for size in _SIZES)],
        ["ingest of the others, s", *(f"{sum(taken[size]['seconds'][1:]):.1f}" for size in _SIZES)],
        ["cold 4 KiB read, ms", *(f"{taken[size]['read_s'] * 1000:.2f}" for size in _SIZES)],
    ]
    table("each changed image on the first, by chunk size", head, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), Path(sys.argv[3]), [Path(disk) for disk in sys.argv[4:]])
    else:
        main()
