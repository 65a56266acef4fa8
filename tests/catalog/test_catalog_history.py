"""What existed when: spans begin and end with the change itself, whoever makes it, and say what the rows say."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from catalog_records import ANNA, BERT, HERE, THERE, a_disk, a_root, a_snapshot, an_image, an_instance, join
from sqlalchemy import select

from linocut.catalog import Catalog, Tx
from linocut.catalog.schema import DISKS, INSTANCES, SNAPSHOTS, SPANS
from linocut.model.ids import ImageId
from linocut.model.records import DiskUsage
from linocut.model.states import DISK_MOVES, INSTANCE_MOVES, DiskState, InstanceState, OperationState, SnapshotState
from linocut.model.usage import DiskUse, InstanceUse, SnapshotUse, Span

MORNING = datetime(2026, 3, 1, 8, 15, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = MORNING

    def now(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(url: str, clock: Clock) -> Iterator[Catalog]:
    opened = Catalog.open(url, now=clock.now)
    join(opened, ANNA, BERT)
    yield opened
    opened.close()


def spans(catalog: Catalog, resource_id: str) -> list[tuple[object, datetime, datetime | None]]:
    with catalog.read() as tx:
        return [(span.use, span.began_at, span.ended_at) for span in tx.history.of(resource_id)]


def test_a_snapshot_counts_from_when_its_content_is_there_until_it_is_removed(timed: Catalog, clock: Clock) -> None:
    snapshot = a_snapshot(state=SnapshotState.CREATING, root=None)
    image = an_image()
    with timed.begin() as tx:
        tx.snapshots.add(snapshot)
        tx.images.add(image, [snapshot.snapshot_id])
    assert spans(timed, snapshot.snapshot_id) == []

    begun = clock.advance(hours=1)
    with timed.begin() as tx:
        tx.snapshots.finish(snapshot.snapshot_id, a_root("c"), 2**30)
    use = SnapshotUse(a_root("c"), image.image_id)
    assert spans(timed, snapshot.snapshot_id) == [(use, begun, None)]

    ended = clock.advance(hours=1)
    with timed.begin() as tx:
        tx.images.remove(image)
        tx.snapshots.remove([snapshot.snapshot_id])
    assert spans(timed, snapshot.snapshot_id) == [(use, begun, ended)]


def test_what_is_rolled_back_has_not_been(timed: Catalog) -> None:
    snapshot = a_snapshot()

    def fail() -> None:
        with timed.begin() as tx:
            tx.snapshots.add(snapshot)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert spans(timed, snapshot.snapshot_id) == []


def test_a_disk_counts_from_its_first_attachment_and_a_larger_one_is_another(timed: Catalog, clock: Clock) -> None:
    instance = an_instance()
    disk = a_disk(instance)
    with timed.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([disk])
    assert spans(timed, disk.disk_id) == []

    attached_at = clock.advance(minutes=1)
    with timed.begin() as tx:
        disk = tx.disks.move(disk, DiskState.ATTACHED)
    clock.advance(minutes=1)
    with timed.begin() as tx:
        disk = tx.disks.move(tx.disks.move(disk, DiskState.DETACHING), DiskState.UNATTACHED, instance_id=None)
    clock.advance(minutes=1)
    with timed.begin() as tx:
        disk = tx.disks.move(disk, DiskState.ATTACHING)
    grown_at = clock.advance(minutes=1)
    with timed.begin() as tx:
        tx.disks.replace_content(disk, None, 80)
    gone_at = clock.advance(minutes=1)
    with timed.begin() as tx:
        tx.disks.remove([disk.disk_id])

    assert spans(timed, disk.disk_id) == [
        (DiskUse("CLOUD_PREMIUM", 50), attached_at, grown_at),
        (DiskUse("CLOUD_PREMIUM", 80), grown_at, gone_at),
    ]


def test_an_instance_counts_from_its_first_start_until_it_is_terminated(timed: Catalog, clock: Clock) -> None:
    windows = ImageId("img-00000077")
    instance = an_instance(windows_of=windows, internet_charge_type="BANDWIDTH_POSTPAID_BY_HOUR", bandwidth_mbps=5)
    with timed.begin() as tx:
        tx.instances.add_all([instance])
    moments = []
    states = (InstanceState.RUNNING, InstanceState.STOPPING, InstanceState.STOPPED, InstanceState.STARTING, InstanceState.RUNNING)
    for state in (*states, InstanceState.TERMINATING):
        moments.append(clock.advance(minutes=1))
        with timed.begin() as tx:
            instance = tx.instances.move(instance, state)
            instance = tx.instances.update(instance, latest_operation_state=OperationState.SUCCESS)
    with timed.begin() as tx:
        tx.instances.remove(instance.instance_id)

    on = InstanceUse("S5.SMALL1", 1, is_running=True, windows_of=windows, bandwidth_mbps=5)
    off = InstanceUse("S5.SMALL1", 1, is_running=False, windows_of=windows, bandwidth_mbps=5)
    assert spans(timed, instance.instance_id) == [
        (on, moments[0], moments[2]),
        (off, moments[2], moments[4]),
        (on, moments[4], moments[5]),
    ]


def test_disks_that_an_instance_leaves_behind_go_on_and_those_that_end_with_it_end(timed: Catalog, clock: Clock) -> None:
    instance = an_instance(state=InstanceState.RUNNING)
    ends = a_disk(instance, state=DiskState.ATTACHED)
    stays = a_disk(instance, state=DiskState.ATTACHED, delete_with_instance=False, usage=DiskUsage.DATA_DISK)
    with timed.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([ends, stays])
    at = clock.advance(hours=2)
    with timed.begin() as tx:
        tx.instances.remove(instance.instance_id)

    assert [ended for _, _, ended in spans(timed, ends.disk_id)] == [at]
    assert [ended for _, _, ended in spans(timed, stays.disk_id)] == [None]


def test_a_clock_that_goes_back_ends_nothing_before_it_began(timed: Catalog, clock: Clock) -> None:
    snapshot = a_snapshot()
    with timed.begin() as tx:
        tx.snapshots.add(snapshot)
    clock.advance(hours=-5)
    with timed.begin() as tx:
        tx.snapshots.remove([snapshot.snapshot_id])

    assert [(began, ended) for _, began, ended in spans(timed, snapshot.snapshot_id)] == [(MORNING, MORNING)]


def test_the_tree_of_a_snapshot_that_is_gone_is_kept_until_the_hours_in_which_it_was_there_are_closed(
    timed: Catalog, clock: Clock
) -> None:
    lasting, brief = a_snapshot(), a_snapshot(root=a_root("f"))
    with timed.begin() as tx:
        tx.snapshots.add(lasting)
    clock.advance(hours=2)
    with timed.begin() as tx:
        tx.snapshots.add(brief)
    clock.advance(minutes=5)
    with timed.begin() as tx:
        tx.snapshots.remove([lasting.snapshot_id, brief.snapshot_id])

    with timed.read() as tx:
        assert tx.snapshots.live_roots(HERE) == {a_root("a")}
        assert tx.snapshots.regions_of_roots() == {HERE}
        ((region, account, since),) = tx.history.behind(clock.now())
    assert (region, account, since) == (HERE, ANNA, MORNING.replace(minute=0))

    for hour, live in ((9, {a_root("a")}), (10, set())):
        with timed.begin() as tx:
            until = MORNING.replace(hour=hour, minute=0)
            tx.charges.close(ANNA, HERE, since, until, [])
            since = until
            assert tx.snapshots.live_roots(HERE) == live
    with timed.read() as tx:
        assert tx.snapshots.regions_of_roots() == set()


def test_a_system_disk_s_snapshot_descends_from_what_its_instance_does(timed: Catalog) -> None:
    instance = an_instance(windows_of=ImageId("img-00000077"))
    system = a_disk(instance)
    data = a_disk(instance, usage=DiskUsage.DATA_DISK, position=1)
    of_system, of_data = a_snapshot(disk_id=system.disk_id), a_snapshot(disk_id=data.disk_id)
    with timed.begin() as tx:
        tx.instances.add_all([instance])
        tx.disks.add_all([system, data])
        tx.snapshots.add(of_system)
        tx.snapshots.add(of_data)
        found = [tx.snapshots.get(one.snapshot_id) for one in (of_system, of_data)]

    assert [one and one.windows_of for one in found] == ["img-00000077", None]


def test_spans_are_found_by_account_region_and_time(timed: Catalog, clock: Clock) -> None:
    with timed.begin() as tx:
        for owner, region in ((ANNA, HERE), (ANNA, THERE), (BERT, HERE)):
            tx.snapshots.add(a_snapshot(owner, region=region))
    later = clock.advance(hours=1)

    with timed.read() as tx:
        assert len(tx.history.touching(ANNA, HERE, MORNING, later)) == 1
        assert tx.history.touching(ANNA, HERE, MORNING - timedelta(hours=1), MORNING) == ()
        assert [(region, owner) for region, owner, _ in tx.history.behind(later)] == [(HERE, ANNA), (HERE, BERT), (THERE, ANNA)]


def _expected(catalog: Catalog) -> dict[str, object]:
    """Return what counts now by what the rows say, told once more and otherwise."""
    with catalog._engines.reader.connect() as connection:
        snapshots = connection.execute(select(SNAPSHOTS.c.snapshot_id, SNAPSHOTS.c.state, SNAPSHOTS.c.root)).all()
        disks = connection.execute(select(DISKS.c.disk_id, DISKS.c.size_gb)).all()
        instances = connection.execute(select(INSTANCES.c.instance_id, INSTANCES.c.state)).all()
    counted: dict[str, object] = {name: root for name, state, root in snapshots if state is SnapshotState.NORMAL}
    counted |= dict(disks)
    billed = set(InstanceState) - {InstanceState.PENDING, InstanceState.LAUNCH_FAILED, InstanceState.TERMINATING}
    return counted | {name: state in _ON for name, state in instances if state in billed}


_ON = {InstanceState.RUNNING, InstanceState.REBOOTING, InstanceState.STOPPING}


def _told(span: Span) -> object:
    match span.use:
        case SnapshotUse(root):
            return root
        case DiskUse(_, size_gb):
            return size_gb
        case InstanceUse() as use:
            return use.is_running


def _add_snapshot(tx: Tx, dice: random.Random) -> None:
    fields = dice.choice(({}, {"state": SnapshotState.CREATING, "root": None}))
    tx.snapshots.add(a_snapshot(**fields))


def _finish_snapshots(tx: Tx, _dice: random.Random) -> None:
    for one in tx.snapshots.owned(ANNA, HERE):
        if one.state is SnapshotState.CREATING:
            tx.snapshots.finish(one.snapshot_id, a_root("e"), 1)


def _remove_snapshot(tx: Tx, _dice: random.Random) -> None:
    tx.snapshots.remove([one.snapshot_id for one in tx.snapshots.owned(ANNA, HERE)[:1]])


def _add_instance(tx: Tx, _dice: random.Random) -> None:
    tx.instances.add_all([an_instance()])


def _move_instances(tx: Tx, dice: random.Random) -> None:
    for one in tx.instances.in_states(InstanceState)[:2]:
        if moves := sorted(INSTANCE_MOVES[one.state]):
            tx.instances.move(one, dice.choice(moves))
        else:
            tx.instances.remove(one.instance_id)


def _grow_disks(tx: Tx, _dice: random.Random) -> None:
    tx.disks.add_all([a_disk(an_instance(), instance_id=None, state=DiskState.UNATTACHED)])
    for disk in tx.disks.in_states(DISK_MOVES)[:1]:
        tx.disks.replace_content(disk, None, disk.size_gb + 10)


_CHANGES = (_add_snapshot, _finish_snapshots, _remove_snapshot, _add_instance, _move_instances, _grow_disks)


@pytest.mark.parametrize("seed", range(8))
def test_after_any_changes_the_open_spans_are_what_the_rows_say(timed: Catalog, clock: Clock, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(20):
        clock.advance(minutes=dice.randint(-20, 50))
        with timed.begin() as tx:
            for _ in range(dice.randint(1, 2)):
                dice.choice(_CHANGES)(tx, dice)

        with timed._engines.reader.connect() as connection:
            everything = connection.execute(select(SPANS.c.resource_id, SPANS.c.began_at, SPANS.c.ended_at)).all()
        opened = [name for name, _, ended in everything if ended is None]
        assert len(opened) == len(set(opened))
        assert all(ended is None or ended >= began for _, began, ended in everything)
        with timed.read() as tx:
            now = {span.resource_id: _told(span) for name in opened for span in tx.history.of(name) if span.ended_at is None}
        assert now == _expected(timed)
