"""What accounts have left: payments come in, charges go out; and whose snapshots and images are isolated for arrears."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, insert, or_, select, update

from linocut.catalog.rows import insert_or_skip
from linocut.catalog.schema import BALANCES, PAYMENTS
from linocut.model.amounts import Amount
from linocut.model.ids import Uin
from linocut.model.usage import Balance


class Balances:
    """The balances in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, account: Uin) -> Balance:
        """Return an account's balance; nothing where it never had any."""
        row = self._connection.execute(select(BALANCES).where(BALANCES.c.account == account)).mappings().first()
        return Balance(account, Amount(0)) if row is None else _balance(row)

    def troubled(self) -> tuple[Balance, ...]:
        """Return the balances that are below zero, and those of accounts that are isolated."""
        query = select(BALANCES).where(or_(BALANCES.c.amount < 0, BALANCES.c.isolated_at.is_not(None)))
        return tuple(_balance(row) for row in self._connection.execute(query.order_by(BALANCES.c.account)).mappings())

    def add(self, account: Uin, amount: Amount) -> None:
        """Add to a balance, or take from it."""
        if amount:
            empty = insert_or_skip(self._connection, BALANCES, ["account"]).values(account=account, amount=0)
            self._connection.execute(empty)
            more = update(BALANCES).where(BALANCES.c.account == account)
            self._connection.execute(more.values(amount=BALANCES.c.amount + amount))

    def pay(self, account: Uin, amount: Amount, currency: str, at: datetime) -> None:
        """Take note of a payment, and add it to the balance."""
        values = {"account": account, "amount": amount, "currency": currency, "paid_at": at}
        self._connection.execute(insert(PAYMENTS).values(values))
        self.add(account, amount)

    def paid(self, account: Uin) -> Amount:
        """Return all that an account ever paid."""
        query = select(func.coalesce(func.sum(PAYMENTS.c.amount), 0)).where(PAYMENTS.c.account == account)
        return Amount(int(self._connection.execute(query).scalar_one()))

    def isolate(self, account: Uin, since: datetime | None) -> None:
        """Say since when an account is isolated, or that it is not."""
        mine = update(BALANCES).where(BALANCES.c.account == account)
        self._connection.execute(mine.values(isolated_at=since, warned_at=None))

    def warned(self, account: Uin, at: datetime) -> None:
        """Say when an account was last warned."""
        self._connection.execute(update(BALANCES).where(BALANCES.c.account == account).values(warned_at=at))


def _balance(row: RowMapping) -> Balance:
    return Balance(Uin(row["account"]), Amount(row["amount"]), row["isolated_at"], row["warned_at"])
