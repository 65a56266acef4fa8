r"""Parameters as multipart/form-data: one part for each top-level parameter.

    --boundary \r\n Content-Disposition: form-data; name="Limit" \r\n \r\n 5 \r\n
    --boundary \r\n Content-Disposition: form-data; name="ImageIds" \r\n Content-Type: application/json \r\n \r\n ["img-…"] \r\n
    --boundary-- \r\n

Lists and structures are JSON; anything else is text, which the action's typed request gives a meaning.
Source: Tencent Cloud API 3.0, request structure; RFC 7578.
"""

from typing import Final

import msgspec

from linocut.api.failures import Failure

_MOST_PARTS: Final = 1000
_HEAD_BYTES: Final = 8 * 1024
_BOUNDARY_CHARACTERS: Final = 70
_NAME_CHARACTERS: Final = 200
_BREAKS: Final = frozenset("\r\n")


def read_multipart(content_type: str, body: bytes) -> dict[str, object]:
    """Return the parameters. Raises Failure: InvalidRequest, InvalidParameter (a name given twice)."""
    if not body:
        return {}
    boundary = _parameter(content_type, "multipart/form-data", "boundary", _BOUNDARY_CHARACTERS)
    if boundary is None:
        raise Failure("InvalidRequest", "The Content-Type names no boundary.")
    delimiter = b"\r\n--" + boundary.encode("latin-1")
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
    if len(head) > _HEAD_BYTES:
        raise Failure("InvalidRequest", f"The head of a part of the multipart body is larger than {_HEAD_BYTES} bytes.")
    headers = dict(_header(line) for line in head.split(b"\r\n")[1:])
    name = _parameter(headers.get("content-disposition", ""), "form-data", "name", _NAME_CHARACTERS)
    if not blank or name is None:
        raise Failure("InvalidRequest", "A part of the multipart body has no name.")
    try:
        if headers.get("content-type", "").split(";")[0].strip().lower() == "application/json":
            return name, msgspec.json.decode(content)
        return name, content.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failure("InvalidRequest", f"The part `{name}` of the multipart body cannot be read.") from error


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


def _parameter(header: str, kind: str, name: str, most: int) -> str | None:
    """Return the parameter `name` of a header's value ``kind; name="…"``; None where it is not of that kind or names none.

    Takes as long as the header is long: no pattern that could be tried again and again looks at what strangers send.
    """
    first, *rest = header.split(";") if len(header) <= _HEAD_BYTES and _BREAKS.isdisjoint(header) else ("",)
    pairs = (piece.partition("=") for piece in rest)
    found = [value.strip() for key, _, value in pairs if key.strip().lower() == name]
    if first.strip().lower() != kind or len(found) != 1:
        return None
    (text,) = found
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    text = text[1:-1] if is_quoted else text
    is_whole = '"' not in text and (is_quoted or not any(map(str.isspace, text)))
    return text if is_whole and 0 < len(text) <= most else None
