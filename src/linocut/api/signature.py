r"""TC3-HMAC-SHA256: who signed a request, and whether the signature is right.

The string to sign covers the method, the query of a GET, the signed headers exactly as sent, and the body's digest:

    CanonicalRequest = METHOD \n / \n query \n name:value\n… \n signed;headers \n hex(sha256(body))
    StringToSign     = TC3-HMAC-SHA256 \n timestamp \n date/service/tc3_request \n hex(sha256(CanonicalRequest))

`Host` counts raw, port and all: a client that is pointed at `http://127.0.0.1:9000` may send, and sign, the scheme as well.
Source: Tencent Cloud API 3.0, signature method v3.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from linocut.api.failures import Failure

ALGORITHM: Final = "TC3-HMAC-SHA256"
TOLERANCE_S: Final = 300
_REQUIRED_HEADERS: Final = frozenset({"content-type", "host"})
_UNSIGNED: Final = b"UNSIGNED-PAYLOAD"
_AUTHORIZATION: Final = re.compile(
    r"TC3-HMAC-SHA256\s+Credential=(?P<secret_id>[^/,\s]+)/(?P<date>\d{4}-\d{2}-\d{2})/(?P<service>[^/,\s]+)/tc3_request\s*,"
    r"\s*SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-fA-F]{64})\s*"
)
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers. Header names are lower-case, values as sent."""

    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What an Authorization header claims, before anything is verified."""

    secret_id: str
    date: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str


def read_claim(headers: Mapping[str, str], now: float) -> Claim:
    """Return what the request claims about its signer.

    Raises Failure: AuthFailure.InvalidAuthorization, MissingParameter or InvalidParameter for the timestamp,
    AuthFailure.SignatureExpire when it lies more than 300 s from now.
    """
    authorization = headers.get("authorization")
    if not authorization:
        raise Failure("AuthFailure.InvalidAuthorization", "The request carries no Authorization header.")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise Failure("AuthFailure.InvalidAuthorization", "The Authorization header is not of the form of TC3-HMAC-SHA256.")
    signed_headers = tuple(match["headers"].lower().split(";"))
    if not _REQUIRED_HEADERS.issubset(signed_headers):
        raise Failure("AuthFailure.InvalidAuthorization", "SignedHeaders must contain content-type and host.")
    timestamp = headers.get("x-tc-timestamp", "")
    if not timestamp:
        raise Failure("MissingParameter", "The request is missing the header X-TC-Timestamp.")
    check_timestamp("X-TC-Timestamp", timestamp, now)
    if match["date"] != datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d"):
        raise Failure("AuthFailure.SignatureExpire", "The credential's date is not the UTC date of X-TC-Timestamp.")
    return Claim(
        secret_id=match["secret_id"],
        date=match["date"],
        service=match["service"],
        signed_headers=signed_headers,
        signature=match["signature"].lower(),
        timestamp=timestamp,
    )


def check_timestamp(name: str, text: str, now: float) -> None:
    """Check the time of a signature. Raises Failure: InvalidParameter, AuthFailure.SignatureExpire."""
    if not _DIGITS.fullmatch(text):
        raise Failure("InvalidParameter", f"{name} is not a number of seconds.")
    if abs(int(text) - now) > TOLERANCE_S:
        raise Failure("AuthFailure.SignatureExpire", f"{name} is more than {TOLERANCE_S} seconds from the service's clock.")


def verify(claim: Claim, signed: Signed, secret_key: str) -> None:
    """Check the claimed signature, in constant time; raises Failure AuthFailure.SignatureFailure.

    Header values count as sent, or in lower case, as the specification has it and few clients do.
    """
    for lower in (False, True):
        if hmac.compare_digest(_signature(claim, signed, secret_key, lower=lower), claim.signature):
            return
    raise Failure("AuthFailure.SignatureFailure", "The signature is not that of this request and key.")


def _signature(claim: Claim, signed: Signed, secret_key: str, *, lower: bool) -> str:
    lines = []
    for name in claim.signed_headers:
        value = signed.headers.get(name, "").strip()
        lines.append(f"{name}:{value.lower() if lower else value}\n")
    unsigned = signed.headers.get("x-tc-content-sha256") == "UNSIGNED-PAYLOAD"
    payload = hashlib.sha256(_UNSIGNED if unsigned else signed.body).hexdigest()
    canonical = "\n".join((signed.method, "/", signed.query, "".join(lines), ";".join(claim.signed_headers), payload))
    scope = f"{claim.date}/{claim.service}/tc3_request"
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    to_sign = f"{ALGORITHM}\n{claim.timestamp}\n{scope}\n{digest}"
    key = ("TC3" + secret_key).encode()
    for step in (claim.date, claim.service, "tc3_request"):
        key = hmac.digest(key, step.encode("latin-1"), "sha256")
    return hmac.digest(key, to_sign.encode("latin-1"), "sha256").hex()
