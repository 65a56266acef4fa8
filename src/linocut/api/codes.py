"""From the errors of the model to the codes of the wire.

One table gives each error its usual code; an action that documents another one says so where it lists its errors. What an action
may answer is thus known without running it, and a test holds it against the documented list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from linocut.api.failures import COMMON_CODES, Failure
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.states import InstanceState

_STATE_PREFIX: Final = "UnsupportedOperation.InstanceState"

USUAL_CODES: Final[Mapping[type[Refusal], str]] = {
    errors.ImageIdMalformed: "InvalidImageId.Malformed",
    errors.InstanceIdMalformed: "InvalidInstanceId.Malformed",
    errors.KeyIdMalformed: "InvalidKeyPairId.Malformed",
    errors.InstanceTypeMalformed: "InvalidInstanceType.Malformed",
    errors.ValueTooLong: "InvalidParameterValue.TooLarge",
    errors.ValueOutOfRange: "InvalidParameterValue.Range",
    errors.InvalidValue: "InvalidParameterValue",
    errors.PageOutOfRange: "InvalidParameterValue.LimitExceeded",
    errors.TooManyValues: "InvalidParameterValue.LimitExceeded",
    errors.FilterUnknown: "InvalidFilter",
    errors.TooManyFilterValues: "InvalidFilterValue.LimitExceeded",
    errors.IdsWithFilters: "InvalidParameter",
    errors.ParameterMissing: "MissingParameter",
    errors.ParameterConflict: "InvalidParameter",
    errors.OneParameterNeeded: "InvalidParameter",
    errors.ParameterUnsupported: "UnsupportedOperation",
    errors.ImageFamilyInvalid: "InvalidParameterValue.InvalidImageFamily",
    errors.UrlInvalid: "InvalidParameter.InvalidParameterUrlError",
    errors.OsTypeUnsupported: "InvalidImageOsType.Unsupported",
    errors.OsVersionUnsupported: "InvalidImageOsVersion.Unsupported",
    errors.LicenseTypeInvalid: "InvalidParameterValue.InvalidLicenseType",
    errors.BootModeInvalid: "InvalidParameterValue.InvalidBootMode",
    errors.HostNameInvalid: "InvalidParameterValue.IllegalHostName",
    errors.InstanceNameTooLong: "InvalidInstanceName.TooLong",
    errors.PasswordInvalid: "InvalidParameterValue.InvalidPassword",
    errors.UserDataInvalid: "InvalidParameterValue.InvalidUserDataFormat",
    errors.MinCountInvalid: "InvalidParameterValue.InvalidParameterMinCount",
    errors.ClientTokenTooLong: "InvalidClientToken.TooLong",
    errors.ClientTokenReused: "InvalidParameterValue.Duplicate",
    errors.DiskTooSmall: "InvalidParameterValue.Range",
    errors.KeyNameEmpty: "InvalidKeyPairNameEmpty",
    errors.KeyNameTooLong: "InvalidKeyPairNameTooLong",
    errors.KeyNameIllegal: "InvalidKeyPairNameIncludeIllegalChar",
    errors.PublicKeyMalformed: "InvalidPublicKey.Malformed",
    errors.ProjectNotFound: "InvalidProjectId.NotFound",
    errors.SnapshotIdMalformed: "InvalidParameterValue.SnapshotIdMalformed",
    errors.DiskInOtherZone: "ResourceUnavailable.ZoneNotMatch",
    errors.SnapshotOfOtherDisk: "InvalidParameterValue",
    errors.DisksOfSeveralInstances: "InvalidParameter",
    errors.SnapshotLargerThanDisk: "FailedOperation.SnapshotSizeLargerThanDataSize",
    errors.ArchitectureMismatch: "InvalidParameterValue.InvalidImageForGivenInstanceType",
    errors.TimeInvalid: "InvalidParameterValue.InvalidTimeFormat",
    errors.DiskIsSystemDisk: "InvalidParameter.DataDiskIdContainsRootDisk",
    errors.DiskNotOfInstance: "InvalidParameter.DataDiskNotBelongSpecifiedInstance",
    errors.DependsOnInstance: "InvalidParameter.InvalidDependence",
    errors.SystemSnapshotMissing: "InvalidParameter.SystemSnapshotNotFound",
    errors.SystemSnapshotsSeveral: "InvalidParameter.DuplicateSystemSnapshots",
    errors.FileNamePrefixesInvalid: "InvalidParameterValue.InvalidFileNamePrefixList",
    errors.IsoNeedsForce: "InvalidParameterValue.ISOMustImportByForce",
    errors.RoleUnknown: "AuthFailure.CamRoleNameAuthenticateFailed",
    errors.TagsDuplicate: "InvalidParameterValue",
    errors.TagInvalid: "InvalidParameterValue",
    errors.TooManyTags: "LimitExceeded.TagNumPerRequest",
    errors.TaggedResourceInvalid: "InvalidParameterValue.ResourceDescriptionError",
    errors.TaggedResourceNotFound: "InvalidParameterValue.ResourceIdInvalid",
    errors.RoleInvalid: "InvalidParameter.ParamError",
    errors.SessionNameInvalid: "InvalidParameter.ParamError",
    errors.SessionTooLong: "InvalidParameter.OverTimeError",
    errors.RoleNotFound: "ResourceNotFound.RoleNotFound",
    errors.TemporaryKeyNotAllowed: "FailedOperation.TempKeyNotAllowed",
    errors.ImageNotFound: "InvalidImageId.NotFound",
    errors.InstanceNotFound: "InvalidInstanceId.NotFound",
    errors.InstanceTypeNotFound: "InvalidParameterValue.InstanceTypeNotFound",
    errors.KeyNotFound: "InvalidKeyPairId.NotFound",
    errors.AccountNotFound: "InvalidAccountId.NotFound",
    errors.RegionNotFound: "InvalidRegion.NotFound",
    errors.ZoneNotFound: "InvalidZone.MismatchRegion",
    errors.SnapshotNotFound: "InvalidSnapshotId.NotFound",
    errors.DiskNotFound: "InvalidDiskId.NotFound",
    errors.PolicyNotFound: "InvalidAutoSnapshotPolicyId.NotFound",
    errors.SnapshotGroupNotFound: "ResourceNotFound.NotFound",
    errors.ImageSnapshotNotFound: "InvalidParameter.SnapshotNotFound",
    errors.BucketNotFound: "InvalidParameterValue.BucketNotFound",
    errors.FileNotFound: "ResourceNotFound",
    errors.PriceUnknown: "FailedOperation.InquiryPriceFailed",
    errors.UploadNotFound: "ResourceNotFound",
    errors.TaskNotFound: "ResourceNotFound",
    errors.NotImageOwner: "UnauthorizedOperation.ImageNotBelongToAccount",
    errors.ImageIsShared: "UnauthorizedOperation",
    errors.ImageIsPublic: "UnauthorizedOperation",
    errors.RegionUnreachable: "InvalidRegion.Unavailable",
    errors.RegionUnsuitable: "UnsupportedOperation.Region",
    errors.ShareWithSelf: "FailedOperation.AccountIsYourSelf",
    errors.SnapshotUnsuitable: "InvalidSnapshot.NotSupported",
    errors.ByolImageShare: "FailedOperation.BYOLImageShareFailed",
    errors.ImageIsRedHat: "UnsupportedOperation.RedHatImageExportUnsupported",
    errors.ImageIsWindows: "UnsupportedOperation.WindowsImageExportUnsupported",
    errors.ImageTooLargeToExport: "UnsupportedOperation.ImageTooLargeExportUnsupported",
    errors.KeyPairOnWindows: "UnsupportedOperation.KeyPairUnsupportedWindows",
    errors.LicenseTypeStays: "UnsupportedOperation.InvalidImageLicenseTypeForReset",
    errors.OperatorOnly: "UnauthorizedOperation",
    errors.DiskNotPortable: "InvalidDisk.NotPortable",
    errors.DiskUnsuitable: "InvalidDisk.NotSupported",
    errors.AccountInArrears: "InvalidAccount.InsufficientBalance",
    errors.ChargeNotFound: "ResourceNotFound",
    errors.SnapshotUnusable: "InvalidSnapshot.NotSupported",
    errors.InstanceProtected: "UnsupportedOperation.InstancesProtected",
    errors.LostRace: "MutexOperation.TaskRunning",
    errors.TaskRunning: "MutexOperation.TaskRunning",
    errors.TaskNotCancellable: "OperationDenied",
    errors.TaskCancelled: "FailedOperation",
    errors.ImageNameTaken: "InvalidImageName.Duplicate",
    errors.ImageStateForbids: "InvalidImageId.IncorrectState",
    errors.ImageInShared: "InvalidImageId.InShared",
    errors.InstanceStateForbids: "UnsupportedOperation",
    errors.ReinstallFailed: "UnsupportedOperation.InstanceReinstallFailed",
    errors.KeyNameTaken: "InvalidKeyPairName.Duplicate",
    errors.PublicKeyTaken: "InvalidPublicKey.Duplicate",
    errors.KeyInUse: "InvalidParameterValue.KeyPairNotSupported",
    errors.AccountNameTaken: "ResourceInUse",
    errors.SnapshotHasImages: "UnsupportedOperation.SnapshotHasBindedImage",
    errors.DiskIsBound: "InvalidDisk.AlreadyBound",
    errors.SnapshotCopied: "ResourceInUse.CopySnapshotConflict",
    errors.SnapshotInShared: "UnsupportedOperation.SnapHasShared",
    errors.SnapshotUnfinished: "ResourceUnavailable.SnapshotCreating",
    errors.SnapshotUnderWay: "InvalidDisk.SnapshotCreating",
    errors.DiskBusy: "InvalidDisk.Busy",
    errors.DiskIsAttached: "ResourceUnavailable.Attached",
    errors.DiskNotAttached: "ResourceUnavailable.NotSupported",
    errors.DiskSnapshotGone: "ResourceUnavailable.NotSupported",
    errors.DiskRollingBack: "ResourceInUse.DiskRollbacking",
    errors.InstanceNotStopped: "UnsupportedOperation.InstanceNotStopped",
    errors.UploadIncomplete: "ResourceUnavailable",
    errors.ImageQuotaExceeded: "ImageQuotaLimitExceeded",
    errors.PolicyQuotaExceeded: "LimitExceeded.AutoSnapshotPolicyOutOfQuota",
    errors.ShareQuotaExceeded: "OverQuota",
    errors.SnapshotQuotaExceeded: "InsufficientSnapshotQuota",
    errors.ExportsExceeded: "LimitExceeded.ExportImageTaskLimitExceeded",
    errors.KeyQuotaExceeded: "InvalidKeyPair.LimitExceeded",
    errors.DiskQuotaExceeded: "ResourceInsufficient",
    errors.DisksOfInstanceExceeded: "LimitExceeded.InstanceAttachedDisk",
    errors.CapacityExhausted: "ResourceInsufficient",
    errors.ZoneSoldOut: "ResourceInsufficient.AvailabilityZoneSoldOut",
    errors.DiskSpaceExhausted: "ResourceInsufficient",
    errors.VpcIdMalformed: "InvalidParameterValue.Malformed",
    errors.SubnetIdMalformed: "InvalidParameterValue.Malformed",
    errors.GroupIdMalformed: "InvalidParameterValue.Malformed",
    errors.CidrMalformed: "InvalidParameterValue.Malformed",
    errors.CidrNotPrivate: "InvalidParameterValue",
    errors.SubnetOutsideVpc: "InvalidParameterValue.SubnetRange",
    errors.PortsMalformed: "InvalidParameterValue.Malformed",
    errors.AddressMalformed: "InvalidParameterValue.IPAddressMalformed",
    errors.AddressOutsidePool: "VpcAddrNotInSubNet",
    errors.SubnetOfOtherVpc: "InvalidParameterValue.VpcIdSubnetIdNotMatch",
    errors.SubnetInOtherZone: "InvalidParameterValue.SubnetIdZoneIdNotMatch",
    errors.PublicAddressWithoutBandwidth: "InvalidParameterCombination",
    errors.RuleUnknown: "ResourceNotFound",
    errors.VpcNotFound: "ResourceNotFound",
    errors.SubnetNotFound: "ResourceNotFound",
    errors.GroupNotFound: "ResourceNotFound",
    errors.DefaultNetworkStays: "UnsupportedOperation",
    errors.LastGroupStays: "UnsupportedOperation",
    errors.NetworkInUse: "ResourceInUse",
    errors.SubnetsOverlap: "InvalidParameterValue.SubnetConflict",
    errors.AddressTaken: "VpcIpIsUsed",
    errors.RuleRepeated: "UnsupportedOperation.DuplicatePolicy",
    errors.RulesOutdated: "UnsupportedOperation.VersionMismatch",
    errors.NetworkQuotaExceeded: "LimitExceeded",
    errors.RuleQuotaExceeded: "LimitExceeded",
    errors.GroupsOfInstanceExceeded: "LimitExceeded.AssociateUSGLimitExceeded",
    errors.SubnetFull: "FailedOperation.NoAvailableIpAddressCountInSubnet",
}


@dataclass(frozen=True, slots=True)
class Codes:
    """The errors that an action may raise, each with its code; and the instance states that have a code of their own."""

    by_kind: Mapping[type[Refusal], str] = field(default_factory=dict)
    states: frozenset[InstanceState] = frozenset()

    def failure(self, refusal: Refusal) -> Failure:
        """Return what the wire says of a refusal."""
        return Failure(self._code(refusal), str(refusal))

    def declares(self, refusal: Refusal) -> bool:
        """Tell whether the action lists this error."""
        return type(refusal) in self.by_kind

    def every(self) -> frozenset[str]:
        """Return every code that the action may answer by itself."""
        return frozenset(self.by_kind.values()) | {_state_code(state) for state in self.states}

    def _code(self, refusal: Refusal) -> str:
        if isinstance(refusal, errors.InstanceStateForbids) and refusal.state in self.states:
            return _state_code(InstanceState(refusal.state))
        declared = self.by_kind.get(type(refusal))
        if declared is not None:
            return declared
        usual = USUAL_CODES.get(type(refusal), "FailedOperation")
        family = usual.split(".", maxsplit=1)[0]
        return usual if usual in COMMON_CODES else family if family in COMMON_CODES else "FailedOperation"


def codes(
    *kinds: type[Refusal], special: Mapping[type[Refusal], str] | None = None, states: Iterable[InstanceState] = ()
) -> Codes:
    """Return the codes of an action: the usual one of each kind, save those in `special`."""
    return Codes({kind: USUAL_CODES[kind] for kind in kinds} | dict(special or {}), frozenset(states))


def _state_code(state: InstanceState) -> str:
    return _STATE_PREFIX + "".join(part.capitalize() for part in state.split("_"))
