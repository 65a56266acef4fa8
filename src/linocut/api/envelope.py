"""The envelope of every answer: `{"Response": {…, "RequestId": …}}`, for success and failure alike.

Source: Tencent Cloud API 3.0, response structure.
"""

import msgspec

from linocut.api.failures import Failure


class Shape(msgspec.Struct, rename="pascal", forbid_unknown_fields=True, kw_only=True):
    """A structure of the wire; `image_id` here is `ImageId` there."""


class Answer(Shape):
    """What an action returns when it succeeds, without the request's id."""


class _Error(Shape):
    code: str
    message: str


class _ErrorAnswer(Answer):
    error: _Error


def encode(answer: Answer, request_id: str) -> bytes:
    """Return the answer in its envelope, the request's id as its last field."""
    fields = msgspec.json.encode(answer)[:-1]
    comma = b"," if len(fields) > 1 else b""
    return b'{"Response":' + fields + comma + b'"RequestId":"' + request_id.encode() + b'"}}'


def encode_failure(failure: Failure, request_id: str) -> bytes:
    """Return the failure in its envelope."""
    return encode(_ErrorAnswer(error=_Error(code=failure.code, message=str(failure))), request_id)
