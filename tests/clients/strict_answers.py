"""What an answer must be by the official model of it: no field unknown, none mistyped, none missing but such as may be null.

The SDK's own models are generous: they drop what they do not know, and let be absent what is. Their documentation is not: it
says the type of each field, and of which ones the value may be null.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_PARAMETER = re.compile(r":param _(\w+):(.*?)\n\s*:type \1: (\S[^\n]*)", re.DOTALL)
_CLASS = re.compile(r":class:`tencentcloud\.\w+\.v\d+\.models\.(\w+)`")
_SIMPLE = {"str": str, "int": int, "bool": bool, "float": float}
_NULL = "返回 null"


@dataclass(frozen=True)
class Field:
    """A field as the SDK documents it."""

    kind: str
    may_be_null: bool


def models_of(service: str, version: str) -> ModuleType:
    return importlib.import_module(f"tencentcloud.{service}.v{version.replace('-', '')}.models")


def fields_of(models: ModuleType, model: str) -> dict[str, Field]:
    """Return a model's fields; a model without any has no documentation."""
    documented = inspect.getdoc(getattr(models, model).__init__) or ""
    return {
        name: Field(kind.strip().removesuffix(" non-negative"), _NULL in text)
        for name, text, kind in _PARAMETER.findall(documented)
    }


def complaints(models: ModuleType, model: str, value: dict[str, Any], absent: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with a structure; `absent` names, for a model, the fields that it need not have."""
    fields = fields_of(models, model)
    for name in value.keys() - fields.keys():
        yield f"{model}.{name} is not known"
    for name, field in fields.items():
        if name in value:
            yield from _of_value(models, f"{model}.{name}", field, value[name], absent)
        elif not field.may_be_null and name not in absent.get(model, "").split():
            yield f"{model}.{name} is missing"


def _of_value(models: ModuleType, path: str, field: Field, value: Any, absent: dict[str, str]) -> Iterator[str]:
    if value is None:
        if not field.may_be_null and path.rpartition(".")[2] not in absent.get(path.partition(".")[0], "").split():
            yield f"{path} is null"
    elif field.kind.startswith("list of "):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for item in value:
            yield from _of_value(models, path, Field(field.kind.removeprefix("list of "), may_be_null=False), item, absent)
    elif field.kind in _SIMPLE:
        wanted = _SIMPLE[field.kind]
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            yield f"{path} is {value!r}, officially {field.kind}"
    else:
        named = _CLASS.fullmatch(field.kind)
        yield from complaints(models, named[1] if named else field.kind, value, absent)
