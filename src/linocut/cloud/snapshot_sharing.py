"""Sharing of snapshots: letting other accounts of the same region make disks of a data disk's snapshot, and nothing else."""

from collections.abc import Sequence
from typing import Final

from linocut.catalog import Tx
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import SnapshotId, Uin
from linocut.model.records import DiskUsage, Snapshot, SnapshotShare
from linocut.model.states import SnapshotState

_ACCOUNTS: Final = 50
"""That a snapshot may be shared with."""
_SNAPSHOTS: Final = 100


def share_snapshots(cloud: Cloud, caller: Caller, snapshot_ids: Sequence[str], accounts: Sequence[str]) -> None:
    """Let other accounts make disks of own snapshots of data disks, all of the snapshots or none. Sharing twice is harmless.

    Raises TooManyValues, ParameterMissing, SnapshotNotFound, SnapshotUnsuitable, SnapshotUnfinished, ShareWithSelf,
    AccountNotFound, ShareQuotaExceeded. Source: CBS ModifySnapshotsSharePermission.
    """
    asked, wanted = _asked(caller, snapshot_ids, accounts)
    with cloud.catalog.begin() as tx:
        for snapshot in _own(tx, caller, asked):
            if snapshot.usage is not DiskUsage.DATA_DISK:
                raise errors.SnapshotUnsuitable(f"Snapshot {snapshot.snapshot_id} is of a system disk: share an image of it.")
            if snapshot.state is not SnapshotState.NORMAL:
                raise errors.SnapshotUnfinished(f"Snapshot {snapshot.snapshot_id} is {snapshot.state}.")
        missing = tx.accounts.missing(wanted)
        if missing:
            raise errors.AccountNotFound(f"There is no account {missing[0]}.")
        for snapshot_id in sorted(asked):
            if tx.snapshot_shares.add(snapshot_id, wanted, cloud.now()) > _ACCOUNTS:
                raise errors.ShareQuotaExceeded(f"A snapshot is shared with up to {_ACCOUNTS} accounts.")


def unshare_snapshots(cloud: Cloud, caller: Caller, snapshot_ids: Sequence[str], accounts: Sequence[str]) -> None:
    """Take own snapshots back from accounts; the disks that they made of them stay. Cancelling twice is harmless.

    Raises TooManyValues, ParameterMissing, SnapshotNotFound, ShareWithSelf. Source: CBS ModifySnapshotsSharePermission.
    """
    asked, wanted = _asked(caller, snapshot_ids, accounts)
    with cloud.catalog.begin() as tx:
        for snapshot in _own(tx, caller, asked):
            tx.snapshot_shares.remove(snapshot.snapshot_id, wanted)


def list_snapshot_shares(cloud: Cloud, caller: Caller, snapshot_id: str) -> tuple[SnapshotShare, ...]:
    """Return the accounts that an own snapshot is shared with. Raises SnapshotNotFound.

    Source: CBS DescribeSnapshotSharePermission.
    """
    with cloud.catalog.read() as tx:
        snapshot = tx.snapshots.get(SnapshotId(snapshot_id))
        if snapshot is None or (snapshot.owner, snapshot.region) != (caller.account.uin, caller.region):
            raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
        return tx.snapshot_shares.of(snapshot.snapshot_id)


def visible_snapshot(tx: Tx, caller: Caller, snapshot_id: str) -> Snapshot:
    """Return a snapshot that the caller may make disks of, in whatever state, and keep it until the transaction ends.

    Those are its own, and those that are shared with it in the region. Raises SnapshotNotFound.
    """
    asked = [SnapshotId(snapshot_id)]
    mine = tx.snapshots.hold(caller.account.uin, caller.region, asked)
    found = mine or tx.snapshot_shares.hold(caller.account.uin, caller.region, asked)
    if not found:
        raise errors.SnapshotNotFound(f"There is no snapshot {snapshot_id}.")
    return found[0]


def require_unshared(tx: Tx, snapshot_ids: Sequence[SnapshotId]) -> None:
    """Raise SnapshotInShared where one of the snapshots, which the transaction holds, is shared with somebody."""
    for snapshot_id in sorted(tx.snapshot_shares.shared_ones(snapshot_ids)):
        raise errors.SnapshotInShared(f"Snapshot {snapshot_id} is shared: cancel its shares first.")


def _asked(
    caller: Caller, snapshot_ids: Sequence[str], accounts: Sequence[str]
) -> tuple[tuple[SnapshotId, ...], tuple[Uin, ...]]:
    listing.check_count("SnapshotIds", snapshot_ids, _SNAPSHOTS)
    listing.check_count("AccountIds", accounts, _ACCOUNTS)
    if not snapshot_ids or not accounts:
        raise errors.ParameterMissing("SnapshotIds and AccountIds name snapshots and accounts.")
    if caller.account.uin in accounts:
        raise errors.ShareWithSelf("A snapshot is not shared with its owner.")
    asked = tuple(SnapshotId(snapshot_id) for snapshot_id in dict.fromkeys(snapshot_ids))
    return asked, tuple(Uin(account) for account in dict.fromkeys(accounts))


def _own(tx: Tx, caller: Caller, snapshot_ids: Sequence[SnapshotId]) -> tuple[Snapshot, ...]:
    found = tx.snapshot_shares.lock(caller.account.uin, caller.region, snapshot_ids)
    missing = set(snapshot_ids) - {snapshot.snapshot_id for snapshot in found}
    if missing:
        raise errors.SnapshotNotFound(f"There is no snapshot {min(missing)}.")
    return found
