"""Accounts: tenants and their access keys."""

import string
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from linocut.catalog import Tx
from linocut.cloud.context import Cloud
from linocut.cloud.price_books import current_prices
from linocut.model import errors
from linocut.model.ids import AppId, SecretId, Uin
from linocut.model.records import AccessKey, Account, Session

_NAME_CHARACTERS: Final = 64
ALPHANUMERIC: Final = string.ascii_letters + string.digits
_OPERATOR: Final = "operator"
_DRAWS: Final = 5


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account with its secret key, which is shown this once."""

    uin: Uin
    app_id: AppId
    secret_id: SecretId
    secret_key: str


@dataclass(frozen=True, slots=True)
class Credential:
    """The account that a secret id stands for, and its secret key; of temporary credentials their session as well."""

    account: Account
    secret_key: str
    session: Session | None = None


def create_account(cloud: Cloud, name: str, currency: str = "") -> NewAccount:
    """Create a tenant that pays in a currency, by default the price book's. Raises InvalidValue, AccountNameTaken."""
    if currency and currency not in current_prices(cloud).currencies:
        raise errors.InvalidValue(f"Nothing has a price in {currency}.")
    if not 1 <= len(name) <= _NAME_CHARACTERS or not name.isprintable():
        raise errors.InvalidValue(f"An account's name takes 1 to {_NAME_CHARACTERS} printable characters.")
    for _ in range(_DRAWS - 1):
        with suppress(errors.LostRace):  # somebody has one of the numbers that were drawn
            return _create(cloud, name, currency)
    return _create(cloud, name, currency)


def ensure_operator(cloud: Cloud) -> NewAccount | None:
    """Create the operator account where there is none; return it if this call made it."""
    with cloud.catalog.begin() as tx:
        if tx.accounts.operator() is not None:
            return None
        return _add(cloud, tx, _OPERATOR, "", is_operator=True)


def list_accounts(cloud: Cloud) -> tuple[Account, ...]:
    """Return every account, the oldest first."""
    with cloud.catalog.read() as tx:
        return tx.accounts.all()


def find_credential(cloud: Cloud, secret_id: str) -> Credential | None:
    """Return what a secret id, lasting or temporary, signs with; or None where there is no such id."""
    found = cloud.catalog.ask(lambda tx: tx.accounts.by_secret_id(SecretId(secret_id)))
    if found is not None:
        account, key = found
        return Credential(account, cloud.seal.open(key.secret_id, key.sealed_secret_key))
    with cloud.catalog.read() as tx:
        session = tx.sessions.get(SecretId(secret_id))
        owner = None if session is None else tx.accounts.get(session.uin)
    if session is None or owner is None:
        return None
    return Credential(owner, cloud.seal.open(session.secret_id, session.sealed_secret_key), session)


def _create(cloud: Cloud, name: str, currency: str) -> NewAccount:
    with cloud.catalog.begin() as tx:
        if tx.accounts.by_name(name) is not None:
            raise errors.AccountNameTaken(f"There is an account named {name} already.")
        return _add(cloud, tx, name, currency, is_operator=False)


def _add(cloud: Cloud, tx: Tx, name: str, currency: str, *, is_operator: bool) -> NewAccount:
    dice = cloud.randomness
    new = NewAccount(
        uin=Uin("1000" + "".join(dice.choices(string.digits, k=8))),
        app_id=AppId(1_250_000_000 + dice.randrange(100_000_000)),
        secret_id=SecretId("AKID" + "".join(dice.choices(ALPHANUMERIC, k=32))),
        secret_key="".join(dice.choices(ALPHANUMERIC, k=32)),
    )
    at = cloud.now()
    tx.accounts.add(
        Account(new.uin, new.app_id, name, is_operator, at, currency or cloud.prices.currency),
        AccessKey(new.secret_id, new.uin, cloud.seal.close(new.secret_id, new.secret_key), at),
    )
    return new
