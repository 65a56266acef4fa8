"""What auto snapshot policies do by themselves: have snapshots taken when they are due, and delete those that are too many.

A due time is noticed once: the transaction that moves the policy on to its next time writes down that a snapshot is owed of each
of its disks. What is owed is settled once: the transaction that begins the snapshots strikes it out. So whoever is killed in
between, or is one of several that look, nothing is taken twice and nothing is forgotten. Times that went by while nobody looked
are one due time, noticed late.

A disk that is busy is tried again for a while. One that is not in use, attached to nothing or the system disk of an instance that
is off, has no snapshots taken, as documented. What is not taken is logged, and tells its owner as a failed task.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

import structlog

from linocut.catalog import Owed, Tx
from linocut.cloud import tasks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.new_snapshots import GroupOrder, SnapshotOrder, begin_snapshot, begin_snapshot_group, start_taking
from linocut.model.errors import Conflict, Refusal
from linocut.model.ids import DiskId, PolicyId, SecretId, SnapshotGroupId, SnapshotId
from linocut.model.records import SnapshotPolicy
from linocut.model.schedules import BEIJING, next_time
from linocut.model.states import InstanceState

_AT_A_TIME: Final = 1000
_PATIENCE: Final = timedelta(minutes=15)
"""How long a disk may be busy."""
_NAME_CHARACTERS: Final = 46
"""Of the policy's name, which leave room for the time."""
_LOOK_AHEAD: Final = timedelta(days=1)
_log = structlog.get_logger(__name__)


def run_due(cloud: Cloud) -> None:
    """Have the snapshots taken that are due. May run at any time, as often as one likes, and in several processes at once."""
    with cloud.catalog.read() as tx:
        due, owed = tx.snapshot_policies.due(cloud.now(), _AT_A_TIME), tx.snapshot_policies.owed()
    for policy_id in due:
        _notice(cloud, policy_id)
    if due:
        with cloud.catalog.read() as tx:
            owed = tx.snapshot_policies.owed()
    for _, together in groupby(owed, key=lambda one: (one.policy_id, one.instance_id or one.disk_id)):
        try:
            _try_to_take(cloud, tuple(together))
        except Exception:  # the others' turn, whatever it is
            _log.exception("snapshot of a policy is not begun")


def keep_amounts(cloud: Cloud) -> None:
    """Delete snapshots of policies that have more of a disk than they are to keep, the oldest first."""
    with cloud.catalog.read() as tx:
        overfull = tx.snapshot_policies.overfull()
    for policy, disk_id in overfull:
        try:
            _delete_beyond(cloud, policy, disk_id)
        except Refusal as refusal:  # somebody has just made something of one: the next time is soon
            _log.info("snapshots beyond the amount stay", policy=policy.policy_id, disk=disk_id, why=str(refusal))


def mend_times(cloud: Cloud) -> None:
    """Bring policies back that wait too long, for the clock was ahead when they were due last."""
    now = cloud.now()
    with cloud.catalog.read() as tx:
        far = tx.snapshot_policies.due_later_than(now + _LOOK_AHEAD)
    for policy in far:
        soon = next_time(policy.rules, now, policy.created_at)
        if policy.next_at is not None and policy.next_at > next_time(policy.rules, soon, policy.created_at):
            _log.warning("policy waited for a time too far", policy=policy.policy_id, until=policy.next_at.isoformat())
            with cloud.catalog.begin() as tx:
                for one in tx.snapshot_policies.lock(policy.owner, policy.region, [policy.policy_id]):
                    if one.next_at == policy.next_at:
                        tx.snapshot_policies.update(policy.policy_id, next_at=soon)


def _notice(cloud: Cloud, policy_id: PolicyId) -> None:
    """Say that a due policy owes a snapshot of each of its disks, and when it is due next."""
    now = cloud.now()
    with cloud.catalog.begin() as tx:
        policy = tx.snapshot_policies.lock_due(policy_id, now)
        if policy is not None:
            tx.snapshot_policies.update(policy_id, next_at=next_time(policy.rules, now, policy.created_at))
            tx.snapshot_policies.owe(policy_id, now)


def _try_to_take(cloud: Cloud, owed: Sequence[Owed]) -> None:
    """Take what is owed of some disks of one instance, all at one moment; or, in the end, of those that can be taken."""
    is_last = cloud.now() - owed[0].owed_at >= _PATIENCE
    try:
        taking = _begin(cloud, owed)
    except Conflict as refusal:
        if not is_last:
            _log.info("snapshot of a policy waits", policy=owed[0].policy_id, disks=_ids(owed), why=str(refusal))
        elif len(owed) > 1:
            for one in owed:
                _try_to_take(cloud, (one,))
        else:
            _give_up(cloud, owed, refusal)
    except Refusal as refusal:
        _give_up(cloud, owed, refusal)
    else:
        if taking is not None:
            start_taking(cloud, taking)


def _begin(cloud: Cloud, owed: Sequence[Owed]) -> SnapshotId | SnapshotGroupId | None:
    """Strike out what is owed, and begin its snapshots; None where there is nothing to take."""
    with cloud.catalog.begin() as tx:
        policy = tx.snapshot_policies.get(owed[0].policy_id)
        settled = tx.snapshot_policies.settle(owed[0].policy_id, [one.disk_id for one in owed])
        disk_ids = [one.disk_id for one in owed if one.disk_id in settled and _is_in_use(tx, one.disk_id)]
        if policy is None or not disk_ids:
            return None
        caller = _caller(tx, policy, owed[0])
        name = f"{policy.name[:_NAME_CHARACTERS]}_{owed[0].owed_at.astimezone(BEIJING):%Y%m%d%H%M}"
        days = policy.retention_days
        deadline = cloud.now() + timedelta(days=days) if days else None
        if len(disk_ids) == 1:
            return begin_snapshot(cloud, tx, caller, SnapshotOrder(disk_ids[0], name, deadline, policy_id=policy.policy_id))
        group = GroupOrder(tuple(disk_ids), name, deadline, policy_id=policy.policy_id)
        return begin_snapshot_group(cloud, tx, caller, group)


def _is_in_use(tx: Tx, disk_id: DiskId) -> bool:
    """Tell whether a disk is attached to an instance, which must not be off if the disk cannot be taken from it."""
    disk = tx.disks.get(disk_id)
    if disk is None or disk.instance_id is None:
        return False
    instance = tx.instances.find(disk.instance_id)
    return instance is not None and (disk.portable or instance.state is not InstanceState.STOPPED)


def _caller(tx: Tx, policy: SnapshotPolicy, owed: Owed) -> Caller:
    """Return the policy's owner, as if it asked."""
    account = tx.accounts.get(policy.owner)
    if account is None:
        raise LookupError(f"{policy.policy_id} is of no account")
    request_id = f"{policy.policy_id}-{owed.disk_id}-{owed.owed_at:%Y%m%d%H%M%S}"
    return Caller(account, SecretId(""), policy.region, request_id, "", "")


def _give_up(cloud: Cloud, owed: Sequence[Owed], refusal: Refusal) -> None:
    """Say that what is owed is not taken, and why."""
    _log.warning("snapshot of a policy is not taken", policy=owed[0].policy_id, disks=_ids(owed), why=str(refusal))
    with cloud.catalog.begin() as tx:
        policy = tx.snapshot_policies.get(owed[0].policy_id)
        settled = sorted(tx.snapshot_policies.settle(owed[0].policy_id, [one.disk_id for one in owed]))
        if policy is not None and settled:
            caller = _caller(tx, policy, owed[0])
            tasks.begin(cloud, tx, caller, "CreateSnapshot", settled)
            for disk_id in settled:
                tasks.fail(cloud, tx, disk_id, caller.request_id, str(refusal))


def _delete_beyond(cloud: Cloud, policy: SnapshotPolicy, disk_id: DiskId) -> None:
    with cloud.catalog.begin() as tx:
        locked = tx.snapshot_policies.lock(policy.owner, policy.region, [policy.policy_id])
        if locked and locked[0].retention_amount:
            beyond = tx.snapshot_policies.beyond_amount(locked[0], disk_id)
            tx.snapshot_shares.lock(policy.owner, policy.region, beyond)
            tx.snapshots.remove(set(tx.snapshot_policies.beyond_amount(locked[0], disk_id)) & set(beyond))


def _ids(owed: Sequence[Owed]) -> list[DiskId]:
    return [one.disk_id for one in owed]
