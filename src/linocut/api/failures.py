"""The error that a caller of the wire sees: a documented code and a sentence."""

from typing import Final

COMMON_CODES: Final = frozenset(
    {
        "AuthFailure.InvalidAuthorization",
        "AuthFailure.SecretIdNotFound",
        "AuthFailure.SignatureExpire",
        "AuthFailure.SignatureFailure",
        "AuthFailure.TokenFailure",
        "FailedOperation",
        "InternalError",
        "InvalidAction",
        "InvalidParameter",
        "InvalidParameterValue",
        "InvalidRegion.NotFound",
        "InvalidRequest",
        "LimitExceeded",
        "MissingParameter",
        "MutexOperation.TaskRunning",
        "NoSuchProduct",
        "NoSuchVersion",
        "RequestLimitExceeded",
        "RequestSizeLimitExceeded",
        "ResourceInUse",
        "ResourceInsufficient",
        "ResourceNotFound",
        "ResourceUnavailable",
        "UnauthorizedOperation",
        "UnknownParameter",
        "UnsupportedOperation",
        "UnsupportedProtocol",
        "UnsupportedRegion",
    }
)
"""What any action may answer. Source: Tencent Cloud API 3.0, common error codes, and those of every CVM action."""


class Failure(Exception):
    """The request is answered with this code; `str()` is the public sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
