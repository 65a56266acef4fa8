"""The audit log: every mutating call, whoever made it and whatever came of it."""

from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model.records import AuditEntry


def record_call(cloud: Cloud, caller: Caller, *, service: str, action: str, outcome: str) -> None:
    """Keep a call; the outcome is ``ok`` or the error's code."""
    with cloud.catalog.begin() as tx:
        tx.audit.add(
            AuditEntry(
                cloud.now(),
                caller.account.uin,
                caller.secret_id,
                caller.source,
                caller.region,
                service,
                action,
                caller.request_id,
                outcome,
            )
        )
