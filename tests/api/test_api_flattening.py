"""Flat parameters: what the official SDK flattens comes out as its JSON does, and what nobody flattened is refused by name."""

import contextlib
import typing
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from sdk_requests import flat
from wire_values import EVERY_ACTION, NAMES, bare, item_of

from linocut.api.envelope import Shape
from linocut.api.failures import Failure
from linocut.api.flattening import read_pairs, unflatten
from linocut.api.parameters import is_empty, read_parameters
from linocut.api.table import Action, Service

_TEXTS = st.sampled_from(["", "0", "1", "true", "False", "null", "a.b", "a&b=c", "+ %", "像"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
_SIMPLE: dict[Any, SearchStrategy[Any]] = {
    str: _TEXTS,
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
}
_EFFORT = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def _values(kind: Any) -> SearchStrategy[Any]:
    """Draw values of a type in which nothing is empty, for what is empty is not there in a flat request."""
    kind = bare(kind)
    if item_of(kind) is not None:
        return st.lists(_values(item_of(kind)), min_size=1, max_size=3)
    if typing.get_origin(kind) is dict:
        return st.dictionaries(st.from_regex("[A-Za-z]{1,5}", fullmatch=True), _values(typing.get_args(kind)[1]), min_size=1)
    if isinstance(kind, type) and issubclass(kind, Shape):
        fields = {field.encode_name: (_values(field.type), field.required) for field in msgspec.structs.fields(kind)}
        drawn = st.fixed_dictionaries(
            {name: values for name, (values, required) in fields.items() if required},
            optional={name: values for name, (values, required) in fields.items() if not required},
        )
        return drawn.filter(bool) if fields else drawn
    return _SIMPLE[kind]


def _read(action: Action[Any], parameters: dict[str, object], *, are_texts: bool) -> object:
    try:
        return read_parameters(action.request, action.unsupported, parameters, are_texts=are_texts)
    except Failure as failure:
        return failure.code


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
@_EFFORT
@given(data=st.data())
def test_a_flat_request_is_the_same_typed_request_as_its_json(entry: tuple[Service, Action[Any]], data: DataObject) -> None:
    action = entry[1]
    parameters = data.draw(_values(action.request)) if msgspec.structs.fields(action.request) else {}

    from_flat = _read(action, unflatten(read_pairs(urlencode(flat(parameters)))), are_texts=True)

    assert from_flat == _read(action, msgspec.json.decode(msgspec.json.encode(parameters)), are_texts=False)


HOSTILE = {
    "deep": "A" + ".0" * 5000 + "=x",
    "a list with a gap": "A.0=x&A.2=y",
    "an index with a zero before it": "A.00=x",
    "an index beyond ASCII": "A.\u0663=x".encode().decode("latin-1"),
    "a huge index": "A.99999999999999999999=x",
    "an index that is not the first": "A.1=x",
    "a list and a structure": "A.0=x&A.B=y",
    "a structure and a list": "A.B=y&A.0=x",
    "a value and a list": "A=x&A.0=y",
    "a list and a value": "A.0=y&A=x",
    "a name twice": "A=x&A=x",
    "no name": "=x",
    "only a dot": ".=x",
    "a dot at the end": "A.=x",
    "two dots": "A..B=x",
    "no end of names": "&".join(f"A.{number}=x" for number in range(30_000)),
    "no UTF-8": "A=%ff%fe",
    "a broken name": "%ff=1",
    "not encoded": "A=\xe9",
}


@pytest.mark.parametrize("encoded", HOSTILE.values(), ids=HOSTILE)
def test_what_nobody_flattened_is_refused(encoded: str) -> None:
    with pytest.raises(Failure) as caught:
        unflatten(read_pairs(encoded))

    assert caught.value.code in {"InvalidParameter", "InvalidRequest"}
    assert len(str(caught.value)) < 300


@_EFFORT
@given(encoded=st.text("AB.019=&%+xf é", max_size=60))
def test_any_text_is_read_or_refused(encoded: str) -> None:
    with contextlib.suppress(Failure):
        unflatten(read_pairs(encoded))


@_EFFORT
@given(encoded=st.text("AB.019=&%+xf", max_size=60), entry=st.sampled_from(EVERY_ACTION))
def test_what_is_read_is_taken_or_refused_by_the_action(encoded: str, entry: tuple[Service, Action[Any]]) -> None:
    try:
        parameters = unflatten(read_pairs(encoded))
    except Failure:
        return
    said = _read(entry[1], parameters, are_texts=True)

    assert not isinstance(said, str) or said in {
        "InvalidParameter",
        "InvalidParameterValue",
        "MissingParameter",
        "UnknownParameter",
        "UnsupportedOperation",
    }


def test_percent_signs_that_escape_nothing_stand_for_themselves() -> None:
    assert read_pairs("A=100%&B=%zz") == {"A": "100%", "B": "%zz"}


REFUSED = [
    pytest.param(entry, path, id=f"{entry[1].name}.{path}")
    for entry in EVERY_ACTION
    for path, asks_nothing in entry[1].unsupported.items()
    if asks_nothing is is_empty and "." not in path
]


@pytest.mark.parametrize(("entry", "path"), REFUSED)
def test_texts_that_mean_nothing_ask_for_nothing(entry: tuple[Service, Action[Any]], path: str) -> None:
    def said(value: str) -> object:
        return _read(entry[1], {path: value}, are_texts=True)

    without = _read(entry[1], {}, are_texts=True)
    for nothing in ("", "0", "false", "False"):
        assert said(nothing) == without, nothing
    for something in ("1", "true", "x"):
        assert said(something) == "UnsupportedOperation", something
