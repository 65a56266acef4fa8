from datetime import timedelta

import pytest
from catalog_records import ANNA, BERT, CLEO, NOW, an_access_key, an_account, join

from linocut.catalog import Catalog
from linocut.model.errors import AccountNameTaken, LostRace
from linocut.model.ids import AppId, SecretId


def test_a_request_finds_its_account_by_the_secret_id(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)

    with catalog.read() as tx:
        assert tx.accounts.by_secret_id(SecretId(f"AKID{BERT}")) == (an_account(BERT), an_access_key(BERT))
        assert tx.accounts.by_secret_id(SecretId("AKID")) is None


def test_an_account_is_found_by_uin_and_name(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)

    with catalog.read() as tx:
        assert tx.accounts.get(BERT) == tx.accounts.by_name(f"account {BERT}") == an_account(BERT)
        assert tx.accounts.get(CLEO) is None
        assert tx.accounts.by_name("nobody") is None


def test_accounts_are_listed_oldest_first(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        tx.accounts.add(an_account(ANNA), an_access_key(ANNA))
        tx.accounts.add(an_account(BERT, created_at=NOW - timedelta(days=1)), an_access_key(BERT))

    with catalog.read() as tx:
        assert [account.uin for account in tx.accounts.all()] == [BERT, ANNA]


def test_there_is_no_operator_until_one_is_added(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.read() as tx:
        assert tx.accounts.operator() is None

    with catalog.begin() as tx:
        tx.accounts.add(an_account(BERT, is_operator=True), an_access_key(BERT))
    with catalog.read() as tx:
        assert tx.accounts.operator() == an_account(BERT, is_operator=True)


def test_there_is_only_one_operator(catalog: Catalog) -> None:
    with catalog.begin() as tx:
        tx.accounts.add(an_account(ANNA, is_operator=True), an_access_key(ANNA))

    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.accounts.add(an_account(BERT, is_operator=True), an_access_key(BERT))


def test_the_missing_ones_of_many_uins_are_named_in_their_order(catalog: Catalog) -> None:
    join(catalog, BERT)

    with catalog.read() as tx:
        assert tx.accounts.missing([CLEO, BERT, ANNA, CLEO]) == (CLEO, ANNA)
        assert tx.accounts.missing([]) == ()


def test_an_account_name_is_taken_once(catalog: Catalog) -> None:
    join(catalog, ANNA)

    with catalog.begin() as tx:
        with pytest.raises(AccountNameTaken):
            tx.accounts.add(an_account(BERT, name=f"account {ANNA}"), an_access_key(BERT))
        tx.accounts.add(an_account(CLEO), an_access_key(CLEO))

    with catalog.read() as tx:
        assert [account.uin for account in tx.accounts.all()] == [ANNA, CLEO]


@pytest.mark.parametrize(
    ("account", "key"),
    [
        (an_account(ANNA, name="new", app_id=AppId(9)), an_access_key(ANNA, secret_id=SecretId("new"))),
        (an_account(BERT, app_id=an_account(ANNA).app_id), an_access_key(BERT)),
        (an_account(BERT), an_access_key(BERT, secret_id=SecretId(f"AKID{ANNA}"))),
    ],
    ids=["uin", "app id", "secret id"],
)
def test_a_number_that_exists_must_be_drawn_again(catalog: Catalog, account: object, key: object) -> None:
    join(catalog, ANNA)

    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.accounts.add(account, key)

    with catalog.read() as tx:
        assert [account.uin for account in tx.accounts.all()] == [ANNA]
