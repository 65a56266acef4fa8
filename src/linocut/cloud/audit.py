"""The audit log: every mutating call, whoever made it and whatever came of it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from linocut.catalog import AuditQuery, Page
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import Uin
from linocut.model.records import AuditEntry

ID_PREFIXES: Final = ("asp", "csnap", "disk", "img", "ins", "rtb", "sg", "skey", "snap", "subnet", "vpc")
_ID: Final = re.compile(rf"(?:.*[/:])?((?:{'|'.join(ID_PREFIXES)})-[0-9a-z]{{8}})")
_MOST_RESOURCES: Final = 200
_VALUES: Final = 10
_ID_CHARACTERS: Final = 64
_HELD_BACK: Final = frozenset({"Password"})


def record_call(
    cloud: Cloud,
    caller: Caller,
    *,
    service: str,
    action: str,
    outcome: str,
    said: tuple[Mapping[str, object], Mapping[str, object]],
) -> None:
    """Keep a call; the outcome is ``ok`` or the error's code, `said` its parameters and its answer, which name resources."""
    entry = AuditEntry(
        at=cloud.now(),
        uin=caller.account.uin,
        secret_id=caller.secret_id,
        source=caller.source,
        region=caller.region,
        service=service,
        action=action,
        request_id=caller.request_id,
        outcome=outcome,
        resources=tuple(islice(dict.fromkeys(_ids_in(list(said))), _MOST_RESOURCES)),
    )
    with cloud.catalog.begin() as tx:
        tx.audit.add(entry)


def list_calls(
    cloud: Cloud,
    caller: Caller,
    *,
    uin: str,
    actions: tuple[str, ...],
    resources: tuple[str, ...],
    since: str,
    offset: int,
    limit: int,
) -> Page[AuditEntry]:
    """Return a page of the calls of an account, the last one first; the operator sees those of all accounts.

    Raises OperatorOnly, TooManyValues, InvalidValue, TimeInvalid, PageOutOfRange.
    """
    own = caller.account.uin
    if uin not in {"", own} and not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator sees the calls of other accounts.")
    listing.check_page(offset, limit)
    listing.check_count("Actions", actions, _VALUES)
    listing.check_count("Resources", resources, _VALUES)
    if any(len(resource) > _ID_CHARACTERS for resource in resources):
        raise errors.InvalidValue("Resources takes ids of resources.")
    asked = AuditQuery(
        uin=Uin(uin) if uin else None if caller.account.is_operator else own,
        actions=actions,
        resources=resources,
        since=_moment(since) if since else None,
        offset=offset,
        limit=limit,
    )
    with cloud.catalog.read() as tx:
        return tx.audit.page(asked)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.TimeInvalid("Since takes a time such as 2026-11-23T07:00:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ids_in(value: object) -> Iterator[str]:
    """Yield the ids of resources in a value of the wire, at any depth: whole texts, or the end of a described resource."""
    if isinstance(value, str):
        if found := _ID.fullmatch(value):
            yield found[1]
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in _HELD_BACK:
                yield from _ids_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids_in(inner)
