"""Values of the wire, made from the type of a request: right ones and wrong ones."""

import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from linocut.api.app import SERVICES
from linocut.api.envelope import Shape
from linocut.api.table import Action

EVERY_ACTION = [(service, action) for service in SERVICES for action in service.actions]
NAMES = [f"{service.name}.{action.name}" for service, action in EVERY_ACTION]


def bare(kind: Any) -> Any:
    """Return a type without Annotated, Optional and Unset around it."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        inner = [one for one in typing.get_args(kind) if one not in {type(None), msgspec.UnsetType}]
        return bare(inner[0])
    return kind


def item_of(kind: Any) -> Any:
    """Return what a list or tuple holds, or None for another type."""
    return bare(typing.get_args(kind)[0]) if typing.get_origin(kind) in {list, tuple} else None


def fields_of(shape: type[Shape]) -> dict[str, tuple[Any, bool]]:
    """Return a structure's fields by their wire names: type, and whether it must be given."""
    return {field.encode_name: (bare(field.type), field.required) for field in msgspec.structs.fields(shape)}


def right(kind: Any) -> Any:
    """Return a value of this type."""
    if item_of(kind) is not None:
        return [right(item_of(kind))]
    if isinstance(kind, type) and issubclass(kind, Shape):
        return {name: right(inner) for name, (inner, _) in fields_of(kind).items()}
    return {str: "x", bool: True, int: 1, float: 1.0}[kind]


def complete(action: Action[Any]) -> dict[str, Any]:
    """Return a request with every parameter, each of the right type."""
    request: dict[str, Any] = right(action.request)
    return request


def wrong(kind: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield values that are not of this type, each with the path that the complaint must name."""
    others: dict[str, Any] = {"text": "x", "number": 7, "fraction": 0.5, "flag": True, "list": [[]], "object": {"x": 1}}
    fitting = {str: "text", bool: "flag", int: "number"}.get(kind, "object")
    if (item := item_of(kind)) is not None:
        fitting = "list"
        for inner, value in wrong(item, f"{path}[0]"):
            yield inner, [value]
        yield f"{path}[0]", [None]
    elif kind not in {str, bool, int}:
        for name, (field, _) in fields_of(kind).items():
            for inner, value in wrong(field, f"{path}.{name}"):
                yield inner, right(kind) | {name: value}
    for name, value in others.items():
        if name != fitting:
            yield path, value
