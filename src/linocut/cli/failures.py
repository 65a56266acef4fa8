"""Why a command ends without success."""


class CommandFailed(Exception):
    """The command cannot do what it was asked; the sentence says why. Exit code 1."""


class Misused(Exception):
    """The arguments do not fit together; the sentence says which. Exit code 2."""


class WireError(CommandFailed):
    """The service refused a call, or could not be reached; `code` is the wire's."""

    def __init__(self, code: str, message: str, request_id: str | None) -> None:
        super().__init__(f"{code}: {message}" + (f" (RequestId {request_id})" if request_id else ""))
        self.code = code


class Unreachable(WireError):
    """Nothing answers at the endpoint."""
