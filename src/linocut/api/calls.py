"""What a request asks for, and on whose behalf, whatever form it came in.

`read_call` is the one door: it looks at the form of the request, decodes it, checks the credential that the form carries, and
yields a `Call`. The forms, of which official clients send the first unless told otherwise:

    POST application/json                   TC3 signature                  10 MB   parameters as JSON
    POST multipart/form-data                TC3                            10 MB   a part for each parameter
    POST application/x-www-form-urlencoded  TC3, or v1 in the form          1 MB   flat texts
    GET                                     TC3, or v1 in the query        32 KB   flat texts

With TC3 the common parameters are headers, with v1 they stand among the others. Source: Tencent Cloud API 3.0, request structure.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from linocut.api.failures import Failure
from linocut.api.flattening import read_pairs, unflatten
from linocut.api.multipart import read_multipart
from linocut.api.signature import Signed, read_claim, verify
from linocut.api.signature_v1 import read_old_claim, verify_old
from linocut.cloud.accounts import Credential
from linocut.cloud.sessions import token_opens
from linocut.model.ids import SecretId

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
_MAX_FORM_BYTES: Final = 1024 * 1024
_MAX_QUERY_BYTES: Final = 32 * 1024
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_COMMON: Final = frozenset(
    {"Action", "Version", "Region", "Timestamp", "Nonce", "SecretId", "SignatureMethod", "Signature", "Token", "Language"}
    | {"RequestClient"}
)
CHINESE: Final = "zh-CN"
ENGLISH: Final = "en-US"
_LANGUAGE: Final = re.compile(r"(?:^|&)Language=([A-Za-z-]{1,16})(?:&|$)")
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

    def language(self) -> str:
        """Return the language that the client wants to hear, whether it turns out to be somebody or not: zh-CN or en-US."""
        asked = self.headers.get("x-tc-language", "")
        if not asked and "authorization" not in self.headers:
            text = self.query if self.method == "GET" else (self.body or b"")[:_MAX_FORM_BYTES].decode("latin-1")
            found = _LANGUAGE.search(text)
            asked = found[1] if found else ""
        return ENGLISH if asked.lower() == ENGLISH.lower() else CHINESE

    def endpoint(self) -> str:
        """Return the base URL that the client has used, empty where its Host header names none; it may contain the scheme."""
        named = _HOST.fullmatch(self.headers.get("host", ""))
        return f"{self.scheme}://{named[1]}" if named else ""


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated call of an action; nothing is known yet of whether the action exists.

    `service` is empty where the form names none; `host` then tells. `are_texts` says that the leaves of `parameters` are texts,
    whatever they mean.
    """

    credential: Credential
    secret_id: SecretId
    service: str
    host: str
    version: str
    action: str
    region: str
    parameters: dict[str, object]
    are_texts: bool


FindCredential = Callable[[str], Credential | None]
"""What a SecretId signs with, if there is one."""


def read_call(arrival: Arrival, find: FindCredential, now: float) -> Call:
    """Decode and authenticate a request.

    Raises Failure with the codes of authentication, UnsupportedProtocol, RequestSizeLimitExceeded, InvalidRequest,
    InvalidParameter and MissingParameter. With TC3, authentication comes before the body is looked into.
    """
    signs_headers = "authorization" in arrival.headers
    if arrival.method == "GET":
        _check_size(arrival.query.encode("latin-1"), _MAX_QUERY_BYTES)
        return _read_signed(arrival, b"", _FORM, find, now) if signs_headers else _read_old(arrival, arrival.query, find, now)
    if arrival.body is None:
        raise Failure("RequestSizeLimitExceeded", f"The request is larger than {MAX_BODY_BYTES} bytes.")
    media_type = arrival.headers.get("content-type", "").split(";")[0].strip().lower()
    if arrival.method != "POST" or media_type not in {_JSON, _FORM, _MULTIPART}:
        raise Failure("UnsupportedProtocol", f"Requests are GET, or POST with Content-Type {_JSON}, {_FORM} or {_MULTIPART}.")
    if media_type == _FORM:
        _check_size(arrival.body, _MAX_FORM_BYTES)
        if not signs_headers:
            return _read_old(arrival, arrival.body.decode("latin-1"), find, now)
    return _read_signed(arrival, arrival.body, media_type, find, now)


def _check_size(data: bytes, most: int) -> None:
    if len(data) > most:
        raise Failure("RequestSizeLimitExceeded", f"The request is larger than {most} bytes.")


def _read_signed(arrival: Arrival, body: bytes, media_type: str, find: FindCredential, now: float) -> Call:
    headers = arrival.headers
    claim = read_claim(headers, now)
    credential = _known(find, claim.secret_id)
    query = arrival.query if arrival.method == "GET" else ""
    verify(claim, Signed(method=arrival.method, query=query, headers=headers, body=body), credential.secret_key)
    _check_token(credential, headers.get("x-tc-token", ""), now)
    if media_type == _JSON:
        parameters = _json_object(body)
    elif media_type == _MULTIPART:
        parameters = read_multipart(headers["content-type"], body)
    else:
        parameters = unflatten(read_pairs(query or body.decode("latin-1")))
    return Call(
        credential=credential,
        secret_id=SecretId(claim.secret_id),
        service=claim.service,
        host=headers.get("host", ""),
        version=_required_header(headers, "X-TC-Version"),
        action=_required_header(headers, "X-TC-Action"),
        region=headers.get("x-tc-region", ""),
        parameters=parameters,
        are_texts=media_type != _JSON,
    )


def _read_old(arrival: Arrival, encoded: str, find: FindCredential, now: float) -> Call:
    pairs = read_pairs(encoded)
    claim = read_old_claim(pairs, now)
    credential = _known(find, claim.secret_id)
    host = arrival.headers.get("host", "")
    verify_old(claim, arrival.method, host, pairs, credential.secret_key)
    _check_token(credential, pairs.get("Token", ""), now)
    for name in ("Version", "Action"):
        if not pairs.get(name):
            raise Failure("MissingParameter", f"The request is missing the parameter `{name}`.")
    return Call(
        credential=credential,
        secret_id=SecretId(claim.secret_id),
        service="",
        host=host,
        version=pairs["Version"],
        action=pairs["Action"],
        region=pairs.get("Region", ""),
        parameters=unflatten({name: text for name, text in pairs.items() if name not in _COMMON}),
        are_texts=True,
    )


def _known(find: FindCredential, secret_id: str) -> Credential:
    credential = find(secret_id)
    if credential is None:
        raise Failure("AuthFailure.SecretIdNotFound", "The SecretId does not exist.")
    return credential


def _check_token(credential: Credential, token: str, now: float) -> None:
    if credential.session is None:
        if token:
            raise Failure("AuthFailure.TokenFailure", "This SecretId is not a temporary one; send no token with it.")
    elif not token_opens(credential.session, token, datetime.fromtimestamp(now, UTC)):
        raise Failure("AuthFailure.TokenFailure", "The token is not that of these temporary credentials, or they have ended.")


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
