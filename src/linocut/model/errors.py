"""Why the service says no: domain errors, sorted by what the caller can do about them.

Each error is a class, so that callers match on meaning; it carries a public sentence and, apart from it, an internal detail
for the log. Nothing here knows of the wire: one table in the api room turns a class into the documented code.

    Refusal
    ├── Malformed     the value can never be right: mend the request
    ├── NotFound      nothing of that name exists for this caller
    ├── NotAllowed    it exists, but this caller may not do this to it
    ├── Conflict      its present state forbids this: wait, or do something else first
    └── Exhausted     a quota or a capacity is used up
"""


class Refusal(Exception):
    """The service refuses a request. `str()` is the public sentence."""

    def __init__(self, public: str, *, detail: str = "") -> None:
        super().__init__(public)
        self.detail = detail


class Malformed(Refusal):
    """A value can never be right."""


class NotFound(Refusal):
    """Nothing of that name exists for this caller."""


class NotAllowed(Refusal):
    """The caller may not do this to the resource."""


class Conflict(Refusal):
    """The present state of the resource forbids this."""


class Exhausted(Refusal):
    """A quota or a capacity is used up."""


# Malformed: the request itself


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


class ProjectNotFound(NotFound):
    """Only project 0 exists."""


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


# NotFound


class ImageNotFound(NotFound):
    """No such image exists for the caller."""


class InstanceNotFound(NotFound):
    """No such instance exists for the caller."""


class InstanceTypeNotFound(NotFound):
    """No such instance type exists."""


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


# NotAllowed


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


class OperatorOnly(NotAllowed):
    """Only the operator may do this."""


class TemporaryKeyNotAllowed(NotAllowed):
    """Temporary credentials may not do this."""


class InstanceProtected(NotAllowed):
    """The instance is protected against termination."""


class DefaultNetworkStays(NotAllowed):
    """Default networks and the default security group are not deleted."""


class LastGroupStays(NotAllowed):
    """An instance keeps at least one security group."""


# Conflict


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


class SnapshotUnfinished(Conflict):
    """The snapshot's content is still to come."""


class UploadIncomplete(Conflict):
    """The upload has not arrived whole."""


# Exhausted


class ImageQuotaExceeded(Exhausted):
    """The account has as many images in the region as it may."""


class ShareQuotaExceeded(Exhausted):
    """The image is shared with as many accounts as it may be."""


class ExportsExceeded(Exhausted):
    """As many exports of the account are under way as may be."""


class KeyQuotaExceeded(Exhausted):
    """The account has as many key pairs as it may."""


class CapacityExhausted(Exhausted):
    """The hosts have no room for these instances."""


class ZoneSoldOut(Exhausted):
    """The zone takes no new instances."""


class DiskSpaceExhausted(Exhausted):
    """The service's disk has no room for this."""


class NetworkQuotaExceeded(Exhausted):
    """The account has as many VPCs, subnets or security groups as it may."""


class RuleQuotaExceeded(Exhausted):
    """The security group has as many rules as it may."""


class GroupsOfInstanceExceeded(Exhausted):
    """An instance has as many security groups as it may."""


class SubnetFull(Exhausted):
    """The subnet has no address left."""
