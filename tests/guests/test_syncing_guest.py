"""A real guest that starts from an image while most of it is still in another region."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, run_order
from guest_bench import bench_with_guests, run_in

from linocut.blocks import RegionStore
from linocut.cloud import imaging, launches, syncing
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.syncing import SyncOrder
from linocut.cloud.workflows import copies
from linocut.model.ids import ImageId, RootDigest
from linocut.model.states import ImageState

_FILL_MB: Final = 24

pytestmark = [pytest.mark.guest, pytest.mark.timeout(180)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Yield a cloud with real machines, whose store of one region holds a tiny guest with much beside what it boots from."""
    with bench_with_guests(tmp_path, fill_mb=_FILL_MB, launch_while_syncing=True) as found:
        yield found


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
