"""The door for displays: a WebSocket that carries RFB between a browser and a machine's VNC server.

    GET /vnc?s=TOKEN   Upgrade: websocket, subprotocol `binary` if any; the URL that DescribeInstanceVncUrl answers

Bytes are passed on as they are, both ways, in binary frames. Neither direction is read faster than the other side takes it, so
a slow browser costs one buffer and no more. The connection ends when either side does, and with the service.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Final

from anyio import to_thread
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from linocut.cloud.context import Cloud
from linocut.cloud.displays import Display, open_display
from linocut.model.ids import InstanceId

PATH: Final = "/vnc"
TOKEN_PARAMETER: Final = "s"  # noqa: S105  a name
OPEN_DISPLAYS: Final = 4
"""Displays of one instance that may be open at a time, in each process of the service."""

_SUBPROTOCOL: Final = "binary"
_BUFFER_BYTES: Final = 64 * 1024
_GUEST_ENDED: Final = 1000
_NOT_BINARY: Final = 1003
_POLICY: Final = 1008
_TOO_MANY: Final = 1013


def display_routes(cloud: Cloud) -> list[WebSocketRoute]:
    """Return the routes of the door."""
    return [WebSocketRoute(PATH, _Door(cloud).enter)]


class _Door:
    """Lets in who has a ticket, and counts who is inside."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._open = Counter[InstanceId]()

    async def enter(self, websocket: WebSocket) -> None:
        token = websocket.query_params.get(TOKEN_PARAMETER, "")
        display = await to_thread.run_sync(open_display, self._cloud, token)
        if display is None:
            await websocket.close(_POLICY)  # before it is accepted: the client sees 403
            return
        with display.connection:
            offered = websocket.scope["subprotocols"]
            await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in offered else None)
            if self._open[display.instance_id] >= OPEN_DISPLAYS:
                await websocket.close(_TOO_MANY, "This instance has as many open displays as it may.")
                return
            self._open[display.instance_id] += 1
            try:
                await _carry(websocket, display)
            finally:
                self._open[display.instance_id] -= 1


async def _carry(websocket: WebSocket, display: Display) -> None:
    """Pass bytes on until one side ends."""
    display.connection.settimeout(0)
    reader, writer = await asyncio.open_connection(sock=display.connection, limit=_BUFFER_BYTES)
    directions = [asyncio.create_task(_to_guest(websocket, writer)), asyncio.create_task(_to_browser(reader, websocket))]
    try:
        done, _ = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        code = next(iter(done)).result()
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        writer.transport.abort()
    if code is not None:
        with suppress(RuntimeError):  # the browser is gone as well
            await websocket.close(code)


async def _to_guest(websocket: WebSocket, writer: asyncio.StreamWriter) -> int | None:
    """Pass on what the browser sends; return the code to close with, None where it has closed."""
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            if message.get("bytes") is None:
                return _NOT_BINARY
            writer.write(message["bytes"])
            await writer.drain()
    except OSError:
        return _GUEST_ENDED


async def _to_browser(reader: asyncio.StreamReader, websocket: WebSocket) -> int | None:
    """Pass on what the machine sends; return the code to close with, None where the browser has closed."""
    try:
        while data := await reader.read(_BUFFER_BYTES):
            await websocket.send_bytes(data)
    except OSError:
        return _GUEST_ENDED
    except (WebSocketDisconnect, RuntimeError):
        return None
    return _GUEST_ENDED
