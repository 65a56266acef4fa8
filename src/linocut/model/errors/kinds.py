"""The kinds of refusals."""


class Refusal(Exception):
    """The service refuses a request. `str()` is the public sentence."""

    def __init__(self, public: str, *, detail: str = "") -> None:
        super().__init__(public)
        self.detail = detail


class Malformed(Refusal):
    """A value can never be right."""


class NotFound(Refusal):
    """Nothing of that name exists for this caller."""


class NotAllowed(Refusal):
    """The caller may not do this to the resource."""


class Conflict(Refusal):
    """The present state of the resource forbids this."""


class Exhausted(Refusal):
    """A quota or a capacity is used up."""
