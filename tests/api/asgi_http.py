"""Requests to an ASGI application in this process, as a server would put them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """Sends requests to the application and waits for its answers."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal) -> None:
        self._app = app
        self._portal = portal

    def request(
        self, method: str, target: str, body: bytes | Iterable[bytes | None] = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; a body in pieces comes as such, and None among them is a client that goes away."""
        pieces: list[bytes | None] = [body] if isinstance(body, bytes) else list(body)
        return self._portal.call(self._request, method, target, pieces, headers or {})

    async def _request(self, method: str, target: str, pieces: list[bytes | None], headers: Mapping[str, str]) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8774),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        sent: list[Message] = []
        waiting = iter([*enumerate(pieces, start=1)])

        async def receive() -> Message:
            number, piece = next(waiting)
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": number < len(pieces)}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start = sent[0]
        return Answer(
            status=start["status"],
            headers={name.decode(): value.decode() for name, value in start["headers"]},
            body=b"".join(message.get("body", b"") for message in sent[1:]),
        )


@contextmanager
def http_of(app: ASGIApp) -> Iterator[Http]:
    with start_blocking_portal() as portal:
        yield Http(app, portal)
