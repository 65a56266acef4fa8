"""What the present state of a resource forbids."""

from linocut.model.errors.kinds import Conflict


class LostRace(Conflict):
    """Somebody else changed the resource meanwhile."""


class TaskRunning(Conflict):
    """Another operation works on the resource."""


class TaskNotCancellable(Conflict):
    """The task has ended, or its operation is carried out to its end."""


class TaskCancelled(Conflict):
    """The operation's task was cancelled meanwhile."""


class ImageNameTaken(Conflict):
    """The account has an image of that name in the region."""


class ImageStateForbids(Conflict):
    """The image's state forbids this."""


class ImageInShared(Conflict):
    """The image is still shared with somebody."""


class InstanceStateForbids(Conflict):
    """The instance's state forbids this; `state` says which it is."""

    def __init__(self, public: str, *, state: str, detail: str = "") -> None:
        super().__init__(public, detail=detail)
        self.state = state


class ReinstallFailed(Conflict):
    """The instance's system disk could not be replaced; start or reinstall it first."""


class KeyNameTaken(Conflict):
    """The account has a key pair of that name."""


class PublicKeyTaken(Conflict):
    """The account has a key pair with that public key."""


class KeyInUse(Conflict):
    """An instance has the key pair."""


class AccountNameTaken(Conflict):
    """An account of that name exists."""


class NetworkInUse(Conflict):
    """Something is still in the network, or has the security group."""


class SubnetsOverlap(Conflict):
    """Two subnets of a VPC would have addresses in common."""


class AddressTaken(Conflict):
    """Another instance has the address."""


class RuleRepeated(Conflict):
    """The security group has this rule already."""


class RulesOutdated(Conflict):
    """The rules have changed since the version that the request names."""


class SnapshotHasImages(Conflict):
    """Images are made of the snapshot, and are not to go with it."""


class DiskIsBound(Conflict):
    """The disk is bound to the auto snapshot policy already."""


class SnapshotCopied(Conflict):
    """The snapshot is being copied to that region already."""


class SnapshotInShared(Conflict):
    """The snapshot is still shared with somebody."""


class SnapshotUnfinished(Conflict):
    """The snapshot's content is still to come."""


class SnapshotUnderWay(Conflict):
    """A snapshot of the disk is being taken."""


class DiskBusy(Conflict):
    """The disk is in transition, or its instance is."""


class DiskIsAttached(Conflict):
    """The disk is attached to an instance."""


class DiskNotAttached(Conflict):
    """The disk is attached to no instance, or to another one than was named."""


class DiskSnapshotGone(Conflict):
    """The snapshot that the disk was made of is gone."""


class DiskRollingBack(Conflict):
    """The disk is being rolled back to a snapshot."""


class InstanceNotStopped(Conflict):
    """The disk's instance runs, and is not to be stopped for this."""


class UploadIncomplete(Conflict):
    """The upload has not arrived whole."""
