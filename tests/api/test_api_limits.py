"""Rate limits: each account's calls of each action in each region, where the setting asks for them."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgi_http import Http, http_of
from signed_calls import Person
from tencentcloud.cvm.v20170312 import models

from linocut.api.app import create_app
from linocut.api.failures import Failure
from linocut.api.limits import PER_SECOND, Limits
from linocut.cloud.context import Cloud
from linocut.model.ids import Region, Uin

GUANGZHOU = Region("ap-guangzhou")


class Clock:
    def __init__(self) -> None:
        self.at = float(int(time.time()))

    def __call__(self) -> float:
        return self.at


def _allowed(limits: Limits, calls: int, *, uin: str = "1", **changes: Any) -> int:
    allowed = 0
    for _ in range(calls):
        try:
            limits.take(changes.get("service", "cvm"), changes.get("action", "DescribeImages"), Uin(uin), GUANGZHOU)
        except Failure as failure:
            assert failure.code == "RequestLimitExceeded"  # noqa: PT017  # the others must pass
        else:
            allowed += 1
    return allowed


def test_a_bucket_holds_a_second_and_fills_at_its_pace() -> None:
    clock = Clock()
    limits = Limits(clock)

    assert _allowed(limits, 100) == 40
    clock.at += 0.25
    assert _allowed(limits, 100) == 10
    clock.at += 60
    assert _allowed(limits, 100) == 40
    clock.at -= 3600
    assert _allowed(limits, 100) == 0
    assert _allowed(limits, 100, action="RunInstances") == 10
    assert _allowed(limits, 100, service="sts", action="AssumeRole") == 20
    assert _allowed(limits, 100, uin="2") == 40


def test_only_so_many_buckets_are_kept() -> None:
    clock = Clock()
    limits = Limits(clock, most_buckets=5)
    assert _allowed(limits, 50, uin="again") == 40
    for number in range(4):
        _allowed(limits, 1, uin=str(number))
    assert _allowed(limits, 50, uin="again") == 0
    for number in range(1000):
        _allowed(limits, 1, uin=str(number))

    assert len(limits) == 5


@pytest.fixture
def limited(cloud: Cloud) -> Iterator[tuple[Http, Clock]]:
    clock = Clock()
    with http_of(
        create_app(dataclasses.replace(cloud, settings=dataclasses.replace(cloud.settings, rate_limits=True)), now=clock)
    ) as client:
        yield client, clock


def test_an_account_that_calls_too_often_is_told_so_and_others_are_not(
    new_person: Callable[[], Person], limited: tuple[Http, Clock]
) -> None:
    http, clock = limited
    one, other = Person(http, new_person().account), Person(http, new_person().account)

    codes = [one.code("DescribeZones") for _ in range(22)]

    assert codes == ["OK"] * 20 + ["RequestLimitExceeded"] * 2
    assert one.code("DescribeZones", region="ap-shanghai") == "OK"
    assert one.code("DescribeImages") == "OK"
    assert other.code("DescribeZones") == "OK"
    clock.at += 0.125
    assert [one.code("DescribeZones") for _ in range(3)] == ["OK", "OK", "RequestLimitExceeded"]


def test_without_the_setting_nobody_is_limited(person: Person) -> None:
    assert {person.code("DescribeZones") for _ in range(60)} == {"OK"}


def test_every_limit_is_of_an_official_action() -> None:
    assert all(hasattr(models, f"{action}Request") for action in PER_SECOND["cvm"])
