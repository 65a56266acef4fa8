import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgi_http import Http
from belongings import ZONE, an_import, one_of_each
from sdk_requests import FORMS, written
from signed_calls import Person, Request
from wire_values import EVERY_ACTION, NAMES, complete

import linocut
from linocut.api.table import Action, Service
from linocut.cloud.audit import ID_PREFIXES
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


def _listed(person: Person, **asked: Any) -> list[dict[str, Any]]:
    answer = person.call("DescribeAuditEntries", asked, service="linocut", region=None)
    entries: list[dict[str, Any]] = answer["AuditEntrySet"]
    assert answer["TotalCount"] >= len(entries)
    return entries


def test_an_entry_names_the_resources_of_the_request_and_of_the_answer(cloud: Cloud, person: Person) -> None:
    mine = one_of_each(cloud, person)
    person.call("StopInstances", {"InstanceIds": [mine.instance_id, "ins-00000000"]})
    resource = f"qcs::cvm:ap-guangzhou::image/{mine.image_id}"
    person.call("ModifyResourceTags", {"Resource": resource, "ReplaceTags": [{"TagKey": "k", "TagValue": "v"}]}, service="tag")

    noted = {entry.action: entry.resources for entry in _entries(cloud, person)}

    assert noted["ImportImage"] == (mine.image_id,)
    assert noted["RunInstances"] == (mine.image_id, mine.instance_id)
    assert noted["StopInstances"] == (mine.instance_id, "ins-00000000")
    assert noted["ModifyResourceTags"] == (mine.image_id,)


def test_an_old_request_is_noted_like_a_new_one(cloud: Cloud, person: Person, http: Http) -> None:
    for form in FORMS.values():
        written(form, person.account, "DeleteImages", {"ImageIds": ["img-00000001"]}).send(http)

    entries = _entries(cloud, person)
    assert [(one.service, one.action, one.resources) for one in entries] == [("cvm", "DeleteImages", ("img-00000001",))] * len(
        FORMS
    )


def test_no_password_is_noted_whatever_it_looks_like(cloud: Cloud, person: Person) -> None:
    login = {"Password": "ins-00000001"}
    person.call("RunInstances", {"Placement": {"Zone": ZONE}, "ImageId": "img-00000000", "LoginSettings": login})

    assert _entries(cloud, person)[0].resources == ("img-00000000",)


def test_an_account_reads_its_own_entries_and_the_operator_everybodys(
    cloud: Cloud, new_person: Callable[[], Person], operator: Person
) -> None:
    one, other = new_person(), new_person()
    mine = one_of_each(cloud, one)
    other.call("DeleteImages", {"ImageIds": [mine.image_id]})

    assert {entry["Uin"] for entry in _listed(one)} == {one.account.uin}
    assert [entry["Action"] for entry in _listed(one, Actions=["ImportImage", "RunInstances"])] == ["RunInstances", "ImportImage"]
    [import_] = _listed(one, Resources=[mine.image_id], Actions=["ImportImage"])
    assert (import_["Outcome"], import_["Service"], import_["Region"]) == ("ok", "cvm", "ap-guangzhou")
    assert [entry["Action"] for entry in _listed(one, Limit=1, Offset=1)] == [_listed(one)[1]["Action"]]
    assert _listed(one, Since="2099-01-01T00:00:00Z") == []
    assert {entry["Uin"] for entry in _listed(operator, Resources=[mine.image_id])} == {one.account.uin, other.account.uin}
    assert {entry["Uin"] for entry in _listed(operator, Uin=other.account.uin)} == {other.account.uin}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"Uin": "1"}, "UnauthorizedOperation"),
        ({"Since": "yesterday"}, "InvalidParameterValue.InvalidTimeFormat"),
        ({"Since": "2026-01-01"}, "OK"),
        ({"Limit": 101}, "InvalidParameterValue.LimitExceeded"),
        ({"Actions": ["x"] * 11}, "InvalidParameterValue.LimitExceeded"),
        ({"Resources": ["x"] * 11}, "InvalidParameterValue.LimitExceeded"),
    ],
)
def test_what_an_account_may_not_ask_of_the_audit_log_is_refused(person: Person, asked: dict[str, Any], code: str) -> None:
    assert person.code("DescribeAuditEntries", asked, service="linocut") == code


def test_ids_of_every_kind_are_known_to_the_audit_log() -> None:
    source = Path(linocut.__file__).parent
    drawn = {prefix for file in source.rglob("*.py") for prefix in re.findall(r'new_id\(\s*"([a-z]+)"', file.read_text())}

    assert drawn
    assert drawn <= set(ID_PREFIXES)
