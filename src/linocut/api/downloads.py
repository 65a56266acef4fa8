"""The door for files of buckets: `GET /bucket/LINK`, resumable.

    HEAD /bucket/LINK                       200, Content-Length
    GET  /bucket/LINK  Range: bytes=N-      200 with the whole file, 206 with the rest of it from byte N on; or 404, 416, 502

The link, which CreateDownload returned over a signed call, is the permission to read. This is no part of the Tencent Cloud API,
so plain HTTP statuses speak.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from linocut.cloud.buckets import Download, open_download
from linocut.cloud.context import Cloud
from linocut.formats import FormatError
from linocut.model import errors

_CONCURRENT_DOWNLOADS: Final = 16
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-", re.IGNORECASE)
"""The one form of a range that is served. Any other is ignored, as RFC 9110 section 14.2 allows: the whole file comes."""


def download_routes(cloud: Cloud) -> list[Route]:
    """Return the routes of the download door."""
    limiter = CapacityLimiter(_CONCURRENT_DOWNLOADS)

    async def download(request: Request) -> Response:
        try:
            found = await to_thread.run_sync(open_download, cloud, request.path_params["link"], limiter=limiter)
        except errors.FileNotFound as error:
            return PlainTextResponse(f"{error}\n", status_code=404)
        except FormatError as error:
            return PlainTextResponse(f"{error.reason}\n", status_code=502)
        asked = _RANGE.fullmatch(request.headers.get("range", "").strip()) if request.method == "GET" else None
        start = int(asked[1]) if asked else 0
        if asked and start >= found.size_bytes:
            return Response(status_code=416, headers={"content-range": f"bytes */{found.size_bytes}"})
        headers = {
            "content-length": str(found.size_bytes - start),
            "content-type": "application/octet-stream",
            "content-disposition": f'attachment; filename="{re.sub("[^A-Za-z0-9._-]", "_", found.name)}"',
            "accept-ranges": "bytes",
        }
        if asked:
            headers["content-range"] = f"bytes {start}-{found.size_bytes - 1}/{found.size_bytes}"
        if request.method == "HEAD" or not found.size_bytes:
            return Response(headers=headers)
        return StreamingResponse(_blocks(found, start, limiter), status_code=206 if asked else 200, headers=headers)

    return [Route("/bucket/{link}", download, methods=["GET", "HEAD"])]


async def _blocks(found: Download, start: int, limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    """Yield the file's bytes, read in worker threads; an error ends the answer short of its length, which the client sees."""
    blocks = found.read(start)
    while (block := await to_thread.run_sync(next, blocks, None, limiter=limiter)) is not None:
        yield block
