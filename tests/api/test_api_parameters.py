"""Every action, with every parameter absent, undeclared, of a wrong type, null, or unsupported."""

from typing import Any

import pytest
from signed_calls import Person, code_of
from wire_values import EVERY_ACTION, NAMES, complete, fields_of, item_of, right, wrong

from linocut.api.parameters import Just
from linocut.api.table import Action, Service

Entry = tuple[Service, Action[Any]]


def _refused(person: Person, entry: Entry, parameters: dict[str, Any], code: str, name: str) -> None:
    service, action = entry
    response = person.call(action.name, parameters, service=service.name)

    assert code_of(response) == code, (parameters, response)
    assert f"`{name}`" in response["Error"]["Message"], (parameters, response)


def _nested(kind: Any, path: str, holder: Any) -> list[tuple[str, Any]]:
    """Return the paths of required fields inside a structure, each with a value that lacks it."""
    found: list[tuple[str, Any]] = []
    for name, (_, required) in fields_of(kind).items():
        if required:
            found.append(
                (f"{path}.{name}", holder({key: right(one) for key, (one, _) in fields_of(kind).items() if key != name}))
            )
    return found


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_a_missing_parameter_is_named(person: Person, entry: Entry) -> None:
    for name, (kind, required) in fields_of(entry[1].request).items():
        request = complete(entry[1])
        if required:
            _refused(person, entry, {key: value for key, value in request.items() if key != name}, "MissingParameter", name)
            _refused(person, entry, request | {name: None}, "MissingParameter", name)
        item = item_of(kind)
        if item is not None and item not in {str, int}:
            for path, value in _nested(item, f"{name}[0]", lambda value: [value]):
                _refused(person, entry, request | {name: value}, "MissingParameter", path)
        elif item is None and kind not in {str, int, bool}:
            for path, value in _nested(kind, name, lambda value: value):
                _refused(person, entry, request | {name: value}, "MissingParameter", path)


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_a_list_that_must_name_something_may_not_be_empty(person: Person, entry: Entry) -> None:
    for name, (kind, required) in fields_of(entry[1].request).items():
        if required and item_of(kind) is not None:
            _refused(person, entry, complete(entry[1]) | {name: []}, "MissingParameter", name)


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_an_undeclared_parameter_is_named(person: Person, entry: Entry) -> None:
    _refused(person, entry, complete(entry[1]) | {"Unicorn": 1}, "UnknownParameter", "Unicorn")
    _refused(person, entry, complete(entry[1]) | {"imageId": "x"}, "UnknownParameter", "imageId")
    for name, (kind, _) in fields_of(entry[1].request).items():
        item = item_of(kind)
        if item is not None and item not in {str, int}:
            value = [right(item) | {"Unicorn": 1}]
            _refused(person, entry, complete(entry[1]) | {name: value}, "UnknownParameter", f"{name}[0].Unicorn")
        elif item is None and kind not in {str, int, bool}:
            value = right(kind) | {"Unicorn": 1}
            _refused(person, entry, complete(entry[1]) | {name: value}, "UnknownParameter", f"{name}.Unicorn")


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_a_value_of_the_wrong_type_is_refused_by_its_name(person: Person, entry: Entry) -> None:
    for name, (kind, _) in fields_of(entry[1].request).items():
        for path, value in wrong(kind, name):
            _refused(person, entry, complete(entry[1]) | {name: value}, "InvalidParameter", path)


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_a_number_beyond_64_bits_is_refused_by_its_name(person: Person, entry: Entry) -> None:
    for name, (kind, _) in fields_of(entry[1].request).items():
        if kind is int:
            for value in (2**63, -(2**63) - 1, 10**30):
                _refused(person, entry, complete(entry[1]) | {name: value}, "InvalidParameter", name)


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=NAMES)
def test_text_with_a_nul_is_refused_by_its_name(person: Person, entry: Entry) -> None:
    for name, (kind, _) in fields_of(entry[1].request).items():
        if kind is str:
            _refused(person, entry, complete(entry[1]) | {name: "a\0b"}, "InvalidParameterValue", name)


def _at(request: Any, path: str, value: Any) -> dict[str, Any]:
    """Return the value at the end of a path of objects and lists of them."""
    name, _, rest = path.partition(".")
    if not rest:
        return {name: value}
    kind = fields_of(request)[name][0] if request is not None and name in fields_of(request) else None
    item = item_of(kind)
    return {name: _at(kind, rest, value) if item is None else [_at(item, rest, value)]}


UNSUPPORTED = [pytest.param(entry, path, id=f"{entry[1].name}.{path}") for entry in EVERY_ACTION for path in entry[1].unsupported]


@pytest.mark.parametrize(("entry", "path"), UNSUPPORTED)
def test_an_unsupported_parameter_is_refused_by_its_name_and_never_passed_over(person: Person, entry: Entry, path: str) -> None:
    asks_nothing = entry[1].unsupported[path]
    for value in ("something", 1, True, ["something"], {"Something": "else"}):
        if not asks_nothing(value):
            _refused(person, entry, complete(entry[1]) | _at(entry[1].request, path, value), "UnsupportedOperation", path)


@pytest.mark.parametrize(("entry", "path"), UNSUPPORTED)
def test_an_unsupported_parameter_that_asks_for_nothing_is_as_good_as_absent(person: Person, entry: Entry, path: str) -> None:
    service, action = entry
    without = person.call(action.name, {}, service=service.name)
    nothing = action.unsupported[path]
    for value in (None, nothing.harmless) if isinstance(nothing, Just) else (None, "", False, 0, [], {}):
        with_it = person.call(action.name, _at(action.request, path, value), service=service.name)

        inside = path.partition(".")[0] in fields_of(action.request)
        assert code_of(with_it) == code_of(without)
        assert inside or with_it.get("Error") == without.get("Error")


def test_what_asks_for_what_is_so_anyway_is_accepted(person: Person) -> None:
    harmless = {
        "Placement": {"Zone": "ap-guangzhou-3"},
        "ImageId": "img-00000000",
        "VirtualPrivateCloud": {"VpcId": "DEFAULT", "SubnetId": "DEFAULT", "AsVpcGateway": False},
        "InternetAccessible": {
            "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR",
            "InternetMaxBandwidthOut": 0,
            "PublicIpAssigned": False,
        },
        "EnhancedService": {
            "SecurityService": {"Enabled": True},
            "MonitorService": {"Enabled": True},
            "AutomationService": {"Enabled": False},
        },
        "SecurityGroupIds": [],
        "CamRoleName": "",
        "UserData": "",
        "LoginSettings": {},
        "DataDisks": [],
    }

    assert person.code("RunInstances", harmless) == "InvalidImageId.NotFound"
    assert person.code("RunInstances", harmless | {"CamRoleName": "role"}) == "UnsupportedOperation"
    assert (
        person.code("StopInstances", {"InstanceIds": ["ins-00000000"], "StoppedMode": "KEEP_CHARGING"})
        == "InvalidInstanceId.NotFound"
    )
    assert (
        person.code("StopInstances", {"InstanceIds": ["ins-00000000"], "StoppedMode": "STOP_CHARGING"}) == "UnsupportedOperation"
    )
