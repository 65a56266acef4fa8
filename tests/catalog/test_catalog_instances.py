from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from catalog_records import ANNA, BERT, CLEO, HERE, NOW, THERE, a_disk, a_root, an_instance, join, join_in
from undone import undone

from linocut.catalog import Catalog, DiskQuery, InstanceQuery, Tx
from linocut.model.errors import LostRace
from linocut.model.ids import DiskId, InstanceId, KeyId
from linocut.model.records import Disk, DiskUsage, Instance, Tag
from linocut.model.states import DISK_MOVES, INSTANCE_MOVES, DiskState, InstanceState, OperationState


def test_the_instances_of_an_account_are_found_in_the_order_asked(catalog: Catalog) -> None:
    first, second, foreign, elsewhere = an_instance(), an_instance(), an_instance(BERT), an_instance(region=THERE)
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.instances.add_all([first, second, foreign, elsewhere])

    asked = [second.instance_id, foreign.instance_id, InstanceId("ins-zzzzzzzz"), elsewhere.instance_id, first.instance_id]
    with catalog.read() as tx:
        assert tx.instances.owned(ANNA, HERE, [*asked, second.instance_id]) == (second, first)
        assert tx.instances.owned(ANNA, HERE, []) == ()
        assert tx.instances.get(HERE, elsewhere.instance_id) is None
        assert tx.instances.find(elsewhere.instance_id) == elsewhere


@pytest.mark.parametrize(("before", "after"), list(product(InstanceState, InstanceState)))
def test_an_instance_makes_the_legal_moves_and_no_other(
    lasting_catalog: Catalog, before: InstanceState, after: InstanceState
) -> None:
    instance = an_instance(state=before)
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA)
        tx.instances.add_all([instance])
        if after in INSTANCE_MOVES[before]:
            moved = tx.instances.move(instance, after, latest_operation_state=OperationState.SUCCESS, started_at=NOW)
            expected = replace(instance, state=after, latest_operation_state=OperationState.SUCCESS, started_at=NOW)
            assert moved == expected == tx.instances.find(instance.instance_id)
        else:
            with pytest.raises(ValueError, match="does not move"):
                tx.instances.move(instance, after)
            assert tx.instances.find(instance.instance_id) == instance


LATER: dict[str, Callable[[Tx, Instance], object]] = {
    "another state": lambda tx, it: tx.instances.move(it, InstanceState.STOPPED),
    "another request": lambda tx, it: tx.instances.update(it, latest_request_id="request-2"),
    "gone": lambda tx, it: tx.instances.remove(it.instance_id),
}


@pytest.mark.parametrize("change", LATER)
def test_an_instance_that_has_moved_on_is_a_lost_race(catalog: Catalog, change: str) -> None:
    instance = an_instance(state=InstanceState.RUNNING)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        LATER[change](tx, instance)
        left = tx.instances.find(instance.instance_id)

    with catalog.begin() as tx:
        with pytest.raises(LostRace):
            tx.instances.move(instance, InstanceState.STOPPING, latest_request_id="request-3")
        with pytest.raises(LostRace):
            tx.instances.update(instance, name="late", key_ids=(), tags=())
        assert tx.instances.find(instance.instance_id) == left


def test_two_who_change_the_same_field_of_an_instance_cannot_both_win(catalog: Catalog) -> None:
    instance = an_instance()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        tx.instances.update(instance, name="first")
        with pytest.raises(LostRace):
            tx.instances.update(instance, name="second")


def test_a_change_writes_what_was_changed_and_nothing_else(catalog: Catalog) -> None:
    instance = an_instance()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        tx.instances.update(instance, host_name="other")
        changes = {"name": "Db", "key_ids": (KeyId("skey-00000009"),), "tags": (Tag("a", "b"),), "launch_ms": {"qemu": 3.0}}
        tx.instances.update(instance, **changes)

    with catalog.read() as tx:
        assert tx.instances.find(instance.instance_id) == replace(instance, host_name="other", **changes)
        assert tx.instances.list(InstanceQuery(owner=ANNA, region=HERE, names=("db",))).total == 1
        assert tx.instances.using_key(KeyId("skey-00000009"))
        assert not tx.instances.using_key(instance.key_ids[0])


def test_a_removed_instance_leaves_nothing(catalog: Catalog) -> None:
    instance = an_instance()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([a_disk(instance)])
    with catalog.begin() as tx:
        tx.instances.remove(instance.instance_id)
        tx.instances.remove(instance.instance_id)

    bare = replace(instance, tags=(), key_ids=())
    with catalog.begin() as tx:
        assert tx.instances.all_ids() == set()
        tx.instances.add_all([bare])
        assert tx.instances.find(instance.instance_id) == bare
        assert tx.disks.of([instance.instance_id]) == {instance.instance_id: ()}


def test_failed_and_ending_instances_hold_no_capacity(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        assert tx.instances.reserved() == (0, 0)
        tx.instances.add_all(
            an_instance(owner, state=state, vcpus=2, memory_mb=2**21) for state in InstanceState for owner in (ANNA, BERT)
        )

    holding = len(InstanceState) - 2
    with catalog.read() as tx:
        assert tx.instances.reserved() == (2 * holding * 2, 2 * holding * 2**21)
        assert tx.instances.count_owned(ANNA, HERE) == len(InstanceState)
        assert tx.instances.count_owned(ANNA, THERE) == 0


def test_every_address_and_id_is_known_whoever_has_it(catalog: Catalog) -> None:
    ours, theirs, none = an_instance(), an_instance(BERT, address="127.0.0.9", region=THERE), an_instance(address="")
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        assert tx.instances.addresses() == set()
        tx.instances.add_all([ours, theirs, none])

    with catalog.read() as tx:
        assert tx.instances.addresses() == {"127.0.31.7", "127.0.0.9"}
        assert tx.instances.all_ids() == {ours.instance_id, theirs.instance_id, none.instance_id}


def test_instances_in_a_state_are_found_in_every_region_and_account(catalog: Catalog) -> None:
    ours = an_instance(state=InstanceState.RUNNING)
    theirs = an_instance(BERT, region=THERE, created_at=NOW - timedelta(days=1))
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.instances.add_all([ours, theirs, an_instance(state=InstanceState.STOPPED)])

    with catalog.read() as tx:
        assert tx.instances.in_states([InstanceState.RUNNING, InstanceState.PENDING]) == (theirs, ours)


def test_a_foreign_account_sees_nothing_of_an_instance(catalog: Catalog) -> None:
    instance = an_instance(ANNA)
    join(catalog, ANNA, CLEO)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])

    everything = InstanceQuery(owner=CLEO, region=HERE)
    with catalog.read() as tx:
        for query in (
            everything,
            replace(everything, ids=(instance.instance_id,)),
            replace(everything, uuids=(instance.uuid,)),
            replace(everything, private_addresses=(instance.address,)),
            replace(everything, tag_keys=("role",)),
        ):
            assert tx.instances.list(query).items == ()
            assert tx.instances.list(query).total == 0
        assert tx.instances.owned(CLEO, HERE, [instance.instance_id]) == ()
        assert tx.keys.instances_of(CLEO) == {}


def test_disks_come_in_the_order_of_their_positions(catalog: Catalog) -> None:
    one, other = an_instance(), an_instance()
    data = [a_disk(one, position=position, usage=DiskUsage.DATA_DISK) for position in (2, 1)]
    system = a_disk(one)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([one, other])
        tx.disks.add_all([*data, system])
        tx.disks.add_all([])

    with catalog.begin() as tx:
        assert tx.disks.of([other.instance_id, one.instance_id]) == {
            other.instance_id: (),
            one.instance_id: (system, data[1], data[0]),
        }
        tx.tags.replace("cvm", "volume", system.disk_id, (), (Tag("k", "v"),))
        assert tx.tags.of([system.disk_id]) == {system.disk_id: (Tag("k", "v"),)}
        tx.disks.leave(one.instance_id)
        assert tx.disks.of([one.instance_id]) == {one.instance_id: ()}
        assert tx.tags.of([system.disk_id]) == {}


@pytest.mark.parametrize(("before", "after"), list(product(DiskState, DiskState)))
def test_a_disk_makes_the_legal_moves_and_no_other(lasting_catalog: Catalog, before: DiskState, after: DiskState) -> None:
    instance = an_instance()
    disk = a_disk(instance, state=before)
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA)
        tx.instances.add_all([instance])
        tx.disks.add_all([disk])
        if after in DISK_MOVES[before]:
            assert tx.disks.move(disk, after, size_gb=60) == replace(disk, state=after, size_gb=60) == the_disk(tx, instance)
            with pytest.raises(LostRace):
                tx.disks.move(disk, after)
        else:
            with pytest.raises(ValueError, match="does not move"):
                tx.disks.move(disk, after)
            assert the_disk(tx, instance) == disk


def test_the_last_tree_taken_from_a_disk_is_remembered_and_forgotten(catalog: Catalog) -> None:
    instance = an_instance()
    disk = a_disk(instance)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([disk])
        tx.disks.synced(disk.disk_id, a_root("c"), "mark-1")
        assert the_disk(tx, instance) == replace(disk, synced_root=a_root("c"), synced_mark="mark-1")
        tx.disks.synced(disk.disk_id, None, None)
        assert the_disk(tx, instance) == disk
        with pytest.raises(LostRace):
            tx.disks.synced(DiskId("disk-zzzzzzzz"), None, None)


def the_disk(tx: Tx, instance: Instance) -> Disk:
    return tx.disks.of([instance.instance_id])[instance.instance_id][0]


def test_a_new_generation_of_a_disk_forgets_what_was_taken_of_the_last(catalog: Catalog) -> None:
    instance = an_instance()
    disk = a_disk(instance, base_root=a_root("a"), synced_root=a_root("b"), synced_mark="mark", size_gb=50)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([disk])

    with catalog.begin() as tx:
        fresh = tx.disks.replace_content(disk, a_root("c"), 80)

    kept = replace(disk, base_root=a_root("c"), size_gb=80, generation=1, synced_root=None, synced_mark=None)
    with catalog.read() as tx:
        assert tx.disks.of([instance.instance_id])[instance.instance_id] == (fresh,) == (kept,)
    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.disks.replace_content(disk, a_root("d"), 80)


def test_what_a_user_tells_an_instance_is_kept_and_changed(catalog: Catalog) -> None:
    instance = an_instance(metadata={"colour": "röt", "empty": ""}, login_generation=3)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([instance])
    with catalog.begin() as tx:
        assert tx.instances.find(instance.instance_id) == instance
        tx.instances.update(instance, metadata={}, login_generation=4)
    with catalog.read() as tx:
        assert tx.instances.find(instance.instance_id) == replace(instance, metadata={}, login_generation=4)


def test_a_disk_that_does_not_end_with_its_instance_is_of_none_then(catalog: Catalog) -> None:
    one = an_instance()
    system = a_disk(one)
    kept = a_disk(one, usage=DiskUsage.DATA_DISK, position=1, delete_with_instance=False, portable=True, state=DiskState.ATTACHED)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.instances.add_all([one])
        tx.disks.add_all([system, kept])

    with catalog.begin() as tx:
        tx.instances.remove(one.instance_id)

    with catalog.read() as tx:
        assert tx.disks.get(system.disk_id) is None
        assert tx.disks.get(kept.disk_id) == replace(
            kept, state=DiskState.UNATTACHED, instance_id=None, last_instance=one.instance_id
        )
        assert [listed.disk.disk_id for listed in tx.disks.list(DiskQuery(owner=ANNA, region=HERE)).items] == [kept.disk_id]
