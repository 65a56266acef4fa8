"""The wire API as the client commands use it, and the options that say where the service is and who calls."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Unreachable, WireError

JsonObject = dict[str, Any]

_DEFAULT_STATE: Final = ".state"
_DEFAULT_ENDPOINT: Final = "http://127.0.0.1:8774"
_DEFAULT_REGION: Final = "ap-guangzhou"
_CVM: Final = ("cvm", "2017-03-12")
CBS: Final = ("cbs", "2017-03-12")
_OWN: Final = ("linocut", "2026-11-01")
_PAGE: Final = 100
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Options of every client command, also of one for which it makes no difference in which region it is asked."""

    endpoint: Annotated[
        str | None,
        Parameter(help="Where the service listens. Default: what it left in the state directory, or LINOCUT_ENDPOINT."),
    ] = None
    state: Annotated[
        Path | None,
        Parameter(help="State directory to take credentials and endpoint from. Default: LINOCUT_STATE or ./.state."),
    ] = None
    json: Annotated[bool, Parameter(help="Print JSON.", negative="")] = False


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(ServiceOptions):
    """Options of a client command that works in a region."""

    region: Annotated[str | None, Parameter(help="Default: TENCENTCLOUD_REGION or ap-guangzhou.")] = None


def state_directory(state: Path | None) -> Path:
    """Return the state directory that was named, else LINOCUT_STATE, else ./.state."""
    return state or Path(os.environ.get("LINOCUT_STATE") or _DEFAULT_STATE)


def named_directory(options: ServiceOptions) -> Path | None:
    """Return the directory that --state names, else LINOCUT_STATE where the service that is called is that directory's."""
    if options.state:
        return options.state
    named = os.environ.get("LINOCUT_STATE")
    return Path(named) if named and endpoint_of(options) == _endpoint_left_in(Path(named)) else None


def endpoint_of(options: ServiceOptions) -> str:
    """Return the service's URL: the named one, else the named directory's, LINOCUT_ENDPOINT, the default directory's."""
    if options.endpoint:
        return options.endpoint.rstrip("/")
    from_variable = None if options.state else os.environ.get("LINOCUT_ENDPOINT")
    if from_variable:
        return from_variable.rstrip("/")
    return _endpoint_left_in(state_directory(options.state))


def _endpoint_left_in(state: Path) -> str:
    try:
        return (state / "endpoint").read_text().strip() or _DEFAULT_ENDPOINT
    except FileNotFoundError:
        return _DEFAULT_ENDPOINT


def region_of(options: ServiceOptions) -> str:
    """Return the region to work in, where a command works in one."""
    named = options.region if isinstance(options, ClientOptions) else None
    return named or os.environ.get("TENCENTCLOUD_REGION") or _DEFAULT_REGION


def credentials_of(options: ServiceOptions) -> tuple[str, str]:
    """Return a secret id and key: the named directory's, else the TENCENTCLOUD variables', else the default directory's.

    Raises CommandFailed when there are none.
    """
    secret_id, secret_key = os.environ.get("TENCENTCLOUD_SECRET_ID"), os.environ.get("TENCENTCLOUD_SECRET_KEY")
    if options.state is None and secret_id and secret_key:
        return secret_id, secret_key
    file = state_directory(options.state) / "credentials.json"
    try:
        held = json.loads(file.read_text())
        return str(held["SecretId"]), str(held["SecretKey"])
    except FileNotFoundError as error:
        raise CommandFailed(
            f"no credentials: {file} does not exist; name a state directory with --state, or set TENCENTCLOUD_SECRET_ID and _KEY"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"{file} holds no SecretId and SecretKey") from error


def proxy_exceptions(endpoint: str) -> dict[str, str]:
    """Return the variables that keep calls to a loopback endpoint from a proxy that the environment may name.

    The SDK looks in them for the endpoint as it was given to it, the library below it for the host.
    """
    parts = urlsplit(endpoint)
    if parts.hostname not in _LOOPBACK or not any(name.lower() == "http_proxy" for name in os.environ):
        return {}
    held = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    exceptions = ",".join(filter(None, (held, parts.hostname, parts.netloc, endpoint)))
    return {"NO_PROXY": exceptions, "no_proxy": exceptions}


class Wire:
    """Calls to one service, in one region, as one account."""

    def __init__(self, endpoint: str, credentials: tuple[str, str], region: str) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise CommandFailed(f"the endpoint must be a URL such as {_DEFAULT_ENDPOINT}, not {endpoint}")
        self.endpoint = endpoint
        self.region = region
        os.environ.update(proxy_exceptions(endpoint))
        self._scheme = parts.scheme
        self._host = parts.netloc
        self._credentials = credentials
        self._clients: dict[tuple[str, str], Any] = {}

    def call(self, action: str, **parameters: object) -> JsonObject:
        """Call a CVM action and return its response. Parameters that are None are left out. Raises WireError."""
        return self._call(_CVM, action, parameters)

    def call_own(self, action: str, **parameters: object) -> JsonObject:
        """Call an action of the service `linocut`, as `call` does."""
        return self._call(_OWN, action, parameters)

    def call_cbs(self, action: str, **parameters: object) -> JsonObject:
        """Call an action of CBS, as `call` does."""
        return self._call(CBS, action, parameters)

    def pages(self, action: str, items: str, *, of: tuple[str, str] = _CVM, **parameters: object) -> Iterator[JsonObject]:
        """Yield what a Describe action lists under `items`, page by page."""
        seen = 0
        while True:
            response = self._call(of, action, {"Offset": seen, "Limit": _PAGE, **parameters})
            yield from response[items]
            seen += len(response[items])
            if not response[items] or seen >= response["TotalCount"]:
                return

    def _call(self, service: tuple[str, str], action: str, parameters: dict[str, object]) -> JsonObject:
        from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            answer = self._client(service).call_json(action, given)
        except TencentCloudSDKException as error:
            if error.get_code() == "ClientNetworkError":
                raise Unreachable(
                    "ClientNetworkError", f"nothing answers at {self.endpoint}; is `linocut serve` running?", None
                ) from error
            raise WireError(error.get_code(), str(error.get_message()), error.get_request_id()) from error
        response: JsonObject = answer["Response"]
        return response

    def _client(self, service: tuple[str, str]) -> Any:  # noqa: ANN401  the SDK is untyped
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: tuple[str, str]) -> Any:  # noqa: ANN401  the SDK is untyped
        from tencentcloud.common.common_client import CommonClient
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile

        http = HttpProfile(protocol=self._scheme, endpoint=self._host, keepAlive=True)
        profile = ClientProfile(httpProfile=http, language="en-US")
        name, version = service
        return CommonClient(name, version, Credential(*self._credentials), self.region, profile)


def connect(options: ServiceOptions | None) -> Wire:
    """Return the service that these options name. Raises CommandFailed."""
    options = options or ClientOptions()
    return Wire(endpoint_of(options), credentials_of(options), region_of(options))
