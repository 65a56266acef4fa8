"""Writes `docs/actions.md`: each action of each service, from the table of the wire and the official models.

    .venv/bin/python tests/architecture/actions_page.py

A test compares the page with what this writes.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from linocut.api.app import SERVICES
from linocut.api.envelope import Shape
from linocut.api.failures import COMMON_CODES
from linocut.api.parameters import AsksNothing, Just, OneOf, is_empty, never_asks
from linocut.api.table import Action, Service

PAGE = Path(__file__).parents[2] / "docs" / "actions.md"
_WORDS = {str: "text", int: "integer", bool: "flag", float: "number"}
_HEAD = """# Actions

Written by `tests/architecture/actions_page.py` from the table of the wire; do not edit. A star marks a parameter that must be
given. A parameter that is "not supported" is documented by Tencent Cloud and refused here by its name (`UnsupportedOperation`),
unless its value asks for nothing beyond what is said beside it. Besides its own errors every action may answer the common ones:

"""


def official_actions(service: Service) -> list[str]:
    """Return the actions of the official SDK for a service; none for our own."""
    try:
        module = importlib.import_module(f"tencentcloud.{service.name}.v{service.version.replace('-', '')}.models")
    except ModuleNotFoundError:
        return []
    return sorted(name.removesuffix("Request") for name in vars(module) if name.endswith("Request"))


def page() -> str:
    """Return the page."""
    return _HEAD + _wrapped(sorted(COMMON_CODES)) + "\n" + "\n".join(line for service in SERVICES for line in _service(service))


def _service(service: Service) -> Iterator[str]:
    yield f"\n## {service.name} {service.version}\n"
    for action in sorted(service.actions, key=lambda one: one.name):
        yield from _action(action)
    missing = [name for name in official_actions(service) if name not in {action.name for action in service.actions}]
    if missing:
        yield f"### Not offered\n\n{_wrapped(missing)}"


def _action(action: Action[Any]) -> Iterator[str]:
    yield f"### {action.name}\n"
    yield f"{(inspect.getdoc(action.handle) or '').splitlines()[0]}\n"
    given = list(_parameters(action.request))
    yield f"- Parameters: {', '.join(given) if given else 'none'}"
    for accepted, names in _unsupported(action).items():
        yield f"- Not supported ({accepted}): {', '.join(f'`{name}`' for name in names)}"
    own = sorted(action.codes.every() - COMMON_CODES)
    yield f"- Errors: {', '.join(f'`{code}`' for code in own) if own else 'the common ones'}\n"


def _parameters(request: type[Shape]) -> Iterator[str]:
    for field in msgspec.structs.fields(request):
        yield f"`{field.encode_name}`{'*' if field.required else ''} {_kind(field.type)}"


def _kind(kind: Any) -> str:
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return _kind(next(one for one in typing.get_args(kind) if one not in {type(None), msgspec.UnsetType}))
    if typing.get_origin(kind) in {list, tuple}:
        return f"list of {_kind(typing.get_args(kind)[0])}"
    return _WORDS[kind] if kind in _WORDS else f"({', '.join(_parameters(kind))})"


def _unsupported(action: Action[Any]) -> dict[str, list[str]]:
    """Return the parameters that are refused, by what is accepted of them; one whose parts are listed is not repeated."""
    found: dict[str, list[str]] = {}
    for path, asks_nothing in sorted(action.unsupported.items()):
        if not any(other.startswith(f"{path}.") for other in action.unsupported):
            found.setdefault(_accepted(asks_nothing), []).append(path)
    return found


def _accepted(asks_nothing: AsksNothing) -> str:
    if asks_nothing is is_empty:
        return "may be empty, false or zero"
    if asks_nothing is never_asks:
        return "means nothing by itself"
    if isinstance(asks_nothing, OneOf):
        return f"may be empty or {' or '.join(f'`{value}`' for value in asks_nothing.harmless)}"
    if isinstance(asks_nothing, Just):
        return f"may be `{asks_nothing.harmless}`"
    raise TypeError(f"what does {asks_nothing} accept? say so in words here")


def _wrapped(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) + ".\n"


if __name__ == "__main__":
    PAGE.write_text(page())
