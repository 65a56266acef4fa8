"""What this caller may not do to a resource that exists."""

from linocut.model.errors.kinds import NotAllowed


class NotImageOwner(NotAllowed):
    """The image belongs to another account."""


class ImageIsShared(NotAllowed):
    """The image is only shared to the caller."""


class ImageIsPublic(NotAllowed):
    """The image is public: it is for starting instances."""


class RegionUnreachable(NotAllowed):
    """Images of the one region are not copied to the other."""


class RegionUnsuitable(NotAllowed):
    """This image is not copied to that region."""


class ShareWithSelf(NotAllowed):
    """An image cannot be shared with its owner."""


class SnapshotUnsuitable(NotAllowed):
    """This is not done with such a snapshot."""


class ByolImageShare(NotAllowed):
    """A bring-your-own-licence image cannot be shared."""


class ImageIsRedHat(NotAllowed):
    """A Red Hat image goes to nobody else, and nowhere else."""


class ImageIsWindows(NotAllowed):
    """A Windows image is not exported."""


class ImageTooLargeToExport(NotAllowed):
    """A disk of the image is larger than what is exported."""


class KeyPairOnWindows(NotAllowed):
    """Windows instances take no key pair."""


class LicenseTypeStays(NotAllowed):
    """A new system disk may not change an instance's licence type."""


class AccountInArrears(NotAllowed):
    """The caller's balance is below zero, and its snapshots and images are isolated."""


class OperatorOnly(NotAllowed):
    """Only the operator may do this."""


class TemporaryKeyNotAllowed(NotAllowed):
    """Temporary credentials may not do this."""


class DiskNotPortable(NotAllowed):
    """The disk stays with its instance."""


class DiskUnsuitable(NotAllowed):
    """This is not done with such a disk."""


class SnapshotUnusable(NotAllowed):
    """The region store has lost or damaged the snapshot's content."""


class InstanceProtected(NotAllowed):
    """The instance is protected against termination."""


class DefaultNetworkStays(NotAllowed):
    """Default networks and the default security group are not deleted."""


class LastGroupStays(NotAllowed):
    """An instance keeps at least one security group."""
