"""What does not exist for this caller."""

from linocut.model.errors.kinds import NotFound


class ProjectNotFound(NotFound):
    """Only project 0 exists."""


class ImageNotFound(NotFound):
    """No such image exists for the caller."""


class InstanceNotFound(NotFound):
    """No such instance exists for the caller."""


class InstanceTypeNotFound(NotFound):
    """No such instance type exists."""


class ChargeNotFound(NotFound):
    """No such charge on a bill that the caller sees."""


class KeyNotFound(NotFound):
    """No such key pair exists for the caller."""


class AccountNotFound(NotFound):
    """No such account exists."""


class RegionNotFound(NotFound):
    """No such region exists."""


class ZoneNotFound(NotFound):
    """No such zone exists in the region."""


class RoleNotFound(NotFound):
    """No such role exists that the caller may take on."""


class TaggedResourceNotFound(NotFound):
    """No such resource exists for the caller, so nothing is tagged."""


class TaskNotFound(NotFound):
    """The caller has no such task."""


class SnapshotNotFound(NotFound):
    """The caller has no such snapshot in the region."""


class PolicyNotFound(NotFound):
    """The caller has no such auto snapshot policy in the region."""


class SnapshotGroupNotFound(NotFound):
    """The caller has no such snapshot group in the region."""


class DiskNotFound(NotFound):
    """The caller has no such disk in the region."""


class ImageSnapshotNotFound(NotFound):
    """An image is to be made of a snapshot that does not exist for the caller."""


class BucketNotFound(NotFound):
    """No such bucket exists for the caller."""


class FileNotFound(NotFound):
    """No such file exists in the bucket."""


class PriceUnknown(NotFound):
    """The price book has no price for this."""


class UploadNotFound(NotFound):
    """No such upload exists for the caller."""


class VpcNotFound(NotFound):
    """No such VPC exists for the caller."""


class SubnetNotFound(NotFound):
    """No such subnet exists for the caller."""


class GroupNotFound(NotFound):
    """No such security group exists for the caller."""
