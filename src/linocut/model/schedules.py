"""When an auto snapshot policy is due: at hours of days, in Beijing. Pure: a time in, a time out.

Source: CBS CreateAutoSnapshotPolicy, Policy.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

from linocut.model import errors
from linocut.model.records import PolicyRule

BEIJING: Final = timezone(timedelta(hours=8))
"""Without a summer time: an hour of a day is there once."""
_RULES: Final = 10
_HOURS: Final = range(24)
_DAYS_OF_WEEK: Final = range(7)
_DAYS_OF_MONTH: Final = range(1, 32)
_INTERVALS: Final = range(1, 366)
_LONGEST_WAIT_DAYS: Final = 366
"""Some day comes within that time, by any rule."""


def check_rules(given: Sequence[PolicyRule]) -> tuple[PolicyRule, ...]:
    """Return the rules, the numbers of each once, in the order they were given, for who reads them compares them with that.

    Raises ParameterMissing, InvalidValue, TooManyValues.
    """
    if not given:
        raise errors.ParameterMissing("Policy is empty.")
    if len(given) > _RULES:
        raise errors.TooManyValues(f"Policy takes up to {_RULES} rules.")
    return tuple(_check_rule(rule) for rule in given)


def next_time(rules: Sequence[PolicyRule], after: datetime, since: datetime) -> datetime:
    """Return when the rules are due next, later than `after`; intervals of days count from the day of `since`."""
    return min(_next_of_rule(rule, after, since.astimezone(BEIJING).date()) for rule in rules)


def _check_rule(rule: PolicyRule) -> PolicyRule:
    if not rule.hours:
        raise errors.ParameterMissing("Policy.Hour is empty.")
    if not (rule.days_of_week or rule.days_of_month or rule.interval_days):
        raise errors.ParameterMissing("A policy needs DayOfWeek, DayOfMonth or IntervalDays.")
    if not set(rule.hours) <= set(_HOURS):
        raise errors.InvalidValue("Policy.Hour takes 0 to 23.")
    if not set(rule.days_of_week) <= set(_DAYS_OF_WEEK):
        raise errors.InvalidValue("Policy.DayOfWeek takes 0 to 6.")
    if not set(rule.days_of_month) <= set(_DAYS_OF_MONTH):
        raise errors.InvalidValue("Policy.DayOfMonth takes 1 to 31.")
    if rule.interval_days and rule.interval_days not in _INTERVALS:
        raise errors.InvalidValue("Policy.IntervalDays takes 1 to 365.")
    return PolicyRule(
        hours=tuple(dict.fromkeys(rule.hours)),
        days_of_week=tuple(dict.fromkeys(rule.days_of_week)),
        days_of_month=tuple(dict.fromkeys(rule.days_of_month)),
        interval_days=rule.interval_days,
    )


def _next_of_rule(rule: PolicyRule, after: datetime, first_day: date) -> datetime:
    today = after.astimezone(BEIJING).date()
    for days in range(_LONGEST_WAIT_DAYS + 1):
        day = today + timedelta(days=days)
        if _is_on(rule, day, first_day):
            for hour in sorted(rule.hours):
                due = datetime.combine(day, time(hour), BEIJING)
                if due > after:
                    return due
    raise AssertionError(f"never due: {rule}")


def _is_on(rule: PolicyRule, day: date, first_day: date) -> bool:
    """Tell whether a rule means a day. Where it names days in more than one way, the first of these counts, as documented."""
    if rule.days_of_week:
        return day.isoweekday() % 7 in rule.days_of_week
    if rule.days_of_month:
        return day.day in rule.days_of_month
    return day >= first_day and (day - first_day).days % rule.interval_days == 0
