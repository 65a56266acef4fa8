"""A cloud with real machines, whose store holds a tiny guest, for tests of what guests see of its workflows."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from cloud_bench import REGION, Bench

from linocut.catalog import Catalog
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.workflows import durable, reconcile  # noqa: F401  importing it declares all workflows
from linocut.formats import RunAs
from linocut.machines import Accelerator, QemuMachines
from linocut.model.ids import InstanceId, Region
from linocut.settings import Settings

_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_NOBODY: Final = (65534, 65534) if os.geteuid() == 0 else None
_BOOT_S: Final = 60.0


@contextmanager
def bench_with_guests(
    folder: Path, *, regions: Sequence[Region] = (REGION,), fill_mb: int = 0, launch_while_syncing: bool = False
) -> Iterator[Bench]:
    """Give a cloud of regions that have a tiny guest with so much beside what it boots from; its machines are gone at the end."""
    settings = Settings(
        state=folder,
        host_vcpus=4,
        host_memory_mb=4096,
        secret_key="ab" * 32,
        block_cache_mb=16,
        launch_while_syncing=launch_while_syncing,
    )
    settings.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = folder / "tiny.raw"
    build = [sys.executable, str(_BUILDER), str(disk), "--raw", "--fill-mb", str(fill_mb)]
    subprocess.run(build, check=True, capture_output=True)
    stores = RegionStores(settings, run_as=RunAs(*_NOBODY) if _NOBODY else None, now=time.time)
    catalog = Catalog.open(settings.database_url)
    machines = QemuMachines(folder / "instances", folder / "disks", accelerator=Accelerator.TCG, guest_user=_NOBODY)
    (root,) = {stores.store(region).ingest_file(disk) for region in regions}
    found = Bench(catalog, stores, settings, root)
    found.clock.at = datetime.now(UTC)
    found.cloud = dataclasses.replace(found.cloud, machines=machines)
    durable._clouds[:] = [found.cloud]
    try:
        yield found
    finally:
        for instance_id in machines.list():
            machines.destroy(instance_id)
        machines.close()
        durable._clouds.clear()
        stores.close()
        stores.stop_servers()
        catalog.close()


def run_in(bench: Bench, instance_id: InstanceId, script: str) -> str:
    """Return what a script prints in a guest, as soon as it answers."""
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
