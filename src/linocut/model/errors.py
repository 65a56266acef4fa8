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


class TimeInvalid(Malformed):
    """The text is no time."""


class DiskIsSystemDisk(Malformed):
    """A list of data disks names the system disk."""


class DiskNotOfInstance(Malformed):
    """A disk is not attached to the instance."""


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


class UploadNotFound(NotFound):
    """No such upload exists for the caller."""


# NotAllowed


class NotImageOwner(NotAllowed):
    """The image belongs to another account."""


class ImageIsShared(NotAllowed):
    """The image is only shared to the caller."""


class ImageIsPublic(NotAllowed):
    """The image is public: it is for starting instances."""


class ShareWithSelf(NotAllowed):
    """An image cannot be shared with its owner."""


class ByolImageShare(NotAllowed):
    """A bring-your-own-licence image cannot be shared."""


class KeyPairOnWindows(NotAllowed):
    """Windows instances take no key pair."""


class OperatorOnly(NotAllowed):
    """Only the operator may do this."""


class InstanceProtected(NotAllowed):
    """The instance is protected against termination."""


# Conflict


class LostRace(Conflict):
    """Somebody else changed the resource meanwhile."""


class TaskRunning(Conflict):
    """Another operation works on the resource."""


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


class KeyNameTaken(Conflict):
    """The account has a key pair of that name."""


class PublicKeyTaken(Conflict):
    """The account has a key pair with that public key."""


class KeyInUse(Conflict):
    """An instance has the key pair."""


class AccountNameTaken(Conflict):
    """An account of that name exists."""


class UploadIncomplete(Conflict):
    """The upload has not arrived whole."""


# Exhausted


class ImageQuotaExceeded(Exhausted):
    """The account has as many images in the region as it may."""


class ShareQuotaExceeded(Exhausted):
    """The image is shared with as many accounts as it may be."""


class KeyQuotaExceeded(Exhausted):
    """The account has as many key pairs as it may."""


class CapacityExhausted(Exhausted):
    """The hosts have no room for these instances."""


class ZoneSoldOut(Exhausted):
    """The zone takes no new instances."""


class DiskSpaceExhausted(Exhausted):
    """The service's disk has no room for this."""
