"""Temporary credentials: who has them, how long, and that they are of no use without their token."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgi_http import Http, http_of
from sdk_requests import FORMS, Form, written
from signed_calls import Person, code_of

from linocut.api.app import create_app
from linocut.cloud.accounts import NewAccount
from linocut.cloud.context import Cloud
from linocut.model.ids import SecretId


def _role(person: Person, **changes: Any) -> dict[str, Any]:
    return {"RoleArn": f"qcs::cam::uin/{person.account.uin}:roleName/build", "RoleSessionName": "ci"} | changes


def _assumed(person: Person, **changes: Any) -> tuple[NewAccount, str]:
    """Return the temporary credentials of a role, as an account, and their token."""
    credentials = person.call("AssumeRole", _role(person, **changes), service="sts", region=None)["Credentials"]
    temporary = replace(person.account, secret_id=SecretId(credentials["TmpSecretId"]), secret_key=credentials["TmpSecretKey"])
    return temporary, credentials["Token"]


def test_an_account_is_told_who_it_is(person: Person) -> None:
    uin = person.account.uin
    identity = person.call("GetCallerIdentity", service="sts", region=None)

    identity.pop("RequestId")
    assert identity == {
        "Arn": f"qcs::cam:{uin}:uin/{uin}",
        "AccountId": uin,
        "UserId": uin,
        "PrincipalId": uin,
        "Type": "CAMUser",
    }


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_role_signs_with_its_token_in_every_form(person: Person, http: Http, form: Form) -> None:
    temporary, token = _assumed(person)

    identity = written(form.with_(token=token), temporary, "GetCallerIdentity", {}, service="sts").send(http)

    assert identity["Type"] == "CAMRole"
    assert identity["AccountId"] == person.account.uin
    number, _, name = identity["UserId"].partition(":")
    assert re.fullmatch(r"4611686\d{12}", number)
    assert name == "ci"
    assert identity["Arn"] == f"qcs::sts:{person.account.uin}:assumed-role/{number}"
    for wrong in ("", "x", token[:-1], token + "x", "é"):
        said = written(form.with_(token=wrong), temporary, "DescribeImages", {}).send(http)
        assert code_of(said) == "AuthFailure.TokenFailure", wrong
    assert (
        code_of(written(form.with_(token=token), person.account, "DescribeImages", {}).send(http)) == "AuthFailure.TokenFailure"
    )


def test_a_role_owns_what_its_account_owns_and_is_named_in_the_audit_log(cloud: Cloud, person: Person, http: Http) -> None:
    temporary, token = _assumed(person)

    key = written(Form(token=token), temporary, "CreateKeyPair", {"KeyName": "mine", "ProjectId": 0}).send(http)

    assert person.call("DescribeKeyPairs", {"KeyIds": [key["KeyPair"]["KeyId"]]})["TotalCount"] == 1
    with cloud.catalog.read() as tx:
        assert tx.audit.recent(1)[0].secret_id == temporary.secret_id


def test_a_number_of_a_role_is_the_one_it_was_named_by_or_always_the_same(person: Person, http: Http) -> None:
    def number(role: str) -> str:
        temporary, token = _assumed(person, RoleArn=f"qcs::cam::uin/{person.account.uin}:{role}")
        said = written(Form(token=token), temporary, "GetCallerIdentity", {}, service="sts").send(http)
        return str(said["UserId"]).partition(":")[0]

    assert number("role/4611686018427397919") == "4611686018427397919"
    assert number("roleName/one") == number("roleName/one") != number("roleName/two")


@pytest.fixture
def later(cloud: Cloud) -> Iterator[Callable[[float], Http]]:
    """Give the application as it is some seconds from now."""
    clock = [time.time()]
    with http_of(create_app(cloud, now=lambda: clock[0])) as client:

        def at(seconds: float) -> Http:
            clock[0] = time.time() + seconds
            return client

        yield at


@pytest.mark.parametrize("seconds", [60, 7200, 43200])
def test_a_session_ends_when_it_said_it_would(
    person: Person, later: Callable[[float], Http], monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    said = person.call("AssumeRole", _role(person, DurationSeconds=seconds), service="sts", region=None)
    credentials = said["Credentials"]
    temporary = replace(person.account, secret_id=SecretId(credentials["TmpSecretId"]), secret_key=credentials["TmpSecretKey"])
    real = time.time
    assert abs(said["ExpiredTime"] - real() - seconds) < 60
    assert said["Expiration"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(said["ExpiredTime"]))

    def code(at: float) -> str:
        client = later(at)
        monkeypatch.setattr(time, "time", lambda: real() + at)  # the official SDK signs with it
        request = written(Form(token=credentials["Token"]), temporary, "DescribeImages", {})
        monkeypatch.setattr(time, "time", real)
        return code_of(request.send(client))

    assert code(0) == "OK"
    assert code(seconds - 30) == "OK"
    assert code(seconds + 1) == "AuthFailure.TokenFailure"


def test_without_a_duration_a_session_lasts_two_hours(person: Person) -> None:
    said = person.call("AssumeRole", _role(person), service="sts", region=None)

    assert abs(said["ExpiredTime"] - time.time() - 7200) < 60


def test_ended_sessions_are_swept(cloud: Cloud, person: Person) -> None:
    temporary, _ = _assumed(person)
    with cloud.catalog.begin() as tx:
        session = tx.sessions.get(temporary.secret_id)
        assert session is not None
        old = replace(session, secret_id=SecretId("old" + session.secret_id), expires_at=session.expires_at - timedelta(days=2))
        tx.sessions.add(old)

    _assumed(person)

    with cloud.catalog.read() as tx:
        assert tx.sessions.get(old.secret_id) is None
        assert tx.sessions.get(temporary.secret_id) is not None


def test_neither_key_nor_token_of_a_session_can_be_read_in_the_catalog(cloud: Cloud, person: Person) -> None:
    temporary, token = _assumed(person)
    with cloud.catalog.read() as tx:
        session = tx.sessions.get(temporary.secret_id)

    assert session is not None
    assert temporary.secret_key.encode() not in session.sealed_secret_key
    assert token not in repr(session)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RoleArn": "role"}, "InvalidParameter.ParamError"),
        ({"RoleArn": "qcs::cam::uin/1:roleName/"}, "InvalidParameter.ParamError"),
        ({"RoleArn": "qcs::cam::uin/1:roleName/a b"}, "InvalidParameter.ParamError"),
        ({"RoleArn": "qcs::cam::uin/1:role/x"}, "InvalidParameter.ParamError"),
        ({"RoleArn": "qcs::cam::uin/1:roleName/x"}, "ResourceNotFound.RoleNotFound"),
        ({"RoleSessionName": "x"}, "InvalidParameter.ParamError"),
        ({"RoleSessionName": "x" * 129}, "InvalidParameter.ParamError"),
        ({"RoleSessionName": "with space"}, "InvalidParameter.ParamError"),
        ({"DurationSeconds": 0}, "InvalidParameter.OverTimeError"),
        ({"DurationSeconds": 43201}, "InvalidParameter.OverTimeError"),
        ({"Policy": '{"version":"2.0"}'}, "UnsupportedOperation"),
        ({"Policy": ""}, "OK"),
    ],
)
def test_what_cannot_be_assumed_is_refused(person: Person, changes: dict[str, Any], code: str) -> None:
    assert person.code("AssumeRole", _role(person, **changes), service="sts", region=None) == code


def test_another_accounts_role_does_not_exist(new_person: Callable[[], Person]) -> None:
    owner, other = new_person(), new_person()

    asked = {"RoleArn": f"qcs::cam::uin/{owner.account.uin}:roleName/build", "RoleSessionName": "ci"}
    assert other.code("AssumeRole", asked, service="sts") == "ResourceNotFound.RoleNotFound"


def test_a_role_cannot_prolong_itself(person: Person, http: Http) -> None:
    temporary, token = _assumed(person)

    said = written(Form(token=token), temporary, "AssumeRole", _role(person), service="sts").send(http)

    assert code_of(said) == "FailedOperation.TempKeyNotAllowed"
