r"""Parameters as multipart/form-data: one part for each top-level parameter.

    --boundary \r\n Content-Disposition: form-data; name="Limit" \r\n \r\n 5 \r\n
    --boundary \r\n Content-Disposition: form-data; name="ImageIds" \r\n Content-Type: application/json \r\n \r\n ["img-…"] \r\n
    --boundary-- \r\n

Lists and structures are JSON; anything else is text, which the action's typed request gives a meaning.
Source: Tencent Cloud API 3.0, request structure; RFC 7578.
"""

import re
from typing import Final

import msgspec

from linocut.api.failures import Failure

_BOUNDARY: Final = re.compile(
    r'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))\s*(?:;.*)?', re.IGNORECASE
)
_NAME: Final = re.compile(r'form-data\s*;(?:.*;)?\s*name="([^"]{1,200})"(?:\s*;.*)?', re.IGNORECASE)
_MOST_PARTS: Final = 1000


def read_multipart(content_type: str, body: bytes) -> dict[str, object]:
    """Return the parameters. Raises Failure: InvalidRequest, InvalidParameter (a name given twice)."""
    if not body:
        return {}
    boundary = _BOUNDARY.fullmatch(content_type.strip())
    if boundary is None:
        raise Failure("InvalidRequest", "The Content-Type names no boundary.")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1")
    _preamble, *parts = (b"\r\n" + body).split(delimiter, _MOST_PARTS + 1)
    if not parts or len(parts) > _MOST_PARTS or not parts[-1].startswith(b"--"):
        raise Failure("InvalidRequest", "The multipart body has no proper end.")
    found: dict[str, object] = {}
    for part in parts[:-1]:
        name, value = _read_part(part)
        if name in found:
            raise Failure("InvalidParameter", f"The parameter `{name}` is given twice.")
        found[name] = value
    return found


def _read_part(part: bytes) -> tuple[str, object]:
    head, blank, content = part.partition(b"\r\n\r\n")
    headers = dict(_header(line) for line in head.split(b"\r\n")[1:])
    named = _NAME.fullmatch(headers.get("content-disposition", ""))
    if not blank or named is None:
        raise Failure("InvalidRequest", "A part of the multipart body has no name.")
    try:
        if headers.get("content-type", "").split(";")[0].strip().lower() == "application/json":
            return named[1], msgspec.json.decode(content)
        return named[1], content.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failure("InvalidRequest", f"The part `{named[1]}` of the multipart body cannot be read.") from error


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()
