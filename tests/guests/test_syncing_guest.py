"""A real guest that starts from an image while most of it is still in another region."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import pytest

sys.path.append(str(Path(__file__).parents[1] / "cloud"))

from cloud_bench import ELSEWHERE, REGION, Bench, run_order

from linocut.blocks import RegionStore
from linocut.catalog import Catalog
from linocut.cloud import imaging, launches, syncing
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.syncing import SyncOrder
from linocut.cloud.workflows import copies, durable, images, instances  # noqa: F401  importing declares the workflows
from linocut.formats import RunAs
from linocut.machines import Accelerator, QemuMachines
from linocut.model.ids import ImageId, InstanceId, RootDigest
from linocut.model.states import ImageState
from linocut.settings import Settings

_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_NOBODY: Final = (65534, 65534) if os.geteuid() == 0 else None
_FILL_MB: Final = 24
_BOOT_S: Final = 60.0

pytestmark = [pytest.mark.guest, pytest.mark.timeout(180)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Yield a cloud with real machines, whose store of one region holds a tiny guest with much beside what it boots from."""
    settings = Settings(
        state=tmp_path, host_vcpus=4, host_memory_mb=4096, secret_key="ab" * 32, launch_while_syncing=True, block_cache_mb=16
    )
    settings.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = tmp_path / "tiny.raw"
    build = [sys.executable, str(_BUILDER), str(disk), "--raw", "--fill-mb", str(_FILL_MB)]
    subprocess.run(build, check=True, capture_output=True)
    stores = RegionStores(settings, run_as=RunAs(*_NOBODY) if _NOBODY else None, now=time.time)
    catalog = Catalog.open(settings.database_url)
    machines = QemuMachines(tmp_path / "instances", tmp_path / "disks", accelerator=Accelerator.TCG, guest_user=_NOBODY)
    found = Bench(catalog, stores, settings, stores.store(REGION).ingest_file(disk))
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
            answer = httpx.post(url, content=script, timeout=30, trust_env=False)
        except httpx.HTTPError:
            assert time.monotonic() < deadline, bench.cloud.machines.console(instance_id, 0, 1 << 20).data[-2000:]
            time.sleep(0.1)
        else:
            assert answer.headers["X-Exit-Code"] == "0", answer.text
            return answer.text.strip()


def chunks_of(store: RegionStore) -> int:
    return store.stat().chunks


def test_a_guest_starts_while_its_image_is_on_its_way_and_sees_all_of_it(bench: Bench) -> None:
    owner, there = bench.caller("owner"), bench.caller("owner", ELSEWHERE)
    image_id = bench.image(owner)
    with bench.holding():
        (copy,) = syncing.sync_image(bench.cloud, owner, SyncOrder((image_id,), (ELSEWHERE,)))
    (work,) = [work for work in bench.workflows.asked if work[0] == "copy-image"]
    copies.copy_nodes(work[1])  # and the chunks are held back
    target, source = bench.cloud.stores.store(ELSEWHERE), bench.cloud.stores.store(REGION)
    assert chunks_of(target) == 0

    (instance_id,) = launches.run_instances(bench.cloud, there, run_order(copy.image_id, zone="ap-shanghai-2"))
    seen = run_in(bench, instance_id, "echo written >/state/new; sync; echo here")

    assert seen == "here"
    assert bench.image_row(copy.image_id).state is ImageState.SYNCING
    assert target.is_arriving(bench.root)
    assert 0 < chunks_of(target) < chunks_of(source) - _FILL_MB  # chunks of half a MiB, of which the fill has not been read

    taken = imaging.create_image(bench.cloud, bench.caller("owner", ELSEWHERE), CreateOrder("taken", instance_id))
    assert taken is not None
    assert bench.image_row(taken).state is ImageState.NORMAL, bench.image_row(taken).failure
    assert target.verify([root_of(bench, taken)]).is_sound
    assert not target.is_arriving(root_of(bench, taken))

    filled = run_in(bench, instance_id, "cat /state/fill/* | sha256sum")
    bench.workflows.run(work)
    assert bench.image_row(copy.image_id).state is ImageState.NORMAL
    assert target.verify([bench.root]).is_sound
    assert not target.is_arriving(bench.root)
    assert run_in(bench, instance_id, "echo 3 >/proc/sys/vm/drop_caches; cat /state/fill/* | sha256sum; cat /state/new") == (
        f"{filled}\nwritten"
    )


def root_of(bench: Bench, image_id: ImageId) -> RootDigest:
    with bench.cloud.catalog.read() as tx:
        (snapshot,) = tx.images.snapshots_of(image_id)
    assert snapshot.root is not None
    return snapshot.root
