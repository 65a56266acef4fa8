"""Auto snapshot policies as their owners see them: made, changed, bound, listed, deleted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloud_bench import ELSEWHERE, Bench

from linocut.cloud import disks, instances, snapshot_policies
from linocut.cloud.caller import Caller
from linocut.cloud.listing import BlockQuery
from linocut.cloud.ordered_disks import DataDiskOrder
from linocut.cloud.snapshot_policies import ListedPolicy, PolicyOrder
from linocut.model import errors
from linocut.model.ids import PolicyId
from linocut.model.records import PolicyRule

DAILY = (PolicyRule((9,), days_of_week=tuple(range(7))),)
"""At nine in Beijing, which is one in UTC; the bench's clock begins at midnight in UTC."""


def create(bench: Bench, owner: Caller, **order: Any) -> PolicyId:
    policy_id, _ = snapshot_policies.create_policy(bench.cloud, owner, PolicyOrder(**{"rules": DAILY} | order))
    assert policy_id is not None
    return policy_id


def listed(bench: Bench, caller: Caller, **filters: str) -> list[ListedPolicy]:
    named = {f"auto-snapshot-policy-{name}": (value,) for name, value in filters.items()}
    page = snapshot_policies.list_policies(bench.cloud, caller, BlockQuery(None, named, 0, 100))
    assert page.total == len(page.items)
    return list(page.items)


def disk_ids(bench: Bench, owner: Caller) -> list[str]:
    return [one.disk.disk_id for one in disks.list_disks(bench.cloud, owner, BlockQuery(None, {}, 0, 100)).items]


def test_a_policy_is_what_was_asked_for_and_says_when_it_is_due(bench: Bench) -> None:
    owner = bench.caller("owner")
    policy_id, first_at = snapshot_policies.create_policy(bench.cloud, owner, PolicyOrder(rules=DAILY))

    [one] = listed(bench, owner)
    assert (one.policy.policy_id, one.policy.name, one.policy.rules) == (policy_id, "未命名", DAILY)
    assert (one.policy.is_activated, one.policy.retention_days, one.policy.retention_amount) == (True, 7, 0)
    assert one.policy.next_at == first_at == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert (one.disk_ids, one.instance_ids) == ((), ())


def test_a_dry_run_makes_nothing_and_says_when_it_would_be_due(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.clock.advance(timedelta(hours=1))
    made = snapshot_policies.create_policy(bench.cloud, owner, PolicyOrder(rules=DAILY), dry_run=True)
    assert made == (None, datetime(2026, 11, 24, 1, tzinfo=UTC))
    assert listed(bench, owner) == []


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        ({"rules": ()}, errors.ParameterMissing),
        ({"name": "号" * 21}, errors.ValueTooLong),
        ({"is_permanent": True, "retention_days": 7}, errors.ParameterConflict),
        ({"retention_days": 0}, errors.ValueOutOfRange),
        ({"retention_days": 36_501}, errors.ValueOutOfRange),
    ],
)
def test_what_is_no_policy_is_refused(bench: Bench, order: dict[str, Any], refusal: type[errors.Refusal]) -> None:
    with pytest.raises(refusal):
        create(bench, bench.caller("owner"), **order)


def test_the_last_place_of_the_quota_is_taken_once_in_each_region(bench: Bench) -> None:
    bench.change(policy_quota=3)
    owner = bench.caller("owner")

    def act(_: int) -> bool:
        try:
            create(bench, owner)
        except errors.PolicyQuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(act, range(5))) == 3
    create(bench, bench.caller("owner", ELSEWHERE))
    create(bench, bench.caller("other"))


def test_a_policy_is_changed_in_what_is_named_alone(bench: Bench) -> None:
    owner = bench.caller("owner")
    policy_id = create(bench, owner, name="daily", retention_days=3)
    before = listed(bench, owner)[0].policy

    snapshot_policies.modify_policy(bench.cloud, owner, policy_id, PolicyOrder(name="new"))
    after = listed(bench, owner)[0].policy
    assert (after.name, after.rules, after.retention_days, after.next_at) == ("new", DAILY, 3, before.next_at)

    weekly = (PolicyRule((9,), days_of_week=(0,)),)
    snapshot_policies.modify_policy(bench.cloud, owner, policy_id, PolicyOrder(rules=weekly, is_permanent=True))
    after = listed(bench, owner)[0].policy
    assert (after.name, after.retention_days, after.next_at) == ("new", 0, datetime(2026, 11, 29, 1, tzinfo=UTC))


def test_a_policy_that_is_not_activated_is_never_due_until_it_is(bench: Bench) -> None:
    owner = bench.caller("owner")
    policy_id = create(bench, owner, is_activated=False)
    assert listed(bench, owner)[0].policy.next_at is None
    bench.clock.advance(timedelta(days=2))
    snapshot_policies.modify_policy(bench.cloud, owner, policy_id, PolicyOrder(is_activated=True))
    assert listed(bench, owner)[0].policy.next_at == datetime(2026, 11, 25, 1, tzinfo=UTC)
    snapshot_policies.modify_policy(bench.cloud, owner, policy_id, PolicyOrder(is_activated=False))
    assert listed(bench, owner)[0].policy.next_at is None


def test_to_keep_for_ever_and_for_some_days_or_some_snapshots_exclude_each_other(bench: Bench) -> None:
    owner = bench.caller("owner")
    policy_id = create(bench, owner, is_permanent=True)
    for order in (PolicyOrder(retention_days=3), PolicyOrder(retention_days=3, is_permanent=True)):
        with pytest.raises(errors.ParameterConflict):
            snapshot_policies.modify_policy(bench.cloud, owner, policy_id, order)
    with pytest.raises(errors.ParameterConflict):
        snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 3)
    snapshot_policies.modify_policy(bench.cloud, owner, policy_id, PolicyOrder(is_permanent=False))
    snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 3)
    policy = listed(bench, owner)[0].policy
    assert (policy.retention_days, policy.retention_amount) == (7, 3)
    with pytest.raises(errors.ParameterConflict):
        snapshot_policies.modify_policy(bench.cloud, owner, policy_id, PolicyOrder(is_permanent=True))
    with pytest.raises(errors.ValueOutOfRange):
        snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 1001)


def test_disks_are_bound_to_policies_all_or_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, data_disks=(DataDiskOrder(10), DataDiskOrder(10)))
    first, second, third = disk_ids(bench, owner)
    one, other = create(bench, owner, name="one"), create(bench, owner, name="other")

    snapshot_policies.bind_policy(bench.cloud, owner, one, [first, first])
    snapshot_policies.bind_policy(bench.cloud, owner, other, [first, second])
    with pytest.raises(errors.DiskIsBound):
        snapshot_policies.bind_policy(bench.cloud, owner, one, [third, first])
    with pytest.raises(errors.DiskNotFound):
        snapshot_policies.bind_policy(bench.cloud, owner, one, [third, "disk-00000000"])

    (found,) = listed(bench, owner, name="one")
    assert (found.disk_ids, found.instance_ids) == ((first,), (instance_id,))
    assert {policy.policy_id for policy in snapshot_policies.policies_of_disk(bench.cloud, owner, first)} == {one, other}
    snapshot_policies.unbind_policy(bench.cloud, owner, other, [third, second])
    assert [policy.name for policy in snapshot_policies.policies_of_disk(bench.cloud, owner, second)] == []
    snapshot_policies.unbind_policy(bench.cloud, owner, other, [], [instance_id])
    assert listed(bench, owner, name="other")[0].disk_ids == ()
    assert listed(bench, owner, name="one")[0].disk_ids == (first,)


def test_no_more_disks_are_bound_at_once_than_documented(bench: Bench) -> None:
    owner = bench.caller("owner")
    policy_id = create(bench, owner)
    with pytest.raises(errors.TooManyValues):
        snapshot_policies.bind_policy(bench.cloud, owner, policy_id, [f"disk-{number:08}" for number in range(81)])
    with pytest.raises(errors.ParameterMissing):
        snapshot_policies.bind_policy(bench.cloud, owner, policy_id, [])
    with pytest.raises(errors.ParameterMissing):
        snapshot_policies.unbind_policy(bench.cloud, owner, policy_id, [])


def test_what_is_deleted_takes_its_bindings_with_it(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    [disk_id] = disk_ids(bench, owner)
    one, other = create(bench, owner), create(bench, owner)
    for policy_id in (one, other):
        snapshot_policies.bind_policy(bench.cloud, owner, policy_id, [disk_id])

    with pytest.raises(errors.PolicyNotFound):
        snapshot_policies.delete_policies(bench.cloud, owner, [one, "asp-00000000"])
    snapshot_policies.delete_policies(bench.cloud, owner, [one, one])
    assert [policy.policy_id for policy in snapshot_policies.policies_of_disk(bench.cloud, owner, disk_id)] == [other]
    instances.terminate_instances(bench.cloud, owner, [instance_id])
    assert [found.disk_ids for found in listed(bench, owner)] == [()]


def test_policies_are_filtered_and_come_from_either_end(bench: Bench) -> None:
    owner = bench.caller("owner")
    first = create(bench, owner, name="daily backup")
    bench.clock.advance(timedelta(seconds=1))
    second = create(bench, owner, name="weekly")

    def ids(**filters: str) -> list[str]:
        return [found.policy.policy_id for found in listed(bench, owner, **filters)]

    assert ids() == [second, first]
    assert ids(name="BACK") == [first]
    assert ids(id=second) == [second]
    assert ids(state="NORMAL") == [second, first]
    assert ids(state="ISOLATED") == []
    oldest = snapshot_policies.list_policies(bench.cloud, owner, BlockQuery(None, {}, 0, 1, oldest_first=True))
    assert (oldest.total, [found.policy.policy_id for found in oldest.items]) == (2, [first])
    for query in (BlockQuery(("snap-1",), {}, 0, 1), BlockQuery(None, {"auto-snapshot-policy-state": ("OLD",)}, 0, 1)):
        with pytest.raises(errors.InvalidValue):
            snapshot_policies.list_policies(bench.cloud, owner, query)
