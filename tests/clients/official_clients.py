"""The official SDK, pointed at a service, and how to wait for what it starts."""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import models
from tencentcloud.cvm.v20170312.cvm_client import CvmClient

DEADLINE_S = 20.0
REGION = "ap-guangzhou"
VERSIONS = {
    "cvm": "2017-03-12",
    "billing": "2018-07-09",
    "cbs": "2017-03-12",
    "vpc": "2017-03-12",
    "sts": "2018-08-13",
    "tag": "2018-08-13",
}


@dataclass(frozen=True)
class Keys:
    uin: str
    secret_id: str
    secret_key: str


@dataclass(frozen=True)
class Service:
    """Where the service listens, and accounts that nobody has used yet; the first is the operator's."""

    host: str
    accounts: list[Keys]

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}"


class Sdk:
    """The official SDK as one account: `sdk.DescribeImages(Limit=1)`; the answer is the SDK's own model."""

    def __init__(self, service: Service, keys: Keys, *, region: str = REGION, language: str = "zh-CN") -> None:
        self.keys = keys
        http = HttpProfile(protocol="http", endpoint=service.host, reqTimeout=20)
        profile = ClientProfile(httpProfile=http, language=language)
        self._credential = Credential(keys.secret_id, keys.secret_key)
        self._client = CvmClient(self._credential, region, profile)
        self._own = CommonClient("linocut", "2026-11-01", self._credential, region, profile)
        self._region, self._profile = region, profile

    def __getattr__(self, action: str) -> Callable[..., Any]:
        def call(**parameters: object) -> Any:
            request = getattr(models, f"{action}Request")()
            request.from_json_string(json.dumps(parameters))
            return getattr(self._client, action)(request)

        return call

    def of(self, service: str) -> "OtherService":
        """Return the same account's client of another service: `sdk.of("vpc").DescribeVpcs()`."""
        return OtherService(service, self._credential, self._region, self._profile)

    def own(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action of the service `linocut`."""
        response: dict[str, Any] = self._own.call_json(action, parameters)["Response"]
        return response


class OtherService:
    """The official SDK of a service; the answer is the SDK's own model, and `raw` what came over the wire."""

    def __init__(self, service: str, credential: Credential, region: str, profile: ClientProfile) -> None:
        self.version = VERSIONS[service]
        package = f"tencentcloud.{service}.v{self.version.replace('-', '')}"
        self.models = importlib.import_module(f"{package}.models")
        client = getattr(importlib.import_module(f"{package}.{service}_client"), f"{service.capitalize()}Client")
        self._client = client(credential, region, profile)

    def __getattr__(self, action: str) -> Callable[..., Any]:
        return lambda **parameters: getattr(self._client, action)(self._request(action, parameters))

    def raw(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send what the model of the request makes of the parameters; return what is in the envelope."""
        body = self._client.call(action, self._request(action, parameters)._serialize())
        response: dict[str, Any] = json.loads(body)["Response"]
        return response

    def _request(self, action: str, parameters: dict[str, Any]) -> Any:
        request = getattr(self.models, f"{action}Request")()
        request.from_json_string(json.dumps(parameters))
        return request


def wait_until(what: str, look: Callable[[], Any]) -> Any:
    """Return what a function gives as soon as that is true."""
    end = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found
