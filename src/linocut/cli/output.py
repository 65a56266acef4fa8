"""How commands show things: tables and bars for people, plain columns and JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_BEIJING: Final = timezone(timedelta(hours=8))


def print_json(value: object) -> None:
    """Print a value as JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings: drawn on a terminal, else in plain columns that no width cuts."""
    cells = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(headings, cells)
        return
    widths = [max(len(cell) for cell in column) for column in zip(headings, *cells, strict=True)]
    for line in (headings, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _draw(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in cells:
        table.add_row(*row)
    Console(markup=False, emoji=False).print(table)


@contextmanager
def progress_bar(label: str, total: float, *, unit: str = "%") -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the block runs, and give the function that moves it to a value.

    A unit of "B" shows bytes and their rate. Where standard error is no terminal, nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress
    from rich.console import Console

    figures: tuple[progress.ProgressColumn, ...] = (
        (progress.DownloadColumn(binary_units=True), progress.TransferSpeedColumn())
        if unit == "B"
        else (progress.TaskProgressColumn(),)
    )
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), *figures, progress.TimeElapsedColumn())
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=total)
        yield lambda value: bars.update(task, completed=value)


def utc(beijing: str) -> str:
    """Return a time that CBS writes in Beijing's, such as "2026-11-23 15:00:00", as "2026-11-23T07:00:00Z"; empty if it is."""
    if not beijing:
        return ""
    moment = datetime.strptime(beijing, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_BEIJING)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def size(size_bytes: int) -> str:
    """Return a size for people, such as "1.5 GiB"."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004  the step between binary units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
