import random
from dataclasses import replace

import pytest
from cloud_bench import Bench

from linocut.cloud import accounts
from linocut.model import errors


def test_a_number_that_another_account_has_is_drawn_again(bench: Bench) -> None:
    first = accounts.create_account(replace(bench.cloud, randomness=random.Random(7)), "first")
    second = accounts.create_account(replace(bench.cloud, randomness=random.Random(7)), "second")

    assert first.uin != second.uin
    assert {first.uin, second.uin} <= {account.uin for account in accounts.list_accounts(bench.cloud)}


def test_a_name_is_one_account_s(bench: Bench) -> None:
    accounts.create_account(bench.cloud, "first")

    with pytest.raises(errors.AccountNameTaken):
        accounts.create_account(bench.cloud, "first")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_a_name_that_cannot_be_shown_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(errors.InvalidValue):
        accounts.create_account(bench.cloud, name)
