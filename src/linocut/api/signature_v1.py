"""The older signature, v1: HmacSHA1 or HmacSHA256 over the parameters, which carry it.

    src       = METHOD Host / ? name=value&…      every parameter but Signature, as its plain text, in the order of their names
    Signature = base64(HMAC(SecretKey, src))

`Host` is what the client was pointed at. It may have signed a scheme that its HTTP library has taken off, or the port that goes
without saying. Source: Tencent Cloud API 3.0, signature method v1.
"""

import base64
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from linocut.api.failures import Failure
from linocut.api.signature import check_timestamp

_DIGESTS: Final = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}
_SCHEMES: Final = {"http://": ":80", "https://": ":443"}


@dataclass(frozen=True, slots=True)
class OldClaim:
    """What the parameters claim, before anything is verified."""

    secret_id: str
    digest: str
    signature: bytes


def read_old_claim(parameters: Mapping[str, str], now: float) -> OldClaim:
    """Return what the parameters claim about their signer.

    Raises Failure: AuthFailure.InvalidAuthorization (no signature), AuthFailure.SignatureFailure (an unknown method),
    MissingParameter, InvalidParameter for the timestamp, AuthFailure.SignatureExpire when it lies more than 300 s from now.
    """
    if not parameters.get("Signature"):
        raise Failure("AuthFailure.InvalidAuthorization", "The request carries neither an Authorization header nor a Signature.")
    for name in ("SecretId", "Nonce", "Timestamp"):
        if not parameters.get(name):
            raise Failure("MissingParameter", f"The request is missing the parameter `{name}`.")
    method = parameters.get("SignatureMethod") or "HmacSHA1"
    if method not in _DIGESTS:
        raise Failure("AuthFailure.SignatureFailure", f"SignatureMethod is one of {', '.join(_DIGESTS)}.")
    check_timestamp("Timestamp", parameters["Timestamp"], now)
    signature = parameters["Signature"].replace(" ", "+")  # base64 that was not encoded for its way here
    return OldClaim(parameters["SecretId"], _DIGESTS[method], signature.encode())


def verify_old(claim: OldClaim, method: str, host: str, parameters: Mapping[str, str], secret_key: str) -> None:
    """Check the claimed signature, in constant time; raises Failure AuthFailure.SignatureFailure."""
    for signed in _orders(parameters):
        for name in _names(host):
            source = f"{method}{name}/?{signed}".encode()
            if hmac.compare_digest(base64.b64encode(hmac.digest(secret_key.encode(), source, claim.digest)), claim.signature):
                return
    raise Failure("AuthFailure.SignatureFailure", "The signature is not that of this request and key.")


def _orders(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield the parameters as they may have been signed; the official SDK for Python signs a dot for an underscore in a name."""
    pairs = [(name, value) for name, value in parameters.items() if name != "Signature"]
    yield _joined(pairs)
    if any("_" in name for name, _ in pairs):
        yield _joined([(name.replace("_", "."), value) for name, value in pairs])


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _names(host: str) -> Iterator[str]:
    """Yield the names that a client which sends this Host may have been pointed at."""
    yield host
    for scheme, port in _SCHEMES.items():
        yield scheme + host
        yield host + port
        yield scheme + host + port
