"""Closing hours: what each account used in each region is charged, once an hour has passed.

An hour is closed a few minutes after its end, when whatever was under way at its end has been written. Hours are closed in order,
as many at once as there are: after a week of downtime all that have passed, from the history of what existed when. An account
whose trees cannot be read stays behind and keeps nobody else from being charged; the next hour takes it up again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

import structlog

from linocut.billing import PriceBook, Tariff, meter
from linocut.blocks import BlockError
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.price_books import price_book
from linocut.model import errors
from linocut.model.ids import Region, Uin
from linocut.model.usage import Hour, Run, Span, hour_of, start_of

_SETTLES: Final = timedelta(minutes=5)
_BATCH: Final = 50
"""Accounts whose hours are closed in one transaction."""
_LEAP_S: Final = 600.0
_TRIAL_S: Final = 3600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Closing:
    """An account's hours in a region, from one moment up to another, and what they cost."""

    account: Uin
    since: datetime
    runs: Sequence[Run]


def closable(cloud: Cloud) -> datetime:
    """Return the end of the last hour that may be closed by now."""
    return start_of(hour_of(cloud.now() - _SETTLES))


def close_now(cloud: Cloud, caller: Caller) -> datetime:
    """Have the hours that have passed closed now, also those that an earlier attempt left behind; return up to when.

    Raises OperatorOnly.
    """
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator may close hours.")
    until = closable(cloud)
    cloud.workflows.start("close-hours", hour_name(until), key=caller.request_id)
    return until


def hour_name(moment: datetime) -> str:
    """Return the name of a moment at which hours end, as workflows are named by it."""
    return f"{moment:%Y-%m-%dT%HZ}"


def regions_behind(cloud: Cloud, until: datetime) -> list[Region]:
    """Return the regions in which hours before a moment are to be closed."""
    with cloud.catalog.read() as tx:
        return sorted({region for region, _, _ in tx.history.behind(until)})


def close_hours(cloud: Cloud, region: Region, until: datetime) -> int:
    """Close every account's hours in a region up to a moment; return how many accounts' were. May be repeated at any point."""
    with cloud.catalog.read() as tx:
        book = price_book(cloud, tx)
        currencies = {account.uin: account.currency for account in tx.accounts.all()}
        behind = [(account, since) for found, account, since in tx.history.behind(until) if found == region]
    tariffs = {currency: tariff(cloud, book, region, currency) for currency in set(currencies.values())}
    closed = 0
    pending = iter(behind)
    while batch := tuple(islice(pending, _BATCH)):
        if not cloud.settings.metering:
            with cloud.catalog.begin() as tx:
                tx.charges.skip([(region, account) for account, _ in batch], until)
            continue
        closings = [
            closing
            for account, since in batch
            for closing in _closing(cloud, region, account, (since, until), tariffs[currencies[account]])
        ]
        with cloud.catalog.begin() as tx:
            for closing in closings:
                tx.charges.close(closing.account, region, closing.since, until, closing.runs)
        closed += len(closings)
    if not cloud.settings.metering:
        with cloud.catalog.begin() as tx:
            tx.history.forget_before(until)
    return closed


def tariff(cloud: Cloud, book: PriceBook, region: Region, currency: str) -> Tariff:
    """Return what things cost in a region."""
    return Tariff(book, region, currency, instances=cloud.settings.charge_instances)


def runs_of(cloud: Cloud, region: Region, spans: Sequence[Span], hours: tuple[Hour, Hour], prices: Tariff) -> list[Run]:
    """Return what spans cost in the hours from one up to another. Raises ObjectUnreadable, StoreUnavailable."""
    return meter(spans, *hours, prices, partial(cloud.piles.weigh, cloud.stores, region))


def _closing(
    cloud: Cloud, region: Region, account: Uin, moments: tuple[datetime, datetime], prices: Tariff
) -> Iterator[_Closing]:
    """Yield an account's closing, or nothing where its snapshots cannot be weighed now."""
    since, until = moments
    with cloud.catalog.read() as tx:
        spans = tx.history.touching(account, region, since, until)
    try:
        runs = runs_of(cloud, region, spans, (hour_of(since), hour_of(until)), prices)
    except BlockError as error:
        _log.error("hours are not closed", account=account, region=region, since=since.isoformat(), why=str(error))
        return
    for item in sorted({str(run.charge.usage.item) for run in runs if run.charge.price is None}):
        _log.warning("used without a price", account=account, region=region, item=item)
    yield _Closing(account, since, runs)


class Pacemaker:
    """Tells when hours may be closed: not while the clock has just been set forward, for it may be set back again.

    A clock that was wrong by hours for a while would otherwise have them charged before they have been.
    """

    def __init__(self, now: datetime, ticks_s: float) -> None:
        """Trust the clock as it is; `ticks_s` is of a clock that nobody sets."""
        self._offset_s = now.timestamp() - ticks_s
        self._waits_until_s = ticks_s

    def is_steady(self, now: datetime, ticks_s: float) -> bool:
        """Tell whether the clock has gone on for an hour without a leap."""
        offset_s = now.timestamp() - ticks_s
        if offset_s - self._offset_s > _LEAP_S:
            _log.warning("the clock was set forward: hours are closed later", seconds=round(offset_s - self._offset_s))
            self._waits_until_s = ticks_s + _TRIAL_S
        self._offset_s = offset_s
        return ticks_s >= self._waits_until_s
