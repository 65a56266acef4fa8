"""`linocut audit …`: who changed what, and what came of it."""

from typing import Annotated

from cyclopts import Parameter

from linocut.cli.output import print_json, print_table
from linocut.cli.wire import ClientOptions, connect


def list_entries(
    *,
    account: str | None = None,
    action: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    resource: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    since: str | None = None,
    limit: int = 20,
    offset: int = 0,
    options: ClientOptions | None = None,
) -> None:
    """List the calls that changed something, the last one first. The operator sees those of all accounts.

    Args:
        account: only those of the account with this Uin.
        action: only those of this action; may be repeated.
        resource: only those that name this id; may be repeated, for calls that name all of them.
        since: only those from this time on, such as 2026-11-23T07:00:00Z.
        limit: how many to list, up to 100.
        offset: how many to pass over.
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own(
        "DescribeAuditEntries",
        Uin=account,
        Actions=list(action) or None,
        Resources=list(resource) or None,
        Since=since,
        Limit=limit,
        Offset=offset,
    )
    entries = answer["AuditEntrySet"]
    if options is not None and options.json:
        print_json(entries)
        return
    shown = ("Time", "Uin", "Source", "Region", "Action", "Outcome")
    rows = [[*(entry[name] for name in shown), " ".join(entry["Resources"])] for entry in entries]
    print_table((*(name.upper() for name in shown), "RESOURCES"), rows)
