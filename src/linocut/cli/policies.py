"""`linocut policy …`: snapshots that are taken by schedule."""

from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.output import print_json, print_table, utc
from linocut.cli.wire import CBS, ClientOptions, JsonObject, connect

_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def create(
    name: str,
    *,
    hours: str = "all",
    days: str = "all",
    every: int | None = None,
    keep: int | None = None,
    keep_days: int | None = None,
    for_ever: Annotated[bool, Parameter(negative="")] = False,
    disk: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    options: ClientOptions | None = None,
) -> None:
    """Have snapshots taken by schedule; its hours and days are Beijing's.

    Args:
        name: what to call it.
        hours: 0 to 23, joined by commas; or all.
        days: sun, mon, tue, wed, thu, fri, sat, or days of the month, joined by commas; or all.
        every: every so many days instead.
        keep: how many snapshots of each disk to keep; any number without it.
        keep_days: how long to keep each; seven days without it.
        for_ever: keep them until somebody deletes them.
        disk: the disks to take them of, now or later with `policy bind`.
        options: where and who.
    """
    options = options or ClientOptions()
    for option, number in (("--every", every), ("--keep", keep), ("--keep-days", keep_days)):
        if number is not None and number < 1:
            raise Misused(f"{option} takes 1 or more")
    if every is not None and days != "all":
        raise Misused("--every excludes --days")
    if for_ever and (keep or keep_days):
        raise Misused("--for-ever excludes --keep and --keep-days")
    rule: dict[str, object] = {"Hour": _numbers("--hours", hours, range(24))}
    rule |= {"IntervalDays": every} if every is not None else _days(days)
    wire = connect(options)
    made = wire.call_cbs(
        "CreateAutoSnapshotPolicy",
        Policy=[rule],
        AutoSnapshotPolicyName=name,
        IsPermanent=True if for_ever else None,
        RetentionDays=keep_days,
    )
    policy_id = str(made["AutoSnapshotPolicyId"])
    try:
        if keep is not None:
            wire.call_own("ModifyPolicyRetention", AutoSnapshotPolicyId=policy_id, RetentionAmount=keep)
        if disk:
            wire.call_cbs("BindAutoSnapshotPolicy", AutoSnapshotPolicyId=policy_id, DiskIds=disk)
    except CommandFailed as error:
        raise CommandFailed(f"{policy_id} is made, but not as asked: {error}") from error
    if options.json:
        print_json({"AutoSnapshotPolicyId": policy_id, "NextTriggerTime": made["NextTriggerTime"]})
    else:
        print(policy_id)


def list_policies(*, options: ClientOptions | None = None) -> None:
    """List your policies, when each is due, and how many disks are bound to it."""
    options = options or ClientOptions()
    policies = list(connect(options).pages("DescribeAutoSnapshotPolicies", "AutoSnapshotPolicySet", of=CBS))
    if options.json:
        print_json(policies)
        return
    print_table(
        ("ID", "NAME", "NEXT", "KEEPS", "DISKS"),
        [
            (
                policy["AutoSnapshotPolicyId"],
                policy["AutoSnapshotPolicyName"],
                utc(policy["NextTriggerTime"]) or "never",
                _keeps(policy),
                len(policy["DiskIdSet"]),
            )
            for policy in policies
        ],
    )


def show(policy: str, /, *, options: ClientOptions | None = None) -> None:
    """Show a policy: when it is due, what it keeps, and the disks that are bound to it.

    Args:
        policy: its id.
        options: where and who.
    """
    options = options or ClientOptions()
    found = connect(options).call_cbs("DescribeAutoSnapshotPolicies", AutoSnapshotPolicyIds=[policy])["AutoSnapshotPolicySet"]
    if not found:
        raise CommandFailed(f"there is no policy {policy}")
    if options.json:
        print_json(found[0])
        return
    held = found[0]
    print_table(
        ("WHAT", "VALUE"),
        [
            ("name", held["AutoSnapshotPolicyName"]),
            ("next", utc(held["NextTriggerTime"]) or "never"),
            *(("due", f"{_due(rule)}, in Beijing") for rule in held["Policy"]),
            ("keeps", _keeps(held)),
            *(("disk", disk) for disk in held["DiskIdSet"]),
        ],
    )


def bind(policy: str, /, *disks: str, options: ClientOptions | None = None) -> None:
    """Have a policy take snapshots of disks from now on.

    Args:
        policy: its id.
        disks: the id of each.
        options: where and who.
    """
    _change_disks("BindAutoSnapshotPolicy", policy, disks, options or ClientOptions())


def unbind(policy: str, /, *disks: str, options: ClientOptions | None = None) -> None:
    """Have a policy take no more snapshots of disks; those that were taken stay as long as they were to.

    Args:
        policy: its id.
        disks: the id of each.
        options: where and who.
    """
    _change_disks("UnbindAutoSnapshotPolicy", policy, disks, options or ClientOptions())


def delete(*policies: str, options: ClientOptions | None = None) -> None:
    """Delete policies of yours, all or none; the snapshots that they had taken stay as long as they were to.

    Args:
        policies: the id of each.
        options: where and who.
    """
    if not policies:
        raise Misused("name at least one policy")
    options = options or ClientOptions()
    connect(options).call_cbs("DeleteAutoSnapshotPolicies", AutoSnapshotPolicyIds=list(policies))
    if options.json:
        print_json(list(policies))
    else:
        print("\n".join(policies))


def _change_disks(action: str, policy: str, disks: tuple[str, ...], options: ClientOptions) -> None:
    if not disks:
        raise Misused("name at least one disk")
    connect(options).call_cbs(action, AutoSnapshotPolicyId=policy, DiskIds=list(disks))
    if options.json:
        print_json(list(disks))
    else:
        print("\n".join(disks))


def _days(text: str) -> dict[str, object]:
    """Return the days of a rule."""
    if text == "all":
        return {"DayOfWeek": list(range(7))}
    named = text.lower().split(",")
    if set(named) <= set(_DAYS):
        return {"DayOfWeek": [_DAYS.index(day) for day in named]}
    return {"DayOfMonth": _numbers("--days", text, range(1, 32), f"{', '.join(_DAYS)}, or ")}


def _numbers(option: str, text: str, known: range, besides: str = "") -> list[int]:
    if text == "all":
        return list(known)
    if not all(part.isdecimal() and int(part) in known for part in text.split(",")):
        raise Misused(f"{option} takes {besides}{known.start} to {known.stop - 1}, joined by commas, or all")
    return [int(part) for part in text.split(",")]


def _keeps(policy: JsonObject) -> str:
    amount = f"{policy['RetentionAmount']} of each, " if policy["RetentionAmount"] else ""
    return amount + ("for ever" if policy["IsPermanent"] else f"{policy['RetentionDays']} days")


def _due(rule: JsonObject) -> str:
    hours = ",".join(str(hour) for hour in rule["Hour"])
    if rule["DayOfWeek"]:
        return f"{','.join(_DAYS[day] for day in rule['DayOfWeek'])} at {hours}"
    if rule["DayOfMonth"]:
        return f"the {','.join(str(day) for day in rule['DayOfMonth'])} of a month at {hours}"
    return f"every {rule['IntervalDays']} days at {hours}"
