"""`linocut store …`: on the state directory, whether the service runs or not."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed
from linocut.cli.offline import opened
from linocut.cli.output import print_json, print_table, progress_bar, size
from linocut.cli.wire import ClientOptions, region_of, state_directory
from linocut.model.ids import Region

if TYPE_CHECKING:
    from linocut.blocks import Inventory
    from linocut.catalog import TreeHolder
    from linocut.cloud.context import Cloud
    from linocut.cloud.storage import Usage
    from linocut.cloud.stores import StoreDamage, StoreReport


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store, and how to print."""

    state: Annotated[Path | None, Parameter(help="State directory. Default: LINOCUT_STATE or ./.state.")] = None
    settings: Annotated[Path | None, Parameter(help="Settings file of the service.")] = None
    region: Annotated[str | None, Parameter(help="Default: TENCENTCLOUD_REGION or ap-guangzhou.")] = None
    json: Annotated[bool, Parameter(help="Print JSON.", negative="")] = False


def verify(
    *,
    repair: bool = False,
    source: Annotated[list[str] | None, Parameter(name="--from")] = None,
    options: StoreOptions | None = None,
) -> int:
    """Read and hash all that the store holds; list what is corrupt or missing, and the images, snapshots and disks that suffer.

    Args:
        repair: write what is damaged again, from other regions' stores that have the same.
        source: a region to repair from; may be given several times. Default: every other region that has a store.
        options: which store.
    """
    from linocut.cloud.stores import verify_store

    options = options or StoreOptions()
    with _opened(options) as (cloud, region), progress_bar("Verifying", 100) as show:
        sources = _sources(cloud, region, source) if repair or source else []
        report = verify_store(cloud, region, lambda done, total: show(100 * done / total), repair_from=sources)
    if options.json:
        print_json(_as_json(report))
    else:
        _print_report(report, repairing=bool(repair or source))
    return 0 if report.is_sound else 1


def _sources(cloud: "Cloud", region: Region, named: list[str] | None) -> list[Region]:
    from linocut.cloud.stores import regions_with_stores

    there = [source for source in regions_with_stores(cloud) if source != region]
    for name in named or ():
        if name not in there:
            raise CommandFailed(f"{name} is no other region with a store")
    return there if named is None else [Region(name) for name in named]


def _as_json(report: "StoreReport") -> dict[str, Any]:
    read = report.read
    return {
        "objects": read.objects,
        "stored_bytes": read.stored_bytes,
        "awaited": read.awaited,
        "sound": report.is_sound,
        "corrupt": [found.damage.name for found in report.damages if found.damage.problem == "corrupt"],
        "missing": [found.damage.name for found in report.damages if found.damage.problem == "missing"],
        "damages": [
            {
                "name": found.damage.name,
                "problem": found.damage.problem,
                "reason": found.damage.reason,
                "repaired_from": found.damage.repaired_from,
                "images": _suffering(found)[0],
                "snapshots": _suffering(found)[1],
                "disks": _suffering(found)[2],
            }
            for found in report.damages
        ],
    }


def _print_report(report: "StoreReport", *, repairing: bool) -> None:
    read = report.read
    state = "NOT SOUND" if not report.is_sound else "sound by now" if report.damages else "sound"
    print(f"{read.objects} objects, {size(read.stored_bytes)}: {state}")
    if read.awaited:
        print(f"{read.awaited} chunks are still to come from another region")
    for found in report.damages:
        damage = found.damage
        fate = f"repaired from {damage.repaired_from}" if damage.repaired_from else "NOT REPAIRED" if repairing else ""
        print("  ".join(word for word in (damage.problem, damage.reason, fate) if word))
    for what, names in zip(("images", "snapshots", "disks"), _still_suffering(report), strict=True):
        if names:
            print(f"{what} that suffer: {', '.join(names)}")


def _still_suffering(report: "StoreReport") -> tuple[list[str], ...]:
    each = [_suffering(found) for found in report.damages if found.damage.repaired_from is None]
    return (
        tuple(sorted({name for names in column for name in names}) for column in zip(*each, strict=True)) if each else ([],) * 3
    )


def _suffering(found: "StoreDamage") -> tuple[list[str], list[str], list[str]]:
    """Return the images, snapshots and disks that need an object."""
    disks = [holder.name for holder in found.sufferers if holder.kind == "disk"]
    snapshots = sorted({holder.name for holder in found.sufferers if holder.kind != "disk"})
    images = sorted({str(image) for holder in found.sufferers for image in holder.images})
    return images, snapshots, disks


def collect(*, grace_s: float | None = None, options: StoreOptions | None = None) -> None:
    """Delete what no live image or disk needs.

    Args:
        grace_s: spare what is younger, in seconds. Default: the setting store_grace_s.
        options: which store.
    """
    from linocut.cloud.stores import collect_store

    options = options or StoreOptions()
    with _opened(options) as (cloud, region):
        report = collect_store(cloud, region, grace_s)
    figures = dataclasses.asdict(report)
    if options.json:
        print_json(figures)
    else:
        _print_figures(figures)


def stat(*, by: Literal["account", "image", "snapshot"] = "account", options: StoreOptions | None = None) -> None:
    """Tell what the store holds: who has how much, alone and with others, and what waits for the sweep.

    Rows are sorted by what deleting each alone would free. What is unique to one of them and what several share is what is live.

    Args:
        by: what to show a row for each of.
        options: which store.
    """
    from linocut.blocks import ObjectUnreadable
    from linocut.cloud.storage import UsageBy, store_usage

    options = options or StoreOptions()
    with _opened(options) as (cloud, region):
        try:
            usage, inventory = store_usage(cloud, region, UsageBy[by.upper()])
        except ObjectUnreadable as error:
            raise CommandFailed(f"{error}; `linocut store verify` names all that is damaged and whom it harms") from error
    figures = _figures(usage, inventory)
    rows = [{**row.group._asdict(), **dataclasses.asdict(row)} for row in usage.rows]
    if options.json:
        print_json({"by": by, **figures, "rows": [{name: row[name] for name in row if name != "group"} for row in rows]})
        return
    columns = ("logical_bytes", "data_bytes", "stored_bytes", "shared_bytes", "freed_bytes")
    print_table(
        (by.upper(), "OWNER", "LOGICAL", "DATA", "STORED", "SHARED", "FREED IF DELETED"),
        [(row["name"] or row["kind"], row["owner"], *(size(row[column]) for column in columns)) for row in rows],
    )
    print()
    _print_figures(figures)


def _figures(usage: "Usage", inventory: "Inventory[TreeHolder]") -> dict[str, int]:
    """Return what adds up: unique and shared to live; live, young, doomed and foreign to all."""
    return {
        "unique_bytes": usage.total.stored_bytes - usage.shared.stored_bytes,
        "shared_bytes": usage.shared.stored_bytes,
        "live_bytes": inventory.live.stored_bytes,
        "young_bytes": inventory.young.stored_bytes,
        "doomed_bytes": inventory.doomed.stored_bytes,
        "foreign_bytes": inventory.foreign_bytes,
        "all_bytes": inventory.total.stored_bytes + inventory.foreign_bytes,
        "chunks": inventory.total.chunks,
        "chunk_bytes": inventory.total.chunk_bytes,
        "nodes": inventory.total.nodes,
        "node_bytes": inventory.total.node_bytes,
        "absent_objects": inventory.absent_chunks + inventory.absent_nodes,
    }


@contextmanager
def _opened(options: StoreOptions) -> Iterator[tuple["Cloud", Region]]:
    state = state_directory(options.state)
    if not (state / "lock").exists():
        raise CommandFailed(f"no service has ever run on {state}")
    with opened(state, options.settings) as cloud:
        yield cloud, Region(region_of(ClientOptions(region=options.region)))


_MEANINGS: Final = {
    "unique_bytes": "unique to one",
    "shared_bytes": "shared by several",
    "live_bytes": "= live",
    "young_bytes": "+ unreferenced, young",
    "doomed_bytes": "+ unreferenced, waiting for the sweep",
    "foreign_bytes": "+ files of other names",
    "all_bytes": "= all",
    "absent_objects": "objects still to come, or missing",
}


def _print_figures(figures: dict[str, int]) -> None:
    shown = [
        (_MEANINGS.get(name, name.replace("_", " ")), size(held) if name.endswith("bytes") else held)
        for name, held in figures.items()
    ]
    print_table(("WHAT", "HOW MUCH"), shown)
