"""What a request asks for, and on whose behalf, whatever form it came in.

`read_call` is the one door: it looks at the form of the request (method and content type), decodes it, checks the credential
that the form carries, and yields a `Call`. JSON over POST with TC3-HMAC-SHA256 is the form that every official client sends.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from linocut.api.failures import Failure
from linocut.api.signature import Signed, read_claim, verify
from linocut.model.ids import SecretId
from linocut.model.records import Account

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
_CHINESE: Final = "zh-CN"
_ENGLISH: Final = "en-US"
_HOST: Final = re.compile(r"(?:https?://)?([A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?)/?")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came off the wire. Header names are lower-case; `body` is None when it was longer than allowed."""

    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None
    source: str
    request_id: str
    scheme: str = "http"

    def endpoint(self) -> str:
        """Return the base URL that the client has used, empty where its Host header names none; it may contain the scheme."""
        named = _HOST.fullmatch(self.headers.get("host", ""))
        return f"{self.scheme}://{named[1]}" if named else ""


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated call of an action; nothing is known yet of whether the action exists."""

    account: Account
    secret_id: SecretId
    service: str
    version: str
    action: str
    region: str
    language: str
    parameters: dict[str, object]


FindKey = Callable[[str], tuple[Account, str] | None]
"""The account and the plain secret key of a SecretId, if there is one."""


def read_call(arrival: Arrival, find_key: FindKey, now: float) -> Call:
    """Decode and authenticate a request.

    Raises Failure with the codes of authentication, UnsupportedProtocol, RequestSizeLimitExceeded, InvalidRequest and
    MissingParameter. Authentication comes before the body is looked into.
    """
    if arrival.body is None:
        raise Failure("RequestSizeLimitExceeded", f"The request is larger than {MAX_BODY_BYTES} bytes.")
    media_type = arrival.headers.get("content-type", "").split(";")[0].strip().lower()
    if arrival.method != "POST" or media_type != "application/json":
        raise Failure("UnsupportedProtocol", "Requests are POST with Content-Type application/json.")
    return _read_signed_json(arrival, arrival.body, find_key, now)


def _read_signed_json(arrival: Arrival, body: bytes, find_key: FindKey, now: float) -> Call:
    headers = arrival.headers
    claim = read_claim(headers, now)
    found = find_key(claim.secret_id)
    if found is None:
        raise Failure("AuthFailure.SecretIdNotFound", "The SecretId does not exist.")
    account, secret_key = found
    verify(claim, Signed(method=arrival.method, query=arrival.query, headers=headers, body=body), secret_key)
    if headers.get("x-tc-token"):
        raise Failure("AuthFailure.TokenFailure", "Temporary credentials are not issued by this service; send no X-TC-Token.")
    return Call(
        account=account,
        secret_id=SecretId(claim.secret_id),
        service=claim.service,
        version=_required_header(headers, "X-TC-Version"),
        action=_required_header(headers, "X-TC-Action"),
        region=headers.get("x-tc-region", ""),
        language=_ENGLISH if headers.get("x-tc-language", "").lower() == _ENGLISH.lower() else _CHINESE,
        parameters=_json_object(body),
    )


def _required_header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower())
    if not value:
        raise Failure("MissingParameter", f"The request is missing the header {name}.")
    return value


def _json_object(body: bytes) -> dict[str, object]:
    try:
        value = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failure("InvalidRequest", "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise Failure("InvalidRequest", "The body is not a JSON object.")
    return value
