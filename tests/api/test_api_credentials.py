"""Access keys are looked up once in a while, not at every call."""

from datetime import UTC, datetime

import pytest

from linocut.api.credentials import Credentials
from linocut.cloud.accounts import Credential
from linocut.model.ids import AppId, Uin
from linocut.model.records import Account

ACCOUNT = Account(Uin("1"), AppId(1), "one", is_operator=False, created_at=datetime(2026, 1, 1, tzinfo=UTC))


class Keys:
    """A directory of access keys that counts who asks, with a clock."""

    def __init__(self) -> None:
        self.held = {"AKID": Credential(ACCOUNT, "key")}
        self.asked = 0
        self.at = 1000.0

    def find(self, secret_id: str) -> Credential | None:
        self.asked += 1
        return self.held.get(secret_id)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def credentials(keys: Keys) -> Credentials:
    return Credentials(keys.find, lambda: keys.at)


def test_a_key_is_looked_up_once_in_five_seconds(keys: Keys, credentials: Credentials) -> None:
    for _ in range(10):
        assert credentials.find("AKID") == Credential(ACCOUNT, "key")
    assert keys.asked == 1

    keys.at += 6
    assert credentials.find("AKID") == Credential(ACCOUNT, "key")
    assert keys.asked == 2


def test_a_key_that_is_withdrawn_stops_working_after_a_moment(keys: Keys, credentials: Credentials) -> None:
    assert credentials.find("AKID")
    del keys.held["AKID"]

    keys.at += 6
    assert credentials.find("AKID") is None


def test_a_new_key_works_at_once(keys: Keys, credentials: Credentials) -> None:
    assert credentials.find("AKIDnew") is None
    keys.held["AKIDnew"] = Credential(ACCOUNT, "new")

    assert credentials.find("AKIDnew") == Credential(ACCOUNT, "new")


def test_a_clock_that_is_set_back_makes_nothing_last(keys: Keys, credentials: Credentials) -> None:
    assert credentials.find("AKID")
    keys.at -= 3600

    assert credentials.find("AKID")
    assert keys.asked == 2


def test_only_so_many_keys_are_remembered(keys: Keys, credentials: Credentials) -> None:
    keys.held |= {f"AKID{number}": Credential(ACCOUNT, "key") for number in range(1001)}
    for name in keys.held:
        credentials.find(name)
    asked = keys.asked

    credentials.find("AKID1000")
    assert keys.asked == asked
    credentials.find("AKID")
    assert keys.asked == asked + 1
