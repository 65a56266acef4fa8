"""The wire as the official SDK's models describe it, and the errors as its reference lists them."""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from documented_errors import DOCUMENTED
from tencentcloud.cvm.v20170312 import models

from linocut.api.cvm import CVM
from linocut.api.envelope import Answer, Shape
from linocut.api.failures import COMMON_CODES

ACTIONS = {action.name: action for action in CVM.actions}
_TYPE = re.compile(r":type (\w+): (.+)")
_CLASS = re.compile(r":class:`tencentcloud\.cvm\.v20170312\.models\.(\w+)`")
_SIMPLE = {str: "str", int: "int", bool: "bool", float: "float"}


def _official(model: str) -> dict[str, str]:
    """Return a model's fields with their types as the SDK writes them; a type that is no model has none."""
    found = getattr(models, model, None)
    if found is None:
        return {}
    documented = dict(_TYPE.findall(inspect.getdoc(found.__init__) or ""))
    return {name.removeprefix("_"): documented[name.removeprefix("_")] for name in vars(found())}


def _bare(kind: Any) -> Any:
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return _bare(next(one for one in typing.get_args(kind) if one not in {type(None), msgspec.UnsetType}))
    return kind


def _fields(shape: type[Shape]) -> dict[str, Any]:
    return {field.encode_name: _bare(field.type) for field in msgspec.structs.fields(shape)}


def _mismatches(path: str, kind: Any, official: str) -> Iterator[str]:
    """Yield what differs between our type and the official one."""
    if typing.get_origin(kind) in {list, tuple}:
        if official.startswith("list of "):
            yield from _mismatches(f"{path}[]", _bare(typing.get_args(kind)[0]), official.removeprefix("list of "))
        else:
            yield f"{path}: a list, officially {official}"
    elif kind in _SIMPLE:
        if _SIMPLE[kind] != official:
            yield f"{path}: {_SIMPLE[kind]}, officially {official}"
    else:
        named = _CLASS.fullmatch(official)
        yield from _field_mismatches(path, kind, _official(named[1] if named else official))


def _field_mismatches(path: str, shape: type[Shape], official: dict[str, str]) -> Iterator[str]:
    for name, kind in _fields(shape).items():
        if name in official:
            yield from _mismatches(f"{path}.{name}", kind, official[name])
        else:
            yield f"{path}.{name}: officially unknown"


def _paths(path: str, shape: type[Shape], official: dict[str, str], unsupported: set[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield each official parameter, ours or not, at any depth of what we read: path, type, whether it is ours."""
    ours = _fields(shape)
    for name, kind in official.items():
        here = f"{path}.{name}" if path else name
        yield here, kind, name in ours
        inner = _CLASS.fullmatch(kind)
        item = kind.removeprefix("list of ")
        if name in ours and (inner or item != kind):
            held = _bare(typing.get_args(ours[name])[0]) if item != kind else ours[name]
            if held not in _SIMPLE:
                yield from _paths(here, held, _official(inner[1] if inner else item), unsupported)


def test_the_actions_are_those_that_were_promised() -> None:
    assert set(ACTIONS) == set(DOCUMENTED)


def _request(action: str) -> dict[str, str]:
    # A model without fields has no constructor of its own, and the SDK has no class documentation for it.
    return _official(f"{action}Request") if "__init__" in vars(getattr(models, f"{action}Request")) else {}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_documented_parameter_is_either_supported_or_refused_by_name_and_no_other_is_known(name: str) -> None:
    action = ACTIONS[name]
    official = list(_paths("", action.request, _request(name), set(action.unsupported)))
    supported = {path for path, _, ours in official if ours}
    refused = {path for path, _, ours in official if not ours}

    assert refused <= set(action.unsupported), "documented, but unknown here"
    assert not supported & set(action.unsupported), "both supported and refused"
    for path in set(action.unsupported) - refused:
        assert path.rpartition(".")[0] in action.unsupported, f"{path} is not documented"


@pytest.mark.parametrize("name", ACTIONS)
def test_parameters_have_the_official_types(name: str) -> None:
    assert list(_field_mismatches(name, ACTIONS[name].request, _request(name))) == []


@pytest.mark.parametrize("name", ACTIONS)
def test_answers_have_only_official_fields_of_the_official_types(name: str) -> None:
    answer: type[Answer] = typing.get_type_hints(ACTIONS[name].handle)["return"]

    official = _official(f"{name}Response")
    assert "RequestId" in official
    assert list(_field_mismatches(name, answer, official)) == []


@pytest.mark.parametrize("name", ACTIONS)
def test_an_answer_has_every_field_of_the_official_answer(name: str) -> None:
    answer: type[Answer] = typing.get_type_hints(ACTIONS[name].handle)["return"]

    assert {*_fields(answer), "RequestId"} == set(_official(f"{name}Response"))


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_answers_only_documented_errors(name: str) -> None:
    assert ACTIONS[name].codes.every() - set(DOCUMENTED[name].split()) - COMMON_CODES == set()


# Source: fields that Packer and the Terraform provider read without asking whether they are there.
DEREFERENCED = {
    "DescribeImages": {"Image": "ImageId ImageName OsName ImageState SnapshotSet"},
    "DescribeInstances": {
        "Instance": "InstanceId InstanceState InstanceChargeType Placement InternetAccessible VirtualPrivateCloud SystemDisk "
        "LoginSettings LatestOperationState DataDisks PublicIpAddresses PrivateIpAddresses",
        "DataDisk": "DiskId DiskType DiskSize DeleteWithInstance Encrypt",
    },
    "DescribeImageSharePermission": {"SharePermission": "AccountId"},
    "DescribeZones": {"ZoneInfo": "Zone"},
    "CreateKeyPair": {"KeyPair": "KeyId PrivateKey"},
}


@pytest.mark.parametrize("name", DEREFERENCED)
def test_fields_that_real_clients_rely_on_are_there(name: str) -> None:
    answer: type[Answer] = typing.get_type_hints(ACTIONS[name].handle)["return"]
    shapes: dict[str, set[str]] = {}

    def visit(kind: Any) -> None:
        if typing.get_origin(kind) in {list, tuple}:
            visit(_bare(typing.get_args(kind)[0]))
        elif isinstance(kind, type) and issubclass(kind, Shape):
            shapes[kind.__name__] = set(_fields(kind))
            for inner in _fields(kind).values():
                visit(inner)

    visit(answer)
    for shape, needed in DEREFERENCED[name].items():
        assert set(needed.split()) <= shapes[shape]
