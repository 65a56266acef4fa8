"""From the parameters of a call to the typed request of its action, strictly, and with every complaint naming its parameter.

A null means that a parameter was not given. A documented parameter that the service does not act on is listed as unsupported by
its action: it is refused by name, unless its value asks for nothing (empty, false, zero, or what the service does anyway).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec

from linocut.api.failures import Failure

Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer of the wire: 64 bits, signed."""

AsksNothing = Callable[[object], bool]
"""Tells whether a value of an unsupported parameter asks for nothing."""

_MISSING: Final = re.compile(r"Object missing required field `([^`]*)`(?: - at `([^`]*)`)?")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `([^`]*)`(?: - at `([^`]*)`)?")
_EMPTY: Final = re.compile(r"Expected `array` of length >= 1 - at `([^`]*)`")
_OTHER: Final = re.compile(r"(.*) - at `([^`]*)`")
_LONGEST_PATH: Final = 200
"""Characters of a path, which no parameter needs: a long name would else be copied for each of the many that are inside it."""
_FLAGS: Final = {"true": True, "false": False}
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)

Request = TypeVar("Request")


def is_empty(value: object) -> bool:
    """Tell whether a value is empty, false or zero."""
    return not value


@dataclass(frozen=True, slots=True)
class OneOf:
    """Tells whether a value is empty or one of these."""

    harmless: tuple[object, ...]

    def __call__(self, value: object) -> bool:
        """Answer for this value."""
        return not value or value in self.harmless


def is_one_of(*harmless: object) -> AsksNothing:
    """Return a question that is true of empty values and of these."""
    return OneOf(harmless)


@dataclass(frozen=True, slots=True)
class Just:
    """Tells whether a value is this one, where even an empty value asks for something."""

    harmless: object

    def __call__(self, value: object) -> bool:
        """Answer for this value."""
        return value == self.harmless


def is_just(harmless: object) -> AsksNothing:
    """Return a question that is true of this alone, where even an empty value asks for something."""
    return Just(harmless)


def never_asks(_value: object) -> bool:
    """Answer yes: the parameter only qualifies another one, which is refused by itself."""
    return True


def read_parameters(
    request: type[Request],
    unsupported: Mapping[str, AsksNothing],
    parameters: Mapping[str, object],
    *,
    are_texts: bool = False,
) -> Request:
    """Return the parameters as the typed request; `are_texts` where numbers and flags come as texts.

    Raises Failure: MissingParameter, UnknownParameter, InvalidParameter (wrong type), InvalidParameterValue (a NUL character),
    UnsupportedOperation; each sentence names the parameter.
    """
    try:
        kept = _prune(parameters, "", _of_texts(unsupported) if are_texts else unsupported)
        return msgspec.convert(kept, request, strict=not are_texts)
    except msgspec.ValidationError as error:
        raise _failure(str(error)) from error
    except RecursionError as error:
        raise Failure("InvalidRequest", "The parameters are nested too deeply.") from error


def _of_texts(unsupported: Mapping[str, AsksNothing]) -> dict[str, AsksNothing]:
    """Return the same questions, asked of texts as well as of what they may mean."""

    def asked_of_texts(asks_nothing: AsksNothing) -> AsksNothing:
        return lambda value: asks_nothing(value) or asks_nothing(_meaning(value))

    return {name: asked_of_texts(asks_nothing) for name, asks_nothing in unsupported.items()}


def _meaning(value: object) -> object:
    if isinstance(value, list):
        return [_meaning(item) for item in value]
    if isinstance(value, dict):
        return {name: _meaning(inner) for name, inner in value.items()}
    if not isinstance(value, str):
        return value
    if value.lower() in _FLAGS:
        return _FLAGS[value.lower()]
    return int(value) if _NUMBER.fullmatch(value) else value


def _prune(value: Mapping[str, object], path: str, unsupported: Mapping[str, AsksNothing]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, inner in value.items():
        name = (f"{path}.{key}" if path else key)[:_LONGEST_PATH]
        pruned = _prune_value(inner, name, unsupported)
        asks_nothing = unsupported.get(name)
        if pruned is None or (asks_nothing is not None and asks_nothing(pruned)):
            continue
        if asks_nothing is not None:
            raise Failure("UnsupportedOperation", f"The parameter `{name}` is not supported by this service.")
        kept[key] = pruned
    return kept


def _prune_value(value: object, path: str, unsupported: Mapping[str, AsksNothing]) -> object:
    if isinstance(value, dict):
        return _prune(value, path, unsupported)
    if isinstance(value, list):
        return [_prune_value(item, path, unsupported) for item in value]
    if isinstance(value, str) and "\0" in value:
        raise Failure("InvalidParameterValue", f"The parameter `{path}` contains a NUL character.")
    return value


def _failure(complaint: str) -> Failure:
    if found := _MISSING.fullmatch(complaint):
        return Failure("MissingParameter", f"The request is missing the parameter `{_name(found[2], found[1])}`.")
    if found := _UNKNOWN.fullmatch(complaint):
        return Failure("UnknownParameter", f"The parameter `{_name(found[2], found[1])}` is not known to this action.")
    if found := _EMPTY.fullmatch(complaint):
        return Failure("MissingParameter", f"The parameter `{_name(found[1])}` is empty.")
    if found := _OTHER.fullmatch(complaint):
        return Failure("InvalidParameter", f"The parameter `{_name(found[2])}` has the wrong type: {found[1].lower()}.")
    return Failure("InvalidParameter", f"The parameters have the wrong type: {complaint[:_LONGEST_PATH].lower()}.")


def _name(path: str | None, field: str = "") -> str:
    named = ".".join(part for part in ((path or "").removeprefix("$").removeprefix("."), field) if part)
    return named[:_LONGEST_PATH]
