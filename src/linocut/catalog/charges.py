"""What accounts are charged: hours that are closed, and what each of them cost.

Charges of hours that follow one another and are alike share one row, which grows by an hour as the hour is closed. An account's
hours in a region are closed in order, each once: whoever closes some names the hour up to which they were, and loses the race if
that is not so any more. The rows, that hour and the account's balance change in one transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from linocut.catalog.balances import Balances
from linocut.catalog.page import Page
from linocut.catalog.rows import add_unless_taken, batches, lost_race
from linocut.catalog.schema import CHARGES, METERS
from linocut.model.amounts import Amount
from linocut.model.ids import Region, Uin, Zone
from linocut.model.usage import Billed, Charge, ChargeId, Hour, Item, Month, Run, Usage, hour_of, month_of

_KEY: Final = ("account", "region")


class Charges:
    """The charges in one transaction."""

    def __init__(self, connection: Connection, balances: Balances) -> None:
        self._connection = connection
        self._balances = balances

    def close(self, account: Uin, region: Region, closed: datetime, until: datetime, runs: Sequence[Run]) -> Amount:
        """Close an account's hours in a region up to a moment, and return what they cost.

        The runs are those of the hours since `closed`, up to which they were closed before. Raises LostRace when they were not.
        """
        self._move_on(account, region, closed, until)
        first = hour_of(closed)
        latest = {billed.run.charge: billed.charge_id for billed in self._latest(account, region, first)}
        longer: dict[Hour, list[ChargeId]] = {}
        rows = []
        for run in runs:
            known = latest.get(run.charge) if run.first == first else None
            if known is None:
                rows.append(_row(account, region, run))
            else:
                longer.setdefault(run.until, []).append(known)
        for hour, ids in longer.items():
            for batch in batches(ids):
                self._connection.execute(update(CHARGES).where(CHARGES.c.charge_id.in_(batch)).values(until_hour=hour))
        if rows:
            self._connection.execute(insert(CHARGES), rows)
        total = Amount(sum(run.amount for run in runs))
        self._balances.add(account, Amount(-total))
        return total

    def skip(self, accounts: Iterable[tuple[Region, Uin]], until: datetime) -> None:
        """Let hours up to a moment go uncharged."""
        for region, account in accounts:
            if not self._is_new(account, region, until):
                mine = (METERS.c.account == account, METERS.c.region == region, METERS.c.closed_until < until)
                self._connection.execute(update(METERS).where(*mine).values(closed_until=until))

    def get(self, charge_id: ChargeId) -> Billed | None:
        """Return a charge of whatever account, or None."""
        return next(iter(self._billed(CHARGES.c.charge_id == charge_id)), None)

    def of_month(self, account: Uin, month: Month, *, resource_id: str = "", items: Iterable[Item] = ()) -> tuple[Billed, ...]:
        """Return what is on an account's bill of a month, in the order in which it came there."""
        return tuple(self._billed(*_on_bill(account, month, resource_id, items)))

    def page(
        self, account: Uin, month: Month, offset: int, limit: int, *, resource_id: str = "", items: Iterable[Item] = ()
    ) -> Page[Billed]:
        """Return a page of what is on an account's bill of a month."""
        conditions = _on_bill(account, month, resource_id, items)
        total = self._connection.execute(select(func.count()).select_from(CHARGES).where(*conditions)).scalar_one()
        return Page(tuple(self._billed(*conditions, offset=offset, limit=limit)), total)

    def total(self, account: Uin) -> Amount:
        """Return what an account was ever charged."""
        amount = CHARGES.c.amount * (CHARGES.c.until_hour - CHARGES.c.first_hour)
        query = select(func.coalesce(func.sum(amount), 0)).where(CHARGES.c.account == account)
        return Amount(int(self._connection.execute(query).scalar_one()))

    def closed_until(self, account: Uin) -> dict[Region, datetime]:
        """Return up to when the account's hours are closed in each region where it used something."""
        query = select(METERS.c.region, METERS.c.closed_until).where(METERS.c.account == account)
        return {Region(region): closed for region, closed in self._connection.execute(query)}

    def _move_on(self, account: Uin, region: Region, closed: datetime, until: datetime) -> None:
        if self._is_new(account, region, until):
            return
        mine = (METERS.c.account == account, METERS.c.region == region, METERS.c.closed_until == closed)
        if self._connection.execute(update(METERS).where(*mine).values(closed_until=until)).rowcount != 1:
            raise lost_race(f"the hours of {account} in {region} are not closed up to {closed.isoformat()}")

    def _is_new(self, account: Uin, region: Region, until: datetime) -> bool:
        row = {"account": account, "region": region, "closed_until": until}
        return add_unless_taken(self._connection, METERS, row, _KEY)

    def _latest(self, account: Uin, region: Region, hour: Hour) -> Iterable[Billed]:
        """Return the charges of the hour before this one that may go on in this one."""
        mine = (CHARGES.c.account == account, CHARGES.c.region == region, CHARGES.c.until_hour == hour)
        return self._billed(*mine, CHARGES.c.month == month_of(hour))

    def _billed(self, *conditions: ColumnElement[bool], offset: int = 0, limit: int | None = None) -> list[Billed]:
        query = select(CHARGES).where(*conditions).order_by(CHARGES.c.charge_id).offset(offset).limit(limit)
        return [_billed(row) for row in self._connection.execute(query).mappings()]


def _on_bill(account: Uin, month: Month, resource_id: str, items: Iterable[Item]) -> list[ColumnElement[bool]]:
    conditions = [CHARGES.c.account == account, CHARGES.c.month == month]
    if resource_id:
        conditions.append(CHARGES.c.resource_id == resource_id)
    if wanted := tuple(items):
        conditions.append(CHARGES.c.item.in_(wanted))
    return conditions


def _row(account: Uin, region: Region, run: Run) -> dict[str, Any]:
    usage = run.charge.usage
    return {
        "account": account,
        "region": region,
        "zone": usage.zone,
        "month": month_of(run.first),
        "first_hour": run.first,
        "until_hour": run.until,
        "item": usage.item,
        "kind": usage.kind,
        "resource_id": usage.resource_id,
        "quantity": usage.quantity,
        "seconds": usage.seconds,
        "free": run.charge.free,
        "price": run.charge.price,
        "currency": run.charge.currency,
        "amount": run.charge.amount,
    }


def _billed(row: RowMapping) -> Billed:
    usage = Usage(row["item"], row["kind"], Zone(row["zone"]), row["resource_id"], row["quantity"], row["seconds"])
    charge = Charge(usage, row["free"], row["price"], row["currency"], Amount(row["amount"]))
    run = Run(charge, Hour(row["first_hour"]), row["until_hour"] - row["first_hour"])
    return Billed(ChargeId(row["charge_id"]), Uin(row["account"]), Region(row["region"]), run)
