"""The audit log: who changed what."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import PageRequest, wire_time
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import audit
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class DescribeAuditEntries(PageRequest):
    """Which calls: of an account, of any of the actions, that name all of the resources, from a time on; and a page."""

    uin: str = ""
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    since: str = ""


class AuditEntry(Shape):
    """A call: who asked for what, from where, and what came of it (`ok`, or the error's code)."""

    time: str
    uin: str
    secret_id: str
    source: str
    region: str
    service: str
    action: str
    resources: list[str]
    outcome: str
    called_request_id: str


class AuditEntries(Answer):
    """The answer of DescribeAuditEntries."""

    total_count: int
    audit_entry_set: list[AuditEntry]


def describe_audit_entries(cloud: Cloud, caller: Caller, request: DescribeAuditEntries) -> AuditEntries:
    """List mutating calls, the last one first; the operator sees those of all accounts."""
    page = audit.list_calls(
        cloud,
        caller,
        uin=request.uin,
        actions=request.actions,
        resources=request.resources,
        since=request.since,
        offset=request.offset,
        limit=request.limit,
    )
    return AuditEntries(
        total_count=page.total,
        audit_entry_set=[
            AuditEntry(
                time=wire_time(entry.at),
                uin=entry.uin,
                secret_id=entry.secret_id,
                source=entry.source,
                region=entry.region,
                service=entry.service,
                action=entry.action,
                resources=list(entry.resources),
                outcome=entry.outcome,
                called_request_id=entry.request_id,
            )
            for entry in page.items
        ],
    )


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeAuditEntries",
        request=DescribeAuditEntries,
        handle=describe_audit_entries,
        needs_region=False,
        codes=codes(errors.OperatorOnly, errors.TooManyValues, errors.InvalidValue, errors.TimeInvalid, errors.PageOutOfRange),
    ),
)
