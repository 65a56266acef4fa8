"""A real guest whose data disk a policy has taken each hour, and a copy in another region, where another guest reads it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, run_order
from guest_bench import bench_with_guests, run_in

from linocut.cloud import attaching, launches, snapshot_copies, snapshot_policies
from linocut.cloud.caller import Caller
from linocut.cloud.new_disks import NewDisks, create_disks
from linocut.cloud.ordered_disks import DataDiskOrder
from linocut.cloud.policy_runs import keep_amounts, run_due
from linocut.cloud.snapshot_policies import PolicyOrder
from linocut.model.records import PolicyRule, Snapshot
from linocut.model.states import SnapshotState

_HOURLY: Final = (PolicyRule(tuple(range(24)), days_of_week=tuple(range(7))),)

pytestmark = [pytest.mark.guest, pytest.mark.timeout(240)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Yield a cloud with real machines, whose stores of two regions hold a tiny guest."""
    with bench_with_guests(tmp_path, regions=(ELSEWHERE, REGION)) as found:
        yield found


def taken(bench: Bench, owner: Caller) -> list[Snapshot]:
    """Return the snapshots that policies had taken, the oldest first."""
    with bench.cloud.catalog.read() as tx:
        return [one for one in tx.snapshots.owned(owner.account.uin, REGION) if one.policy_id is not None]


def test_what_a_policy_kept_of_a_running_guest_is_read_in_another_region(bench: Bench) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    order = run_order(bench.image(owner), data_disks=(DataDiskOrder(10),))
    (instance_id,) = launches.run_instances(bench.cloud, owner, order)
    with bench.cloud.catalog.read() as tx:
        _system, data = tx.disks.of([instance_id])[instance_id]
    policy_id, _ = snapshot_policies.create_policy(bench.cloud, owner, PolicyOrder(rules=_HOURLY))
    assert policy_id is not None
    snapshot_policies.bind_policy(bench.cloud, owner, policy_id, [data.disk_id])
    snapshot_policies.keep_amount(bench.cloud, owner, policy_id, 3)
    run_in(bench, instance_id, "mke2fs -q /dev/vdb 2>/dev/null; mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data")

    for hour in range(5):
        run_in(bench, instance_id, f"echo hour {hour} >/run/data/file; sync")
        bench.clock.advance(timedelta(hours=1))
        run_due(bench.cloud)
        keep_amounts(bench.cloud)

    kept = taken(bench, owner)
    assert [one.state for one in kept] == [SnapshotState.NORMAL] * 3
    (begun,) = snapshot_copies.copy_snapshot(bench.cloud, owner, kept[1].snapshot_id, [ELSEWHERE])
    assert begun.snapshot_id is not None
    zone = "ap-shanghai-2"
    (reader,) = launches.run_instances(bench.cloud, there, run_order(bench.image(there), zone=zone))
    run_in(bench, reader, "true")
    order = NewDisks(zone, "CLOUD_PREMIUM", snapshot_id=begun.snapshot_id)
    attaching.attach_disks(bench.cloud, there, reader, create_disks(bench.cloud, there, order))
    mount = "for i in $(seq 100); do for d in /dev/vd[b-z]; do mount -t ext2 $d /run/data && break 2; done; sleep 0.1; done"
    assert run_in(bench, reader, f"mkdir -p /run/data; ({mount}) 2>/dev/null; cat /run/data/file") == "hour 3"
