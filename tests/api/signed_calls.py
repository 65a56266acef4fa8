"""Signed requests against the application, signed by the official SDK's own function."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asgi_http import Http
from tencentcloud.common.sign import Sign

from linocut.cloud.accounts import NewAccount

VERSIONS = {"cvm": "2017-03-12", "billing": "2018-07-09", "sts": "2018-08-13", "tag": "2018-08-13", "linocut": "2026-11-01"}
HOST = "127.0.0.1:8774"


@dataclass(frozen=True)
class Request:
    """A request of the wire before it is signed; change what a test is about."""

    action: str = "DescribeImages"
    body: bytes = b"{}"
    service: str = "cvm"
    version: str | None = None
    region: str | None = "ap-guangzhou"
    language: str | None = None
    method: str = "POST"
    content_type: str = "application/json"
    host: str = HOST
    timestamp: str | None = None
    date: str | None = None
    signed_headers: tuple[str, ...] = ("content-type", "host")
    payload: bytes | None = None
    lower: bool = False
    more: Mapping[str, str | None] = field(default_factory=dict)


def headers_of(request: Request, who: NewAccount) -> dict[str, str]:
    """Return the headers of the request, signed as this account."""
    timestamp = request.timestamp or str(int(time.time()))
    date = request.date or datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d")
    headers = {
        "Content-Type": request.content_type,
        "Host": request.host,
        "X-TC-Action": request.action,
        "X-TC-Version": request.version or VERSIONS.get(request.service, "2017-03-12"),
        "X-TC-Timestamp": timestamp,
        "X-TC-Region": request.region,
        "X-TC-Language": request.language,
    }
    held = {name.lower(): value or "" for name, value in headers.items()}
    lines = "".join(f"{name}:{held[name].lower() if request.lower else held[name]}\n" for name in request.signed_headers)
    payload = hashlib.sha256(request.body if request.payload is None else request.payload).hexdigest()
    canonical = f"{request.method}\n/\n\n{lines}\n{';'.join(request.signed_headers)}\n{payload}"
    scope = f"{date}/{request.service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = Sign.sign_tc3(who.secret_key, date, request.service, to_sign)
    headers["Authorization"] = (
        f"TC3-HMAC-SHA256 Credential={who.secret_id}/{scope}, "
        f"SignedHeaders={';'.join(request.signed_headers)}, Signature={signature}"
    )
    return {name: value for name, value in (headers | dict(request.more)).items() if value is not None}


class Person:
    """An account that calls the application."""

    def __init__(self, http: Http, account: NewAccount) -> None:
        self._http = http
        self.account = account

    def send(self, request: Request) -> dict[str, Any]:
        """Send a request; check what holds of every answer, and return what is in the envelope."""
        return self.send_raw(request.method, request.body, headers_of(request, self.account))

    def send_raw(self, method: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        answer = self._http.request(method, "/", body, headers)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        response: dict[str, Any] = answer.json()["Response"]
        assert len(response["RequestId"]) == 36
        return response

    def call(self, action: str, parameters: object = None, **changes: Any) -> dict[str, Any]:
        """Call an action with parameters; return the answer."""
        body = json.dumps({} if parameters is None else parameters).encode()
        return self.send(Request(action=action, body=body, **changes))

    def code(self, action: str, parameters: object = None, **changes: Any) -> str:
        """Call an action with parameters; return the error's code, or OK."""
        return code_of(self.call(action, parameters, **changes))


def code_of(response: Mapping[str, Any]) -> str:
    """Return the error's code, or OK."""
    code: str = response.get("Error", {}).get("Code", "OK")
    return code
