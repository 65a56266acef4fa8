"""Closing the hours that have passed, every account's in every region; one workflow for each hour that ends.

What was closed is in the catalog, and is not closed again: a step that is repeated goes on where it was, and two that work at
once take turns or lose the race. Whatever a workflow leaves behind, that of the next hour takes up.
"""

from datetime import UTC, datetime

from linocut.cloud import metering
from linocut.cloud.context import Cloud
from linocut.cloud.workflows.durable import Engine, Failed, Progress, step, workflow
from linocut.model.ids import Region

_NAME = "close-hours"


@workflow("close-hours")
def close_hours(until: str) -> None:
    """Close the hours up to a moment."""
    regions = plan_closing(until)
    for region in [] if isinstance(regions, Failed) else regions:
        close_region(until, region)


@step("close-hours.plan")
def plan_closing(cloud: Cloud, until: str) -> list[str]:
    """Return the regions in which hours are to be closed."""
    return [str(region) for region in metering.regions_behind(cloud, _moment(until))]


@step("close-hours.close")
def close_region(cloud: Cloud, until: str, region: str) -> int:
    """Close every account's hours in a region; return how many accounts' were."""
    return metering.close_hours(cloud, Region(region), _moment(until))


def start_closing(cloud: Cloud, engine: Engine) -> None:
    """Have the hours that have passed closed, unless that was begun."""
    until = metering.hour_name(metering.closable(cloud))
    if engine.progress(_NAME, until) is Progress.UNKNOWN:
        engine.start(_NAME, until)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%HZ").replace(tzinfo=UTC)
