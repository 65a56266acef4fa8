"""Which store a region's trees are read from."""

from cloud_bench import ELSEWHERE

from linocut.cloud.region_stores import RegionStores
from linocut.model.ids import Region, RootDigest


def test_a_tree_is_read_through_from_another_region(stores: RegionStores, root: RootDigest) -> None:
    source, target = ELSEWHERE, Region("ap-seoul")
    stores.store(target).copy_nodes(stores.store(source), [root])

    stores.read_through(target, root, source)
    assert stores.store(target).tree(root).read(0, 4) == b"disk"
    stores.end_read_through(target, root)
    stores.end_read_through(Region("ap-tokyo"), root)

    assert Region("ap-tokyo") not in stores.opened()
