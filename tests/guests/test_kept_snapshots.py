"""A real guest whose data disk a policy has taken each hour, and a copy in another region, where another guest reads it."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest

sys.path.append(str(Path(__file__).parents[1] / "cloud"))

from cloud_bench import ELSEWHERE, REGION, Bench, run_order

from linocut.catalog import Catalog
from linocut.cloud import attaching, launches, snapshot_copies, snapshot_policies
from linocut.cloud.caller import Caller
from linocut.cloud.new_disks import NewDisks, create_disks
from linocut.cloud.ordered_disks import DataDiskOrder
from linocut.cloud.policy_runs import keep_amounts, run_due
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.snapshot_policies import PolicyOrder
from linocut.cloud.workflows import durable, reconcile  # noqa: F401  importing it declares all workflows
from linocut.formats import RunAs
from linocut.machines import Accelerator, QemuMachines
from linocut.model.ids import InstanceId
from linocut.model.records import PolicyRule, Snapshot
from linocut.model.states import SnapshotState
from linocut.settings import Settings

_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_NOBODY: Final = (65534, 65534) if os.geteuid() == 0 else None
_BOOT_S: Final = 60.0
_HOURLY: Final = (PolicyRule(tuple(range(24)), days_of_week=tuple(range(7))),)

pytestmark = [pytest.mark.guest, pytest.mark.timeout(240)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Yield a cloud with real machines, whose stores of two regions hold a tiny guest."""
    settings = Settings(state=tmp_path, host_vcpus=4, host_memory_mb=4096, secret_key="ab" * 32, block_cache_mb=16)
    settings.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = tmp_path / "tiny.raw"
    subprocess.run([sys.executable, str(_BUILDER), str(disk), "--raw"], check=True, capture_output=True)
    stores = RegionStores(settings, run_as=RunAs(*_NOBODY) if _NOBODY else None, now=time.time)
    catalog = Catalog.open(settings.database_url)
    machines = QemuMachines(tmp_path / "instances", tmp_path / "disks", accelerator=Accelerator.TCG, guest_user=_NOBODY)
    root = [stores.store(region).ingest_file(disk) for region in (ELSEWHERE, REGION)][-1]
    found = Bench(catalog, stores, settings, root)
    found.clock.at = datetime.now(UTC)
    found.cloud = dataclasses.replace(found.cloud, machines=machines)
    durable._clouds[:] = [found.cloud]
    yield found
    for instance_id in machines.list():
        machines.destroy(instance_id)
    machines.close()
    durable._clouds.clear()
    stores.close()
    stores.stop_servers()
    catalog.close()


def run_in(bench: Bench, instance_id: InstanceId, script: str) -> str:
    """Run a script in a guest, as soon as it answers."""
    url = f"http://{bench.instance_row(instance_id).address}/cgi-bin/sh"
    deadline = time.monotonic() + _BOOT_S
    while True:
        try:
            answer = httpx.post(url, content=script, timeout=60, trust_env=False)
        except httpx.HTTPError:
            assert time.monotonic() < deadline, bench.cloud.machines.console(instance_id, 0, 1 << 20).data[-2000:]
            time.sleep(0.1)
        else:
            assert answer.headers["X-Exit-Code"] == "0", answer.text
            return answer.text.strip()


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
