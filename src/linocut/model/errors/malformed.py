"""What can never be right, in the request itself."""

from linocut.model.errors.kinds import Malformed


class ImageIdMalformed(Malformed):
    """The text is no image id."""


class InstanceIdMalformed(Malformed):
    """The text is no instance id."""


class KeyIdMalformed(Malformed):
    """The text is no key pair id."""


class InstanceTypeMalformed(Malformed):
    """The text is no instance type."""


class VpcIdMalformed(Malformed):
    """The text is no VPC id."""


class SubnetIdMalformed(Malformed):
    """The text is no subnet id."""


class GroupIdMalformed(Malformed):
    """The text is no security group id."""


class CidrMalformed(Malformed):
    """The text is no network of addresses."""


class CidrNotPrivate(Malformed):
    """A VPC takes a private range of addresses, neither too large nor too small."""


class SubnetOutsideVpc(Malformed):
    """A subnet is a part of its VPC, neither too large nor too small."""


class PortsMalformed(Malformed):
    """The text names no ports."""


class AddressMalformed(Malformed):
    """The text is no IPv4 address."""


class AddressOutsidePool(Malformed):
    """The address is none that instances are reached by."""


class SubnetOfOtherVpc(Malformed):
    """The subnet is not of this VPC."""


class SubnetInOtherZone(Malformed):
    """The subnet is in another zone."""


class PublicAddressWithoutBandwidth(Malformed):
    """A public address needs bandwidth."""


class RuleUnknown(Malformed):
    """The security group has no such rule."""


class ValueTooLong(Malformed):
    """A text is longer than its limit."""


class ValueOutOfRange(Malformed):
    """A number is outside its range."""


class InvalidValue(Malformed):
    """A value is outside the documented set."""


class PageOutOfRange(Malformed):
    """Offset or limit is outside its range."""


class TooManyValues(Malformed):
    """A list is longer than its limit."""


class FilterUnknown(Malformed):
    """A filter has a name that this action does not know."""


class TooManyFilterValues(Malformed):
    """There are more filters, or values in one, than allowed."""


class IdsWithFilters(Malformed):
    """Ids and filters were given together."""


class ParameterMissing(Malformed):
    """A parameter that this request needs is absent."""


class ParameterConflict(Malformed):
    """Two parameters exclude each other."""


class OneParameterNeeded(Malformed):
    """Exactly one of several parameters must be given."""


class ParameterUnsupported(Malformed):
    """A documented parameter that this service does not act on; the sentence names it."""


class ImageFamilyInvalid(Malformed):
    """The text is no image family."""


class UrlInvalid(Malformed):
    """The URL cannot be fetched from."""


class OsTypeUnsupported(Malformed):
    """The operating system cannot be imported."""


class OsVersionUnsupported(Malformed):
    """The version of the operating system cannot be imported."""


class LicenseTypeInvalid(Malformed):
    """The licence type is not one of the documented ones."""


class BootModeInvalid(Malformed):
    """The boot mode is not one of the documented ones."""


class HostNameInvalid(Malformed):
    """The text is no host name."""


class InstanceNameTooLong(Malformed):
    """The instance name is longer than its limit."""


class PasswordInvalid(Malformed):
    """The password does not meet the rules."""


class UserDataInvalid(Malformed):
    """The user data is not base64 or is too large."""


class MinCountInvalid(Malformed):
    """MinCount is not between 1 and InstanceCount."""


class ClientTokenTooLong(Malformed):
    """The client token is longer than 64 characters."""


class ClientTokenReused(Malformed):
    """The client token was used for another request."""


class DiskTooSmall(Malformed):
    """A system disk is smaller than its image."""


class SnapshotIdMalformed(Malformed):
    """The text is no snapshot id."""


class DiskInOtherZone(Malformed):
    """The disk and the instance are in two zones."""


class SnapshotOfOtherDisk(Malformed):
    """A disk is not rolled back to a snapshot of another one."""


class DisksOfSeveralInstances(Malformed):
    """The disks are not all attached to one instance."""


class SnapshotLargerThanDisk(Malformed):
    """A data disk is smaller than the snapshot that it is made of."""


class ArchitectureMismatch(Malformed):
    """Instances of this type cannot run the image's machine code."""


class TimeInvalid(Malformed):
    """The text is no time."""


class DiskIsSystemDisk(Malformed):
    """A list of data disks names the system disk."""


class DiskNotOfInstance(Malformed):
    """A disk is not attached to the instance."""


class DependsOnInstance(Malformed):
    """A parameter means something only beside an instance."""


class SystemSnapshotMissing(Malformed):
    """None of the snapshots is of a system disk."""


class SystemSnapshotsSeveral(Malformed):
    """More than one of the snapshots is of a system disk."""


class FileNamePrefixesInvalid(Malformed):
    """The prefixes of file names do not fit the images, or cannot stand in a file's name."""


class IsoNeedsForce(Malformed):
    """An ISO image is imported by force alone."""


class RoleUnknown(Malformed):
    """The text is no role that the service may take."""


class KeyNameEmpty(Malformed):
    """A key pair needs a name."""


class KeyNameTooLong(Malformed):
    """A key pair's name is longer than 25 characters."""


class KeyNameIllegal(Malformed):
    """A key pair's name has a character outside [A-Za-z0-9_]."""


class PublicKeyMalformed(Malformed):
    """The text is no OpenSSH public key."""


class TagsDuplicate(Malformed):
    """A tag key is given twice."""


class TagInvalid(Malformed):
    """A tag, or what it is put on, is not valid."""


class TooManyTags(Malformed):
    """More tags are asked for in one call, or on one resource, than allowed."""


class TaggedResourceInvalid(Malformed):
    """The text does not describe a resource that takes tags."""


class RoleInvalid(Malformed):
    """The text is no ARN of a role."""


class SessionNameInvalid(Malformed):
    """The text is no name of a session."""


class SessionTooLong(Malformed):
    """A session cannot last that long."""
