"""Accounts and their access keys."""

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from typing import Final

from sqlalchemy import ColumnElement, Connection, Dialect, String, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from linocut.catalog.prepared import Prepared
from linocut.catalog.rows import add_unless_taken, batches, lost_race, record_of, values_of
from linocut.catalog.schema import ACCESS_KEYS, ACCOUNTS
from linocut.model.errors import AccountNameTaken
from linocut.model.ids import SecretId, Uin
from linocut.model.records import AccessKey, Account

_OF_ACCOUNT: Final = len(fields(Account))


class Accounts:
    """The accounts in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, account: Account, key: AccessKey) -> None:
        """Add an account with its first access key.

        Raises AccountNameTaken; and LostRace when the Uin, the AppId or the secret id exists, or another operator.
        """
        try:
            added = add_unless_taken(self._connection, ACCOUNTS, values_of(account, ACCOUNTS), ["name"])
            if added:
                self._connection.execute(insert(ACCESS_KEYS).values(values_of(key, ACCESS_KEYS)))
        except IntegrityError as error:
            raise lost_race(f"a number of account {account.name} exists, or another operator") from error
        if not added:
            raise AccountNameTaken(f"an account named {account.name} exists")

    def get(self, uin: Uin) -> Account | None:
        """Return the account, or None."""
        return self._one(ACCOUNTS.c.uin == uin)

    def by_name(self, name: str) -> Account | None:
        """Return the account of that name, or None."""
        return self._one(ACCOUNTS.c.name == name)

    def operator(self) -> Account | None:
        """Return the operator, or None before the first start has made one."""
        return self._one(ACCOUNTS.c.is_operator)

    def by_secret_id(self, secret_id: SecretId) -> tuple[Account, AccessKey] | None:
        """Return the account that has the access key, with the key; or None."""
        rows = _credential(self._connection.dialect).rows(self._connection, {"secret_id": secret_id})
        return (Account(*rows[0][:_OF_ACCOUNT]), AccessKey(*rows[0][_OF_ACCOUNT:])) if rows else None

    def all(self) -> tuple[Account, ...]:
        """Return every account, oldest first."""
        rows = self._connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.created_at, ACCOUNTS.c.uin)).mappings()
        return tuple(record_of(Account, row) for row in rows)

    def missing(self, uins: Iterable[Uin]) -> tuple[Uin, ...]:
        """Return those of the Uins that no account has, in their order."""
        asked = tuple(dict.fromkeys(uins))
        known: set[str] = set()
        for batch in batches(asked):
            known.update(self._connection.scalars(select(ACCOUNTS.c.uin).where(ACCOUNTS.c.uin.in_(batch))))
        return tuple(uin for uin in asked if uin not in known)

    def keys_of(self, uin: Uin) -> tuple[AccessKey, ...]:
        """Return the account's access keys, oldest first."""
        return self._keys(ACCESS_KEYS.c.uin == uin)

    def _one(self, condition: ColumnElement[bool]) -> Account | None:
        query = select(ACCOUNTS).where(condition).order_by(ACCOUNTS.c.created_at, ACCOUNTS.c.uin).limit(1)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else record_of(Account, row)

    def _keys(self, condition: ColumnElement[bool]) -> tuple[AccessKey, ...]:
        query = select(ACCESS_KEYS).where(condition).order_by(ACCESS_KEYS.c.created_at, ACCESS_KEYS.c.secret_id)
        return tuple(record_of(AccessKey, row) for row in self._connection.execute(query).mappings())


@cache
def _credential(dialect: Dialect) -> Prepared:
    """Return the statement that finds an access key with its account: each request begins with it."""
    columns = (*(ACCOUNTS.c[each.name] for each in fields(Account)), *(ACCESS_KEYS.c[each.name] for each in fields(AccessKey)))
    found = ACCESS_KEYS.c.secret_id == bindparam("secret_id", type_=String)
    return Prepared(dialect, select(*columns).join_from(ACCESS_KEYS, ACCOUNTS, ACCOUNTS.c.uin == ACCESS_KEYS.c.uin).where(found))
