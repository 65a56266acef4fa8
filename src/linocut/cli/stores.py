"""`linocut store …`: on the state directory, whether the service runs or not."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed
from linocut.cli.offline import opened
from linocut.cli.output import print_json, print_table, progress_bar, size
from linocut.cli.wire import ClientOptions, region_of, state_directory
from linocut.model.ids import Region

if TYPE_CHECKING:
    from linocut.cloud.context import Cloud


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store, and how to print."""

    state: Annotated[Path | None, Parameter(help="State directory. Default: LINOCUT_STATE or ./.state.")] = None
    settings: Annotated[Path | None, Parameter(help="Settings file of the service.")] = None
    region: Annotated[str | None, Parameter(help="Default: TENCENTCLOUD_REGION or ap-guangzhou.")] = None
    json: Annotated[bool, Parameter(help="Print JSON.", negative="")] = False


def verify(*, options: StoreOptions | None = None) -> int:
    """Read and hash all that live images and disks need; list what is corrupt or missing.

    Args:
        options: which store.
    """
    from linocut.cloud.stores import verify_store

    options = options or StoreOptions()
    with _opened(options) as (cloud, region), progress_bar("Verifying", 100) as show:
        report = verify_store(cloud, region, lambda done, total: show(100 * done / total))
    if options.json:
        print_json(dataclasses.asdict(report))
    else:
        print(f"{report.objects} objects, {size(report.stored_bytes)}: {'sound' if report.is_sound else 'NOT SOUND'}")
        if report.awaited:
            print(f"{report.awaited} chunks are still to come from another region")
        for kind, found in (("corrupt", report.corrupt), ("missing", report.missing)):
            for name in found:
                print(f"{kind}  {name}")
    return 0 if report.is_sound else 1


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
    _print_figures(dataclasses.asdict(report), as_json=options.json)


def stat(*, options: StoreOptions | None = None) -> None:
    """Count what the store holds.

    Args:
        options: which store.
    """
    from linocut.cloud.stores import stat_store

    options = options or StoreOptions()
    with _opened(options) as (cloud, region):
        report = stat_store(cloud, region)
    _print_figures(dataclasses.asdict(report), as_json=options.json)


@contextmanager
def _opened(options: StoreOptions) -> Iterator[tuple["Cloud", Region]]:
    state = state_directory(options.state)
    if not (state / "lock").exists():
        raise CommandFailed(f"no service has ever run on {state}")
    with opened(state, options.settings) as cloud:
        yield cloud, Region(region_of(ClientOptions(region=options.region)))


def _print_figures(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(figures)
        return
    shown = [(name.replace("_", " "), size(held) if name.endswith("bytes") else held) for name, held in figures.items()]
    print_table(("WHAT", "HOW MUCH"), shown)
