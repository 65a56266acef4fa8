import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from asgi_http import Http
from signed_calls import HOST, Person, Request, code_of, headers_of

from linocut.cloud.accounts import NewAccount
from linocut.model.ids import SecretId


def test_a_request_that_the_official_function_signed_is_accepted(person: Person) -> None:
    assert code_of(person.send(Request())) == "OK"


@pytest.mark.parametrize("host", [HOST, f"http://{HOST}", "cvm.tc.example", "CVM.TC.example:80"])
def test_the_host_counts_as_it_was_sent(person: Person, host: str) -> None:
    assert code_of(person.send(Request(host=host))) == "OK"


def test_more_headers_may_be_signed_and_in_lower_case(person: Person) -> None:
    signed = ("content-type", "host", "x-tc-action")

    assert code_of(person.send(Request(signed_headers=signed))) == "OK"
    assert code_of(person.send(Request(signed_headers=signed, lower=True))) == "OK"


def test_the_payload_may_be_left_unsigned(person: Person) -> None:
    request = Request(payload=b"UNSIGNED-PAYLOAD", more={"X-TC-Content-SHA256": "UNSIGNED-PAYLOAD"})

    assert code_of(person.send(request)) == "OK"


def test_a_wrong_key_does_not_sign(person: Person, http: Http) -> None:
    forger = Person(http, replace(person.account, secret_key="0" * 32))

    assert code_of(forger.send(Request())) == "AuthFailure.SignatureFailure"


def test_an_unknown_id_is_told_so(person: Person, http: Http) -> None:
    stranger = Person(http, replace(person.account, secret_id=SecretId("AKID" + "x" * 32)))

    assert code_of(stranger.send(Request())) == "AuthFailure.SecretIdNotFound"


def test_one_account_cannot_sign_as_another(new_person: Callable[[], Person], http: Http) -> None:
    mine, theirs = new_person().account, new_person().account
    mixed = Person(http, replace(theirs, secret_key=mine.secret_key))

    assert code_of(mixed.send(Request())) == "AuthFailure.SignatureFailure"


TAMPERED: dict[str, Callable[[NewAccount], tuple[bytes, dict[str, str]]]] = {
    "body": lambda who: (b'{"Limit":1}', headers_of(Request(), who)),
    "content type": lambda who: (b"{}", headers_of(Request(), who) | {"Content-Type": "application/json; charset=utf-8"}),
    "host": lambda who: (b"{}", headers_of(Request(), who) | {"Host": "elsewhere"}),
    "timestamp": lambda who: (b"{}", headers_of(Request(), who) | {"X-TC-Timestamp": str(int(time.time()) - 5)}),
    "unsigned payload": lambda who: (b"{}", headers_of(Request(), who) | {"X-TC-Content-SHA256": "UNSIGNED-PAYLOAD"}),
    "service": lambda who: (b"{}", _other(headers_of(Request(), who), "/cvm/", "/linocut/")),
    "signature": lambda who: (
        b"{}",
        _other(headers_of(Request(), who), headers_of(Request(), who)["Authorization"][-64:], "0" * 64),
    ),
}


def _other(headers: dict[str, str], old: str, new: str) -> dict[str, str]:
    return headers | {"Authorization": headers["Authorization"].replace(old, new)}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_changed_after_signing_is_refused(person: Person, what: str) -> None:
    body, headers = TAMPERED[what](person.account)

    assert code_of(person.send_raw("POST", body, headers)) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize(("age", "code"), [(290, "OK"), (-290, "OK"), (310, "expired"), (-310, "expired"), (10**9, "expired")])
def test_a_signature_lives_five_minutes_either_way(person: Person, age: int, code: str) -> None:
    said = code_of(person.send(Request(timestamp=str(int(time.time()) - age))))

    assert said == ("OK" if code == "OK" else "AuthFailure.SignatureExpire")


def test_the_date_must_be_that_of_the_timestamp(person: Person) -> None:
    assert code_of(person.send(Request(date="2020-02-02"))) == "AuthFailure.SignatureExpire"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer x",
        "SKIP",
        "TC3-HMAC-SHA256",
        "TC3-HMAC-SHA256 Credential=a/2026-11-23/cvm/tc3_request, SignedHeaders=content-type;host, Signature=short",
        f"TC3-HMAC-SHA256 Credential=a/2026-11-23/cvm, SignedHeaders=content-type;host, Signature={'0' * 64}",
        f"TC3-HMAC-SHA256 Credential=a/2026-11-23/cvm/tc3_request, SignedHeaders=host, Signature={'0' * 64}",
        f"TC3-HMAC-SHA256 Credential=a/2026-11-23/cvm/tc3_request, SignedHeaders=content-type, Signature={'0' * 64}",
        f"TC3-HMAC-SHA256 Credential=/2026-11-23/cvm/tc3_request, SignedHeaders=content-type;host, Signature={'0' * 64}",
    ],
)
def test_an_authorization_of_another_form_is_refused(person: Person, authorization: str | None) -> None:
    assert code_of(person.send(Request(more={"Authorization": authorization}))) == "AuthFailure.InvalidAuthorization"


@pytest.mark.parametrize(
    ("timestamp", "code"),
    [(None, "MissingParameter"), ("soon", "InvalidParameter"), ("-5", "InvalidParameter"), ("9" * 40, "InvalidParameter")],
)
def test_the_timestamp_must_be_there_and_a_number(person: Person, timestamp: str | None, code: str) -> None:
    assert code_of(person.send(Request(more={"X-TC-Timestamp": timestamp}))) == code


def test_temporary_credentials_are_refused(person: Person) -> None:
    assert code_of(person.send(Request(more={"X-TC-Token": "token"}))) == "AuthFailure.TokenFailure"
