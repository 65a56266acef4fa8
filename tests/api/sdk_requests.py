"""Requests in every form that the official SDK can write, as it writes and signs them."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from asgi_http import Http
from signed_calls import HOST, VERSIONS
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from linocut.cloud.accounts import NewAccount


@dataclass(frozen=True)
class Form:
    """How the SDK is told to write requests; `sent_host` is the Host header where it is not what the client was pointed at."""

    method: str = "POST"
    sign: str = "TC3-HMAC-SHA256"
    unsigned: bool = False
    multipart: bool = False
    token: str | None = None
    language: str = "zh-CN"
    endpoint: str = HOST
    sent_host: str | None = None

    def with_(self, **changes: Any) -> "Form":
        return dataclasses.replace(self, **changes)


FORMS = {
    "TC3 POST": Form(),
    "TC3 POST unsigned": Form(unsigned=True),
    "TC3 GET": Form(method="GET"),
    "TC3 GET unsigned": Form(method="GET", unsigned=True),
    "TC3 multipart": Form(multipart=True),
    "SHA1 GET": Form(method="GET", sign="HmacSHA1"),
    "SHA1 POST": Form(sign="HmacSHA1"),
    "SHA256 GET": Form(method="GET", sign="HmacSHA256"),
    "SHA256 POST": Form(sign="HmacSHA256"),
}


@dataclass(frozen=True)
class Written:
    """A request as it goes onto the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def send(self, http: Http) -> dict[str, Any]:
        """Return what is in the envelope of the answer."""
        answer = http.request(self.method, self.target, self.body, self.headers)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        response: dict[str, Any] = answer.json()["Response"]
        assert len(response["RequestId"]) == 36
        return response


def client_of(form: Form, who: NewAccount, service: str = "cvm", region: str = "ap-guangzhou") -> CommonClient:
    http = HttpProfile(protocol="http", endpoint=form.endpoint, reqMethod=form.method)
    profile = ClientProfile(signMethod=form.sign, httpProfile=http, language=form.language)
    profile.unsignedPayload = form.unsigned
    return CommonClient(service, VERSIONS[service], Credential(who.secret_id, who.secret_key, form.token), region, profile)


def written(form: Form, who: NewAccount, action: str, parameters: dict[str, Any], **target: str) -> Written:
    """Return a request of the SDK."""
    request = RequestInternal(form.endpoint, form.method, "/", {})
    client_of(form, who, **target)._build_req_inter(action, parameters, request, {"IsMultipart": form.multipart})
    headers = {"Host": form.endpoint} | request.header
    if form.sent_host is not None:
        headers["Host"] = form.sent_host
    data = request.data if isinstance(request.data, bytes) else request.data.encode()
    if form.method == "GET":
        return Written("GET", f"/?{data.decode()}", headers, b"")
    return Written("POST", "/", headers, data)


def flat(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as the SDK flattens them."""
    pairs: dict[str, Any] = CommonClient("cvm", "2017-03-12", Credential("x", "y"), "ap-guangzhou")._fix_params(parameters)
    return pairs
