"""Parameters as forms and query strings carry them: flat, and all text.

    Filters.0.Name=image-type&Filters.0.Values.0=PRIVATE_IMAGE&SystemDisk.DiskSize=50

A dot goes into a structure, a number into a list, counted from 0 without gaps. What the texts mean (a number, a flag) only the
action's typed request knows, so they stay texts here. Source: Tencent Cloud API 3.0, request structure.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from linocut.api.failures import Failure

_MOST_FIELDS: Final = 20_000
_DEEPEST: Final = 12
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def read_pairs(encoded: str) -> dict[str, str]:
    """Return the names and values of a query string or form.

    Raises Failure: InvalidRequest (not percent-encoded UTF-8, or very many), InvalidParameter (a name given twice).
    """
    if not encoded.isascii():
        raise Failure("InvalidRequest", "The parameters are not percent-encoded.")
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise Failure("InvalidRequest", "The parameters are not UTF-8.") from error
    except ValueError as error:
        raise Failure("InvalidRequest", f"There are more than {_MOST_FIELDS} parameters.") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Failure("InvalidParameter", f"The parameter `{name}` is given twice.")
        found[name] = value
    return found


def unflatten(pairs: Mapping[str, str]) -> dict[str, object]:
    """Return the structures and lists that flat names describe; every leaf is a text.

    Raises Failure InvalidParameter, which names the parameter that does not fit.
    """
    root: dict[str, object] = {}
    for name, text in pairs.items():
        _put(root, name, text)
    return {name: _listed(value, name) for name, value in root.items()}


def _put(root: dict[str, object], name: str, text: str) -> None:
    if name.count(".") >= _DEEPEST:
        raise Failure("InvalidParameter", f"The parameter `{name[:100]}` is nested too deeply.")
    *path, last = name.split(".")
    if not last or not all(path):
        raise Failure("InvalidParameter", f"The parameter `{name[:100]}` has an empty part in its name.")
    node = root
    for part in path:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Failure("InvalidParameter", f"The parameter `{name[:100]}` is both a value and a structure.")
        node = inner
    if last in node:
        raise Failure("InvalidParameter", f"The parameter `{name[:100]}` is both a value and a structure.")
    node[last] = text


def _listed(value: object, path: str) -> object:
    """Return the value with lists where all names are numbers."""
    if not isinstance(value, dict):
        return value
    numbers = [name for name in value if name.isascii() and name.isdigit()]
    if not numbers:
        return {name: _listed(inner, f"{path}.{name}") for name, inner in value.items()}
    if len(numbers) < len(value):
        raise Failure("InvalidParameter", f"The parameter `{path[:100]}` is both a list and a structure.")
    if not all(_INDEX.fullmatch(name) and int(name) < len(value) for name in numbers):
        raise Failure("InvalidParameter", f"The parameter `{path[:100]}` is a list with gaps; it counts from 0.")
    return [_listed(value[str(number)], f"{path}.{number}") for number in range(len(value))]
