"""Whatever a body holds, the answer is an envelope with a code that the action may give, and never InternalError."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from signed_calls import Person, Request, code_of
from wire_values import EVERY_ACTION, bare, item_of

from linocut.api.envelope import Shape
from linocut.api.failures import COMMON_CODES
from linocut.api.table import Action, Service

_WORDS = [
    *(
        "",
        "0",
        "x",
        "-",
        "true",
        "DEFAULT",
        "未命名",
        "{R:1}",
        "{R:99999999999,F:99}",
        "🙂" * 70,
        "a" * 300,
        "%00",
        "../..",
        "'; --",
    ),
    *("img-00000000", "ins-00000000", "skey-00000000", "img-x", "S5.SMALL1", "S5.", ".", "ap-guangzhou-3", "ap-guangzhou-1"),
    *("Debian", "12", "x86_64", "arm_64", "http://[", "http://h:99999999/", "upload://", "upload://x", "file:///etc/passwd"),
    *("image-id", "image-name", "tag:k", "tag:", "creation-start-time", "2026-01-01 00:00:00", "9999-99-99 00:00:00", "zone"),
    *("sort-keys", "cpu:desc", "instance-charge-type", "project-id", "image", "instance", "keypair", "SHARE", "CANCEL", "SOFT"),
    *(
        "ssh-rsa AAAA",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        "MTIz",
        "====",
        "POSTPAID_BY_HOUR",
        "Aa1!aaaa",
        "\u202e",
        "\x7f",
    ),
]
_TEXTS = st.sampled_from(_WORDS) | st.text(max_size=20)
_NUMBERS = st.sampled_from([0, 1, 2, 20, 100, 101, -1, 2**31, 2**63 - 1, -(2**63)]) | st.integers(0, 5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


def _values(kind: Any) -> SearchStrategy[Any]:
    kind = bare(kind)
    if item_of(kind) is not None:
        return st.lists(_values(item_of(kind)), max_size=3)
    if isinstance(kind, type) and issubclass(kind, Shape):
        fields = msgspec.structs.fields(kind)
        return st.fixed_dictionaries(
            {field.encode_name: _values(field.type) for field in fields if field.required},
            optional={field.encode_name: _values(field.type) for field in fields if not field.required},
        )
    simple: dict[Any, SearchStrategy[Any]] = {str: _TEXTS, int: _NUMBERS, bool: st.booleans()}
    return simple[kind]


def _check(person: Person, entry: tuple[Service, Action[Any]], body: bytes) -> None:
    service, action = entry
    code = code_of(person.send(Request(action=action.name, service=service.name, body=body)))

    assert code != "InternalError"
    assert code in {"OK"} | action.codes.every() | COMMON_CODES


_EFFORT = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


# Making RSA keys takes a second each.
_QUICK = [entry for entry in EVERY_ACTION if entry[1].name != "CreateKeyPair"]


@pytest.mark.parametrize("entry", _QUICK, ids=lambda entry: entry[1].name)
@_EFFORT
@given(data=st.data())
def test_values_of_the_right_types_get_a_documented_answer(
    person: Person, entry: tuple[Service, Action[Any]], data: DataObject
) -> None:
    _check(person, entry, json.dumps(data.draw(_values(entry[1].request))).encode("utf-8", "surrogatepass"))


@_EFFORT
@given(entry=st.sampled_from(_QUICK), value=_JSON)
def test_any_json_gets_a_documented_answer(person: Person, entry: tuple[Service, Action[Any]], value: object) -> None:
    _check(person, entry, json.dumps(value).encode())


@_EFFORT
@given(entry=st.sampled_from(_QUICK), body=st.binary(max_size=200))
def test_any_bytes_get_a_documented_answer(person: Person, entry: tuple[Service, Action[Any]], body: bytes) -> None:
    _check(person, entry, body)


_HEADERS = ["Authorization", "Host", "Content-Type", "X-TC-Action", "X-TC-Version", "X-TC-Timestamp", "X-TC-Region", "X-TC-Token"]
_LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
_ALMOST = st.from_regex(
    r"TC3-HMAC-SHA256 Credential=[A-Za-z0-9/-]{0,60}, SignedHeaders=[a-z;-]{0,20}, Signature=[0-9a-f]{64}",
    fullmatch=True,
    alphabet=st.characters(max_codepoint=127),
)


@_EFFORT
@given(headers=st.dictionaries(st.sampled_from(_HEADERS), _LATIN | _ALMOST))
def test_any_headers_get_an_envelope(person: Person, headers: dict[str, str]) -> None:
    code = code_of(person.send(Request(more=headers)))

    assert code in {"OK"} | COMMON_CODES
