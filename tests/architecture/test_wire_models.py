"""The wire as the official SDKs' models describe it, and the errors as their references list them."""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec
import pytest
from documented_errors import DOCUMENTED
from documented_vpc_errors import DOCUMENTED_VPC

from linocut.api.app import SERVICES
from linocut.api.envelope import Answer, Shape
from linocut.api.failures import COMMON_CODES
from linocut.api.table import Action, Service

OFFICIAL = [service for service in SERVICES if service.name != "linocut"]
ACTIONS = {f"{service.name}.{action.name}": (service, action) for service in OFFICIAL for action in service.actions}
_TYPE = re.compile(r":type (\w+): (.+)")
_CLASS = re.compile(r":class:`tencentcloud\.\w+\.v\d+\.models\.(\w+)`")
_SIMPLE = {str: "str", int: "int", bool: "bool", float: "float"}


def _sdk(service: Service, module: str) -> ModuleType:
    return importlib.import_module(f"tencentcloud.{service.name}.v{service.version.replace('-', '')}.{module}")


def _official(service: Service, model: str) -> dict[str, str]:
    """Return a model's fields with their types as the SDK writes them; a type that is no model has none."""
    found = getattr(_sdk(service, "models"), model, None)
    if found is None or "__init__" not in vars(found):  # a model without fields has no constructor of its own
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


def _mismatches(service: Service, path: str, kind: Any, official: str) -> Iterator[str]:
    """Yield what differs between our type and the official one."""
    if typing.get_origin(kind) in {list, tuple}:
        if official.startswith("list of "):
            yield from _mismatches(service, f"{path}[]", _bare(typing.get_args(kind)[0]), official.removeprefix("list of "))
        else:
            yield f"{path}: a list, officially {official}"
    elif kind in _SIMPLE:
        if _SIMPLE[kind] != official.removesuffix(" non-negative"):
            yield f"{path}: {_SIMPLE[kind]}, officially {official}"
    else:
        named = _CLASS.fullmatch(official)
        yield from _field_mismatches(service, path, kind, _official(service, named[1] if named else official))


def _field_mismatches(service: Service, path: str, shape: type[Shape], official: dict[str, str]) -> Iterator[str]:
    for name, kind in _fields(shape).items():
        if name in official:
            yield from _mismatches(service, f"{path}.{name}", kind, official[name])
        else:
            yield f"{path}.{name}: officially unknown"


def _paths(service: Service, path: str, shape: type[Shape], official: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """Yield each official parameter, ours or not, at any depth of what we read: path, and whether it is ours."""
    ours = _fields(shape)
    for name, kind in official.items():
        here = f"{path}.{name}" if path else name
        yield here, name in ours
        inner = _CLASS.fullmatch(kind)
        item = kind.removeprefix("list of ")
        if name in ours and (inner or item != kind):
            held = _bare(typing.get_args(ours[name])[0]) if item != kind else ours[name]
            if held not in _SIMPLE:
                yield from _paths(service, here, held, _official(service, inner[1] if inner else item))


def _documented_errors(service: Service, action: Action[Any]) -> set[str]:
    """Return the codes that are documented for the action, or, where nobody lists them by action, for its service."""
    if service.name == "cvm":
        return set(DOCUMENTED[action.name].split())
    if service.name == "vpc":
        return set(DOCUMENTED_VPC[action.name].split())
    return {code for code in vars(_sdk(service, "errorcodes")).values() if isinstance(code, str)}


def _answer(action: Action[Any]) -> type[Answer]:
    answer: type[Answer] = typing.get_type_hints(action.handle)["return"]
    return answer


def test_the_actions_of_cvm_are_those_that_were_promised() -> None:
    assert {name for name in ACTIONS if name.startswith("cvm.")} == {f"cvm.{name}" for name in DOCUMENTED}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_documented_parameter_is_either_supported_or_refused_by_name_and_no_other_is_known(name: str) -> None:
    service, action = ACTIONS[name]
    official = list(_paths(service, "", action.request, _official(service, f"{action.name}Request")))
    supported = {path for path, ours in official if ours}
    refused = {path for path, ours in official if not ours}

    assert refused <= set(action.unsupported), "documented, but unknown here"
    assert not supported & set(action.unsupported), "both supported and refused"
    for path in set(action.unsupported) - refused:
        assert path.rpartition(".")[0] in action.unsupported, f"{path} is not documented"


@pytest.mark.parametrize("name", ACTIONS)
def test_parameters_have_the_official_types(name: str) -> None:
    service, action = ACTIONS[name]

    assert list(_field_mismatches(service, name, action.request, _official(service, f"{action.name}Request"))) == []


@pytest.mark.parametrize("name", ACTIONS)
def test_answers_have_every_official_field_of_the_official_type_and_no_other(name: str) -> None:
    service, action = ACTIONS[name]
    official = _official(service, f"{action.name}Response")

    assert "RequestId" in official
    assert list(_field_mismatches(service, name, _answer(action), official)) == []
    assert {*_fields(_answer(action)), "RequestId"} == set(official)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_answers_only_documented_errors(name: str) -> None:
    service, action = ACTIONS[name]

    assert action.codes.every() - _documented_errors(service, action) - COMMON_CODES == set()


# Source: fields that Packer and the Terraform provider read without asking whether they are there.
DEREFERENCED = {
    "cvm.DescribeImages": {"Image": "ImageId ImageName OsName ImageState SnapshotSet"},
    "cvm.DescribeInstances": {
        "Instance": "InstanceId InstanceState InstanceChargeType Placement InternetAccessible VirtualPrivateCloud SystemDisk "
        "LoginSettings LatestOperationState DataDisks PublicIpAddresses PrivateIpAddresses",
        "DataDisk": "DiskId DiskType DiskSize DeleteWithInstance Encrypt",
    },
    "cvm.DescribeImageSharePermission": {"SharePermission": "AccountId"},
    "cvm.DescribeZones": {"ZoneInfo": "Zone"},
    "cvm.CreateKeyPair": {"KeyPair": "KeyId PrivateKey"},
    "vpc.DescribeVpcs": {"Vpc": "CidrBlock CreatedTime DnsServerSet IsDefault EnableMulticast VpcName VpcId"},
    "vpc.DescribeSubnets": {
        "Subnet": "CidrBlock CreatedTime VpcId SubnetId RouteTableId CdcId SubnetName IsDefault EnableBroadcast Zone "
        "AvailableIpAddressCount"
    },
    "vpc.DescribeSecurityGroups": {"SecurityGroup": "SecurityGroupId SecurityGroupName SecurityGroupDesc ProjectId"},
    "vpc.DescribeSecurityGroupPolicies": {"PresentPolicy": "Action CidrBlock SecurityGroupId"},
    "vpc.DescribeSecurityGroupAssociationStatistics": {"SecurityGroupAssociationStatistics": "CVM CLB CDB ENI SG"},
}


@pytest.mark.parametrize("name", DEREFERENCED)
def test_fields_that_real_clients_rely_on_are_there(name: str) -> None:
    shapes: dict[str, set[str]] = {}

    def visit(kind: Any) -> None:
        if typing.get_origin(kind) in {list, tuple}:
            visit(_bare(typing.get_args(kind)[0]))
        elif isinstance(kind, type) and issubclass(kind, Shape):
            shapes[kind.__name__] = set(_fields(kind))
            for inner in _fields(kind).values():
                visit(inner)

    visit(_answer(ACTIONS[name][1]))
    for shape, needed in DEREFERENCED[name].items():
        assert set(needed.split()) <= shapes[shape]
