"""One request, from what came off the wire to what goes back: the four stages in a row, and what is noted on the way.

Whatever happens, the answer is an envelope with a request id. An error that nobody foresaw is answered InternalError and logged
with its traceback; its text stays inside.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from linocut.api.calls import CHINESE, Arrival, Call, read_call
from linocut.api.chinese import catalogue
from linocut.api.credentials import Credentials
from linocut.api.envelope import encode, encode_failure
from linocut.api.failures import Failure
from linocut.api.limits import Limits
from linocut.api.parameters import read_parameters
from linocut.api.table import Action, Table
from linocut.api.telemetry import Telemetry
from linocut.cloud.accounts import find_credential
from linocut.cloud.audit import record_call
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.places import check_region
from linocut.model.errors import Refusal, RegionNotFound
from linocut.model.ids import Region

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A call that is known to be of an action, by an account, in a region."""

    call: Call
    service: str
    action: Action[Any]
    caller: Caller


class Wire:
    """Answers requests; safe to call from many threads at once."""

    def __init__(self, cloud: Cloud, table: Table, telemetry: Telemetry, now: Callable[[], float]) -> None:
        self._cloud = cloud
        self._table = table
        self._telemetry = telemetry
        self._now = now
        self._credentials = Credentials(lambda secret_id: find_credential(cloud, secret_id), now)
        self._limits = Limits(now) if cloud.settings.rate_limits else None

    def answer(self, arrival: Arrival) -> bytes:
        """Return the envelope that answers a request."""
        started = time.perf_counter()
        action = ""
        try:
            accepted = self._accept(arrival)
            action = accepted.action.name
            body, code = self._perform(accepted, arrival)
        except Exception as error:
            failure = _failure(error, arrival.request_id)
            body, code = _said(failure, arrival), failure.code
        self._telemetry.count(action, code, time.perf_counter() - started)
        return body

    def _accept(self, arrival: Arrival) -> _Accepted:
        call = read_call(arrival, self._credentials.find, self._now())
        service = call.service or self._table.service_of(call.version, call.action, call.host)
        action = self._table.find(service, call.version, call.action)
        caller = Caller(
            account=call.credential.account,
            secret_id=call.secret_id,
            region=self._region(call, action),
            request_id=arrival.request_id,
            source=arrival.source,
            language=arrival.language(),
            session=call.credential.session,
            endpoint=arrival.endpoint(),
        )
        if self._limits is not None:
            self._limits.take(service, action.name, caller.account.uin, caller.region)
        return _Accepted(call, service, action, caller)

    def _region(self, call: Call, action: Action[Any]) -> Region:
        if not call.region and not action.needs_region:
            return Region("")
        if not call.region:
            raise Failure("MissingParameter", "The request names no region: the header X-TC-Region, or the parameter Region.")
        try:
            return check_region(self._cloud, call.region)
        except RegionNotFound as error:
            raise Failure("UnsupportedRegion", str(error)) from error

    def _perform(self, accepted: _Accepted, arrival: Arrival) -> tuple[bytes, str]:
        action, caller = accepted.action, accepted.caller
        try:
            call = accepted.call
            request = read_parameters(action.request, action.unsupported, call.parameters, are_texts=call.are_texts)
            body, code = encode(action.handle(self._cloud, caller, request), arrival.request_id), ""
        except Exception as error:
            failure = _refused(error, action, arrival.request_id)
            body, code = _said(failure, arrival), failure.code
        if action.is_mutating:
            self._audit(accepted, code or "ok", body)
        return body, code or "OK"

    def _audit(self, accepted: _Accepted, outcome: str, body: bytes) -> None:
        try:
            record_call(
                self._cloud,
                accepted.caller,
                service=accepted.service,
                action=accepted.action.name,
                outcome=outcome,
                said=(accepted.call.parameters, msgspec.json.decode(body, type=dict[str, object])),
            )
        except Exception:
            _log.exception(
                "audit entry lost", action=accepted.action.name, request_id=accepted.caller.request_id, outcome=outcome
            )


def _said(failure: Failure, arrival: Arrival) -> bytes:
    in_their_language = catalogue().failure(failure) if arrival.language() == CHINESE else failure
    return encode_failure(in_their_language, arrival.request_id)


def _refused(error: Exception, action: Action[Any], request_id: str) -> Failure:
    if not isinstance(error, Refusal):
        return _failure(error, request_id)
    if not action.codes.declares(error):
        _log.warning("undeclared refusal", action=action.name, kind=type(error).__name__, request_id=request_id)
    if error.detail:
        _log.info("refused", action=action.name, kind=type(error).__name__, detail=error.detail, request_id=request_id)
    return action.codes.failure(error)


def _failure(error: Exception, request_id: str) -> Failure:
    if isinstance(error, Failure):
        return error
    with contextlib.suppress(OSError):  # a log that cannot be written must not cost the answer
        _log.error("request failed", request_id=request_id, exc_info=error)
    return Failure("InternalError", "The service failed to handle this request; its log knows more under this RequestId.")
