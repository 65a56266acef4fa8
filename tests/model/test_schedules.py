"""When policies are due, by the documented rules, in Beijing."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linocut.model import errors
from linocut.model.records import PolicyRule
from linocut.model.schedules import BEIJING, check_rules, next_time

HOUR: Final = timedelta(hours=1)


def at(text: str) -> datetime:
    """Return a time in Beijing."""
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


MONDAY: Final = at("2026-11-23 10:30")


@pytest.mark.parametrize(
    ("rule", "after", "due"),
    [
        (PolicyRule((11,), days_of_week=(1,)), MONDAY, "2026-11-23 11:00"),
        (PolicyRule((10,), days_of_week=(1,)), MONDAY, "2026-11-30 10:00"),
        (PolicyRule((10,), days_of_week=(0,)), MONDAY, "2026-11-29 10:00"),
        (PolicyRule((0, 12), days_of_week=(1, 2)), MONDAY, "2026-11-23 12:00"),
        (PolicyRule((11,), days_of_week=(1,)), at("2026-11-23 11:00"), "2026-11-30 11:00"),
        (PolicyRule(tuple(range(24)), days_of_week=tuple(range(7))), MONDAY, "2026-11-23 11:00"),
        (PolicyRule((23,), days_of_month=(31,)), MONDAY, "2026-12-31 23:00"),
        (PolicyRule((23,), days_of_month=(30, 31)), at("2027-01-31 23:30"), "2027-03-30 23:00"),
        (PolicyRule((0,), days_of_month=(29,)), at("2027-01-30 00:00"), "2027-03-29 00:00"),
        (PolicyRule((5,), interval_days=2), MONDAY, "2026-11-25 05:00"),
        (PolicyRule((12,), interval_days=2), MONDAY, "2026-11-23 12:00"),
        (PolicyRule((12,), interval_days=365), at("2026-11-23 12:00"), "2027-11-23 12:00"),
    ],
)
def test_a_rule_is_due_at_its_hours_of_its_days_in_beijing(rule: PolicyRule, after: datetime, due: str) -> None:
    assert next_time([rule], after, MONDAY) == at(due)
    assert next_time([rule], after.astimezone(UTC), MONDAY.astimezone(UTC)) == at(due)


def test_of_several_ways_to_name_days_the_first_counts() -> None:
    rule = PolicyRule((12,), days_of_week=(3,), days_of_month=(24,), interval_days=1)
    assert next_time([rule], MONDAY, MONDAY) == at("2026-11-25 12:00")


def test_of_several_rules_the_soonest_counts() -> None:
    rules = [PolicyRule((12,), days_of_week=(3,)), PolicyRule((13,), days_of_month=(24,))]
    assert next_time(rules, MONDAY, MONDAY) == at("2026-11-24 13:00")


RULES: Final = st.builds(
    PolicyRule,
    hours=st.lists(st.integers(0, 23), min_size=1, max_size=3).map(tuple),
    days_of_week=st.lists(st.integers(0, 6), max_size=2).map(tuple),
    days_of_month=st.lists(st.integers(1, 31), max_size=2).map(tuple),
    interval_days=st.integers(1, 40),
)


@given(RULES, st.integers(0, 10_000), st.integers(0, 59))
def test_nothing_is_due_between_a_time_and_the_next(rule: PolicyRule, hours: int, minutes: int) -> None:
    after = MONDAY + timedelta(hours=hours, minutes=minutes)

    due = next_time(check_rules([rule]), after, MONDAY)

    moment = after.replace(minute=0) + HOUR
    while not _is_due(rule, moment):
        moment += HOUR
    assert due == moment


def _is_due(rule: PolicyRule, moment: datetime) -> bool:
    if moment.hour not in rule.hours:
        return False
    if rule.days_of_week:
        return (moment.weekday() + 1) % 7 in rule.days_of_week
    if rule.days_of_month:
        return moment.day in rule.days_of_month
    return (moment.date() - MONDAY.date()).days % rule.interval_days == 0


@pytest.mark.parametrize(
    ("rules", "refusal"),
    [
        ([], errors.ParameterMissing),
        ([PolicyRule(())], errors.ParameterMissing),
        ([PolicyRule((), days_of_week=(1,))], errors.ParameterMissing),
        ([PolicyRule((1,))], errors.ParameterMissing),
        ([PolicyRule((24,), days_of_week=(1,))], errors.InvalidValue),
        ([PolicyRule((-1,), days_of_week=(1,))], errors.InvalidValue),
        ([PolicyRule((1,), days_of_week=(7,))], errors.InvalidValue),
        ([PolicyRule((1,), days_of_month=(0,))], errors.InvalidValue),
        ([PolicyRule((1,), days_of_month=(32,))], errors.InvalidValue),
        ([PolicyRule((1,), interval_days=366)], errors.InvalidValue),
        ([PolicyRule((1,), interval_days=-1)], errors.InvalidValue),
        ([PolicyRule((1,), interval_days=1)] * 11, errors.TooManyValues),
    ],
)
def test_a_rule_that_is_never_due_or_none_is_refused(rules: list[PolicyRule], refusal: type[errors.Refusal]) -> None:
    with pytest.raises(refusal):
        check_rules(rules)


def test_the_numbers_of_rules_are_kept_as_given_and_once() -> None:
    assert check_rules([PolicyRule((5, 1, 5), days_of_week=(3, 3, 0))]) == (PolicyRule((5, 1), days_of_week=(3, 0)),)
