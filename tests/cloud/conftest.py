import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from linocut.catalog import Catalog
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.workflows import (  # noqa: F401  importing declares the workflows
    copies,
    disks,
    durable,
    exports,
    images,
    instances,
    metering,
    rollbacks,
    snapshot_copies,
    snapshots,
)
from linocut.model.ids import RootDigest
from linocut.settings import Settings

sys.path.append(str(Path(__file__).parent))

from cloud_bench import DISK, ELSEWHERE, REGION, Bench, Clock


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionStores]:
    """Yield region stores with the block servers that they need, which end with the session."""
    state = tmp_path_factory.mktemp("stores")
    opened = RegionStores(Settings(state=state, block_cache_mb=8), run_as=None, now=lambda: 0.0)
    yield opened
    opened.close()
    opened.stop_servers()


@pytest.fixture(scope="session")
def root(stores: RegionStores, tmp_path_factory: pytest.TempPathFactory) -> RootDigest:
    """Return the root of a disk of 1 MiB that both regions have."""
    disk = tmp_path_factory.mktemp("disk") / "disk.raw"
    disk.write_bytes(DISK)
    return [stores.store(region).ingest_file(disk) for region in (ELSEWHERE, REGION)][-1]


@pytest.fixture
def bench(database_url: str, stores: RegionStores, root: RootDigest, tmp_path: Path) -> Iterator[Bench]:
    """Yield a cloud on either database."""
    clock = Clock()
    catalog = Catalog.open(database_url, now=clock.now)
    settings = Settings(state=tmp_path, host_vcpus=8, host_memory_mb=8192, secret_key="ab" * 32, shutdown_timeout_s=0.1)
    found = Bench(catalog, stores, settings, root, clock)
    durable._clouds[:] = [found.cloud]
    yield found
    durable._clouds.clear()
    catalog.close()
