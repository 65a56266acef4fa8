"""Why the service says no: domain errors, sorted by what the caller can do about them.

Each error is a class, so that callers match on meaning; it carries a public sentence and, apart from it, an internal detail
for the log. Nothing here knows of the wire: one table in the api room turns a class into the documented code.

    Refusal
    ├── Malformed     the value can never be right: mend the request
    ├── NotFound      nothing of that name exists for this caller
    ├── NotAllowed    it exists, but this caller may not do this to it
    ├── Conflict      its present state forbids this: wait, or do something else first
    └── Exhausted     a quota or a capacity is used up
"""

from linocut.model.errors.conflicts import *  # noqa: F403  # one list of all errors, which a test enumerates
from linocut.model.errors.exhausted import *  # noqa: F403  # the same
from linocut.model.errors.kinds import Conflict, Exhausted, Malformed, NotAllowed, NotFound, Refusal
from linocut.model.errors.malformed import *  # noqa: F403  # the same
from linocut.model.errors.not_allowed import *  # noqa: F403  # the same
from linocut.model.errors.not_found import *  # noqa: F403  # the same

__all__ = ["Conflict", "Exhausted", "Malformed", "NotAllowed", "NotFound", "Refusal"]
