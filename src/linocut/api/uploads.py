"""The door for disk files: `PUT /upload/ID`, resumable.

    HEAD /upload/ID                         200, Upload-Offset: how many bytes have arrived
    PUT  /upload/ID  Upload-Offset: N       the body goes on at byte N; `Content-Range: bytes N-…/…` says the same
                                            200 and the new Upload-Offset, or 404, 409 (go on at Upload-Offset), 413, 507

The id, which CreateUpload returned over a signed call, is the permission to send. This is no part of the Tencent Cloud API, so
plain HTTP statuses speak.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from anyio import CapacityLimiter, fail_after, from_thread, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from linocut.cloud.context import Cloud
from linocut.cloud.uploads import receive_upload, upload_offset
from linocut.model import errors

_CONCURRENT_UPLOADS: Final = 16
_SILENCE_S: Final = 60.0
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")
_OFFSET: Final = re.compile(r"[0-9]{1,18}")


class _Interrupted(Exception):
    """The client went away, or fell silent, in the middle of a piece."""


def upload_routes(cloud: Cloud) -> list[Route]:
    """Return the routes of the upload door."""
    limiter = CapacityLimiter(_CONCURRENT_UPLOADS)

    async def upload(request: Request) -> Response:
        upload_id = request.path_params["upload_id"]
        if request.method in {"HEAD", "GET"}:
            return await _guarded(lambda: upload_offset(cloud, upload_id), limiter)
        offset = _offset(request)
        if offset is None:
            return PlainTextResponse("Upload-Offset or Content-Range is missing or malformed.\n", status_code=400)
        pieces = _pieces(request.receive)
        answer = await _guarded(lambda: receive_upload(cloud, upload_id, offset, pieces), limiter)
        if answer.status_code == 409:  # noqa: PLR2004  conflict
            answer.headers["upload-offset"] = str(await to_thread.run_sync(upload_offset, cloud, upload_id))
        return answer

    return [Route("/upload/{upload_id}", upload, methods=["PUT", "HEAD", "GET"])]


async def _guarded(work: Callable[[], int], limiter: CapacityLimiter) -> Response:
    """Run the work in a thread; answer with the offset it returns, or with what its refusal means in HTTP."""
    try:
        offset = await to_thread.run_sync(work, limiter=limiter)
    except errors.UploadNotFound as error:
        return _refused(404, error)
    except (errors.UploadIncomplete, _Interrupted) as error:
        return _refused(409, error)
    except errors.ValueOutOfRange as error:
        return _refused(413, error)
    except errors.DiskSpaceExhausted as error:
        return _refused(507, error)
    return Response(headers={"upload-offset": str(offset)})


def _refused(status: int, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", status_code=status)


def _offset(request: Request) -> int | None:
    if (declared := request.headers.get("upload-offset")) is not None:
        return int(declared) if _OFFSET.fullmatch(declared) else None
    if (declared := request.headers.get("content-range")) is not None:
        found = _RANGE.fullmatch(declared)
        return int(found[1]) if found else None
    return 0


def _pieces(receive: Callable[[], Awaitable[Message]]) -> Iterator[bytes]:
    """Yield the body's pieces as they come; runs in a worker thread and reads in the event loop."""

    async def next_message() -> Message:
        with fail_after(_SILENCE_S):
            return await receive()

    more = True
    while more:
        try:
            message = from_thread.run(next_message)
        except TimeoutError as error:
            raise _Interrupted("The client fell silent.") from error
        if message["type"] != "http.request":
            raise _Interrupted("The client went away.")
        more = message.get("more_body", False)
        if body := message.get("body", b""):
            yield body
