from typing import Any

import pytest
from belongings import an_import
from signed_calls import Person, Request
from wire_values import EVERY_ACTION, NAMES, complete

from linocut.api.table import Action, Service
from linocut.cloud.context import Cloud
from linocut.model.records import AuditEntry

GRANTING = {"DescribeInstanceVncUrl"}
"""What only describes by its name, but hands out a way in."""


def _entries(cloud: Cloud, person: Person) -> list[AuditEntry]:
    """Return what was noted of an account, the oldest first."""
    with cloud.catalog.read() as tx:
        return [one for one in reversed(tx.audit.recent(10_000)) if one.uin == person.account.uin]


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_whatever_changes_something_is_noted_and_what_only_reads_is_not(
    cloud: Cloud, person: Person, entry: tuple[Service, Action[Any]]
) -> None:
    service, action = entry

    code = person.code(action.name, complete(action) | {"Unicorn": 1}, service=service.name)

    assert code == "UnknownParameter"
    reads = action.name.startswith(("Describe", "Get", "Inquiry")) and action.name not in GRANTING
    assert action.is_mutating is not reads
    noted = [(service.name, action.name, "UnknownParameter")] if action.is_mutating else []
    assert [(one.service, one.action, one.outcome) for one in _entries(cloud, person)] == noted


def test_success_and_refusal_are_noted_with_who_asked_and_from_where(cloud: Cloud, person: Person) -> None:
    order = an_import()
    done = person.call("ImportImage", order)
    person.call("ImportImage", order)

    entries = _entries(cloud, person)
    assert [one.outcome for one in entries] == ["ok", "InvalidImageName.Duplicate"]
    first = entries[0]
    assert (first.secret_id, first.source, first.region) == (person.account.secret_id, "127.0.0.1", "ap-guangzhou")
    assert first.request_id == done["RequestId"]


def test_a_call_that_nobody_made_for_sure_is_not_put_down_to_anybody(cloud: Cloud, person: Person) -> None:
    person.send(Request(action="DeleteImages", timestamp="1000000000"))

    assert _entries(cloud, person) == []
