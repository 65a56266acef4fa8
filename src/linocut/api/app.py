"""The HTTP application: the wire at every path, and a few doors beside it.

    POST /            the API; always answers 200 with Content-Type exactly application/json
    GET  /health      200 while the process serves
    GET  /metrics     Prometheus text
    GET  /bucket/LINK a file of a bucket
    PUT  /upload/ID   bytes of a disk file; HEAD tells how many have arrived
    GET  /vnc         a WebSocket to the screen of an instance

Official clients take an answer for an error only when its status is 200 and its Content-Type is the bare `application/json`.
They may send the Host header with a scheme, or the request target in absolute form; neither matters here, for the wire is at
every path that no door has.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from linocut.api.billing import BILLING
from linocut.api.calls import MAX_BODY_BYTES, Arrival
from linocut.api.cbs import CBS
from linocut.api.cvm import CVM
from linocut.api.displays import display_routes
from linocut.api.downloads import download_routes
from linocut.api.own import LINOCUT
from linocut.api.signature import ALGORITHM
from linocut.api.sts import STS
from linocut.api.table import Table
from linocut.api.tag import TAG
from linocut.api.telemetry import CONTENT_TYPE, Telemetry
from linocut.api.uploads import upload_routes
from linocut.api.vpc import VPC
from linocut.api.wire import Wire
from linocut.api.workers import Workers
from linocut.cloud.context import Cloud

SERVICES: Final = (CVM, BILLING, CBS, STS, TAG, VPC, LINOCUT)
_READS: Final = frozenset(
    action.name for service in SERVICES for action in service.actions if service is not LINOCUT and not action.is_mutating
)
"""The actions that look into the catalog and no further; they take a millisecond, most of it in this process."""
_READERS: Final = 4
_WORKERS: Final = 32
_DROPPED_BYTES: Final = 8 * MAX_BODY_BYTES


def create_app(cloud: Cloud, *, now: Callable[[], float] = time.time) -> ASGIApp:
    """Return the application that serves a cloud; `now` is the clock that signatures are judged by."""
    telemetry = Telemetry(cloud.stores.counters)
    wire = Wire(cloud, Table(SERVICES), telemetry, now)

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(_request: Request) -> Response:
        return Response(await asyncio.to_thread(telemetry.page), headers={"content-type": CONTENT_TYPE})

    routes = [
        Route("/health", health),
        Route("/metrics", metrics),
        *upload_routes(cloud),
        *download_routes(cloud),
        *display_routes(cloud),
    ]
    return Router(routes, default=_WireEndpoint(wire), redirect_slashes=False)


class _WireEndpoint:
    """The wire as an ASGI application. Requests are answered in threads, for the cloud's verbs block.

    A few threads serve the reads, which hardly wait: more of them would only wait for one another. The rest has many.
    """

    def __init__(self, wire: Wire) -> None:
        self._readers = Workers(wire.answer, _READERS)
        self._workers = Workers(wire.answer, _WORKERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        body = await _read_body(receive)
        client = scope.get("client")
        arrival = Arrival(
            method=scope["method"],
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            source=client[0] if client else "",
            request_id=_request_id(),
            scheme=scope["scheme"],
        )
        answer = await (self._readers if _is_quick_read(arrival) else self._workers).call(arrival)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _is_quick_read(arrival: Arrival) -> bool:
    """Tell whether this is a read. Only with a TC3 signature is the header the action that will be carried out."""
    headers = arrival.headers
    return headers.get("authorization", "").startswith(ALGORITHM) and headers.get("x-tc-action") in _READS


def _request_id() -> str:
    """Return a new id. It is no secret; asking the kernel for randomness would cost more than verifying a signature."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


async def _read_body(receive: Receive) -> bytes | None:
    """Return the request's body, or None if it is longer than allowed.

    The rest of such a one is read and dropped, up to a point, for clients hear an answer only once they have sent all.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        if not message.get("more_body", False) or size > _DROPPED_BYTES:
            return b"".join(parts) if size <= MAX_BODY_BYTES else None
