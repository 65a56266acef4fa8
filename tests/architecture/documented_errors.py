"""The error codes that are documented for each action of CVM. Source: the API reference of each action, as of 2026."""

DOCUMENTED: dict[str, str] = {
    "DescribeRegions": """
        UnsupportedOperation
    """,
    "DescribeZones": """
        InvalidFilter InvalidParameterValue.LimitExceeded InvalidParameterValue.ZoneNotSupported UnsupportedOperation
    """,
    "DescribeImages": """
        FailedOperation.IllegalTagKey InvalidFilter InvalidFilterValue.LimitExceeded InvalidImageId.Malformed
        InvalidInstanceType.Malformed InvalidParameter.InvalidParameterCoexistImageIdsFilters
        InvalidParameterValue.InstanceTypeNotFound InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.InvalidParameterValueLimit InvalidParameterValue.LimitExceeded
        InvalidParameterValue.TagKeyNotFound InvalidParameterValue.ZoneNotSupported InvalidRegion.NotFound
        InvalidZone.MismatchRegion ResourcesSoldOut.SpecifiedInstanceType UnauthorizedOperation.InvalidToken
        UnauthorizedOperation.PermissionDenied UnsupportedOperation
    """,
    "ImportImage": """
        ImageQuotaLimitExceeded InvalidImageName.Duplicate InvalidImageOsType.Unsupported
        InvalidImageOsVersion.Unsupported InvalidParameter.InvalidParameterUrlError
        InvalidParameterValue.ISOMustImportByForce InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.InvalidBootMode InvalidParameterValue.InvalidImageFamily
        InvalidParameterValue.InvalidLicenseType InvalidParameterValue.TagKeyNotFound InvalidParameterValue.TooLarge
        OperationDenied.InnerUserProhibitAction RegionAbilityLimit.UnsupportedToImportImage
    """,
    "SyncImages": """
        FailedOperation.InvalidImageState ImageQuotaLimitExceeded InvalidImageId.IncorrectState InvalidImageId.Malformed
        InvalidImageId.NotFound InvalidImageId.TooLarge InvalidImageName.Duplicate InvalidParameter.InstanceImageNotSupport
        InvalidParameter.InvalidKmsKeyId InvalidParameterValue.InvalidImageId InvalidParameterValue.InvalidImageState
        InvalidParameterValue.InvalidRegion InvalidParameterValue.LimitExceeded InvalidRegion.NotFound
        InvalidRegion.Unavailable UnsupportedOperation.EncryptedImagesNotSupported
        UnsupportedOperation.LocationImageNotSupported UnsupportedOperation.Region
        UnsupportedOperation.SyncEncryptImageNotSupport
    """,
    "DescribeImportImageOs": """
        FailedOperation.IllegalTagKey InvalidFilter InvalidFilterValue.LimitExceeded InvalidImageId.Malformed
        InvalidInstanceType.Malformed InvalidParameter.InvalidParameterCoexistImageIdsFilters
        InvalidParameterValue.InstanceTypeNotFound InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.InvalidParameterValueLimit InvalidParameterValue.LimitExceeded
        InvalidParameterValue.TagKeyNotFound InvalidParameterValue.ZoneNotSupported InvalidRegion.NotFound
        InvalidZone.MismatchRegion ResourcesSoldOut.SpecifiedInstanceType UnauthorizedOperation.InvalidToken
        UnauthorizedOperation.PermissionDenied UnsupportedOperation
    """,
    "CreateImage": """
        ImageQuotaLimitExceeded InvalidAccount.InsufficientBalance InvalidImageName.Duplicate
        InvalidInstance.NotSupported InvalidInstanceId.NotFound InvalidParameter.DataDiskIdContainsRootDisk
        InvalidParameter.DataDiskNotBelongSpecifiedInstance InvalidParameter.DuplicateSystemSnapshots
        InvalidParameter.InstanceImageNotSupport InvalidParameter.InvalidDependence
        InvalidParameter.LocalDataDiskNotSupport InvalidParameter.SnapshotNotFound InvalidParameter.SpecifyOneParameter
        InvalidParameter.SwapDiskNotSupport InvalidParameter.SystemSnapshotNotFound InvalidParameter.ValueTooLarge
        InvalidParameterConflict InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.InvalidImageFamily
        InvalidParameterValue.LimitExceeded InvalidParameterValue.PreheatNotSupportedInstanceType
        InvalidParameterValue.PreheatNotSupportedZone InvalidParameterValue.PreheatUnavailableZones
        InvalidParameterValue.TagKeyNotFound InvalidParameterValue.TagQuotaLimitExceeded InvalidParameterValue.TooLarge
        InvalidZone.MismatchRegion LimitExceeded.PreheatImageSnapshotOutOfQuota MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress ResourceInUse ResourceInUse.DiskRollbacking
        ResourceInsufficient.CloudDiskUnavailable ResourceUnavailable.SnapshotCreating
        UnsupportedOperation.EncryptedImagesNotSupported UnsupportedOperation.InstanceReinstallFailed
        UnsupportedOperation.InstanceStateEnterRescueMode UnsupportedOperation.InstanceStateEnterServiceLiveMigrate
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateServiceLiveMigrate UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateTerminating
        UnsupportedOperation.InvalidDiskFastRollback UnsupportedOperation.NotSupportInstanceImage
        UnsupportedOperation.PreheatImage UnsupportedOperation.SpecialInstanceType
        UnsupportedOperation.StoppedModeStopCharging
    """,
    "ModifyImageAttribute": """
        InvalidImageId.IncorrectState InvalidImageId.Malformed InvalidImageId.NotFound InvalidImageName.Duplicate
        InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.InvalidImageFamily InvalidParameterValue.TooLarge
        UnauthorizedOperation.InvalidToken UnsupportedOperation.SharedImageModifyUnsupported
    """,
    "DeleteImages": """
        InvalidImageId.InShared InvalidImageId.IncorrectState InvalidImageId.Malformed InvalidImageId.NotFound
        InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.InvalidImageId
        InvalidParameterValue.InvalidImageIdIsShared InvalidParameterValue.LimitExceeded MutexOperation.TaskRunning
    """,
    "ModifyImageSharePermission": """
        FailedOperation.AccountAlreadyExists FailedOperation.AccountIsYourSelf FailedOperation.BYOLImageShareFailed
        FailedOperation.NotMasterAccount FailedOperation.QImageShareFailed FailedOperation.RImageShareFailed
        InvalidAccountId.NotFound InvalidAccountIs.YourSelf InvalidImageId.Malformed InvalidImageId.NotFound
        InvalidParameter.InstanceImageNotSupport InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.InvalidImageId InvalidParameterValue.InvalidImageState InvalidParameterValue.LimitExceeded
        OverQuota UnauthorizedOperation.ImageNotBelongToAccount UnauthorizedOperation.InvalidToken
        UnsupportedOperation.EncryptedImagesNotSupported UnsupportedOperation.LocationImageNotSupported
    """,
    "DescribeImageSharePermission": """
        InvalidAccountId.NotFound InvalidAccountIs.YourSelf InvalidImageId.Malformed InvalidImageId.NotFound
        InvalidParameterValue.InvalidAppIdFormat OverQuota UnauthorizedOperation.ImageNotBelongToAccount
    """,
    "DescribeImageQuota": """
        InvalidZone.MismatchRegion UnsupportedOperation.InvalidZone
    """,
    "DescribeImageFromFamily": """
        InvalidZone.MismatchRegion UnsupportedOperation.InvalidZone
    """,
    "ExportImages": """
        AuthFailure.CamRoleNameAuthenticateFailed InvalidImageId.Malformed InvalidImageId.NotFound
        InvalidParameter.ImageIdsSnapshotIdsMustOne InvalidParameter.SnapshotNotFound
        InvalidParameterValue.BucketNotFound InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.InvalidBucketPermissionForExport InvalidParameterValue.InvalidFileNamePrefixList
        InvalidParameterValue.InvalidImageId InvalidParameterValue.InvalidImageOsName
        InvalidParameterValue.InvalidImageState InvalidParameterValue.LimitExceeded
        InvalidParameterValue.MissingLocationCosEndpoint InvalidParameterValue.TooLarge
        LimitExceeded.ExportImageTaskLimitExceeded UnsupportedOperation.EncryptedImagesNotSupported
        UnsupportedOperation.ImageTooLargeExportUnsupported UnsupportedOperation.MarketImageExportUnsupported
        UnsupportedOperation.PublicImageExportUnsupported UnsupportedOperation.RedHatImageExportUnsupported
        UnsupportedOperation.SharedImageExportUnsupported UnsupportedOperation.WindowsImageExportUnsupported
    """,
    "RunInstances": """
        AccountQualificationRestrictions AuthFailure.CamRoleNameAuthenticateFailed
        FailedOperation.DisasterRecoverGroupNotFound FailedOperation.IllegalTagKey FailedOperation.IllegalTagValue
        FailedOperation.InquiryPriceFailed FailedOperation.NoAvailableIpAddressCountInSubnet
        FailedOperation.PromotionalRegionRestriction FailedOperation.SecurityGroupActionFailed
        FailedOperation.SnapshotSizeLargerThanDataSize FailedOperation.SnapshotSizeLessThanDataSize
        FailedOperation.TagKeyReserved InstancesQuotaLimitExceeded InternalError.TradeUnknownError
        InvalidAccount.InsufficientBalance InvalidClientToken.TooLong InvalidHostId.Malformed InvalidHostId.NotFound
        InvalidImageId.Malformed InvalidImageId.NotFound InvalidInstance.NotSupported InvalidInstanceName.TooLong
        InvalidInstanceType.Malformed InvalidKeyPairId.Malformed InvalidParameter.CdcNotSupported
        InvalidParameter.EdgeZoneMissInternetAccessible InvalidParameter.HostIdCustomizedInstanceTypeNotSupport
        InvalidParameter.HostIdInstanceTypeNotSupport InvalidParameter.HostIdStandardInstanceTypeNotSupport
        InvalidParameter.HostIdStatusNotSupport InvalidParameter.InstanceImageNotSupport
        InvalidParameter.InstanceTypeSupportedHostNotFound InvalidParameter.InternetAccessibleNotSupported
        InvalidParameter.InvalidIpFormat InvalidParameter.LackCoreCountOrThreadPerCore
        InvalidParameter.OnlySupportForEdgeZone InvalidParameter.ParameterConflict InvalidParameter.SnapshotNotFound
        InvalidParameter.SpecialParameterForSpecialAccount InvalidParameterCombination InvalidParameterValue
        InvalidParameterValue.BandwidthPackageIdMalformed InvalidParameterValue.BandwidthPackageIdNotFound
        InvalidParameterValue.BandwidthPackageIspNotMatch InvalidParameterValue.BandwidthPackageZoneNotMatch
        InvalidParameterValue.CamRoleNameMalformed InvalidParameterValue.ChcHostsNotFound
        InvalidParameterValue.CloudSsdDataDiskSizeTooSmall InvalidParameterValue.CoreCountValue
        InvalidParameterValue.DedicatedClusterNotSupportedChargeType
        InvalidParameterValue.DedicatedResourcePackIdsNotFound InvalidParameterValue.DedicatedResourcePackNotValid
        InvalidParameterValue.DedicatedResourcePackTenancyMismatch InvalidParameterValue.Duplicate
        InvalidParameterValue.DuplicateTags InvalidParameterValue.ElasticNetworkNotExist
        InvalidParameterValue.ElasticNetworkVpcSubnetMismatch InvalidParameterValue.ExternalIpQuotaLimited
        InvalidParameterValue.HpcClusterIdZoneIdNotMatch InvalidParameterValue.IPAddressMalformed
        InvalidParameterValue.IllegalHostName InvalidParameterValue.IncorrectFormat
        InvalidParameterValue.InstanceTypeNotFound InvalidParameterValue.InstanceTypeNotSupportElasticNetworks
        InvalidParameterValue.InstanceTypeNotSupportHpcCluster InvalidParameterValue.InstanceTypeRequiredHpcCluster
        InvalidParameterValue.InsufficientOffering InvalidParameterValue.InsufficientPrice
        InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.InvalidImageForGivenInstanceType
        InvalidParameterValue.InvalidImageFormat InvalidParameterValue.InvalidImageId
        InvalidParameterValue.InvalidImageOsName InvalidParameterValue.InvalidImageState
        InvalidParameterValue.InvalidInstanceTypePeriodicContract InvalidParameterValue.InvalidIpFormat
        InvalidParameterValue.InvalidNetworkInterfaceId InvalidParameterValue.InvalidParameterMinCount
        InvalidParameterValue.InvalidPassword InvalidParameterValue.InvalidTimeFormat
        InvalidParameterValue.InvalidUserDataFormat InvalidParameterValue.InvalidVpcIdSubnetIdNotFound
        InvalidParameterValue.IspNotSupportForEdgeZone InvalidParameterValue.IspValueRepeated
        InvalidParameterValue.KeyPairNotFound InvalidParameterValue.LaunchTemplateIdMalformed
        InvalidParameterValue.LaunchTemplateIdNotExisted InvalidParameterValue.LaunchTemplateNotFound
        InvalidParameterValue.LaunchTemplateVersion InvalidParameterValue.LimitExceeded
        InvalidParameterValue.MustDhcpEnabledVpc InvalidParameterValue.MustEnabledIsRdma
        InvalidParameterValue.NotCdcSubnet InvalidParameterValue.Range InvalidParameterValue.SnapshotIdMalformed
        InvalidParameterValue.SubnetIdMalformed InvalidParameterValue.SubnetIdZoneIdNotMatch
        InvalidParameterValue.SubnetNotExist InvalidParameterValue.TagKeyNotFound
        InvalidParameterValue.TagQuotaLimitExceeded InvalidParameterValue.ThreadPerCoreValue
        InvalidParameterValue.TooLarge InvalidParameterValue.VpcIdMalformed InvalidParameterValue.VpcIdNotExist
        InvalidParameterValue.VpcIdSubnetIdNotMatch InvalidParameterValue.VpcIdZoneIdNotMatch
        InvalidParameterValue.VpcNotSupportIpv6Address InvalidParameterValue.ZoneNotSupported InvalidPassword
        InvalidPeriod InvalidPermission InvalidProjectId.NotFound InvalidSecurityGroupId.NotFound
        InvalidZone.MismatchRegion LimitExceeded.CvmInstanceQuota LimitExceeded.CvmsVifsPerSecGroupLimitExceeded
        LimitExceeded.DisasterRecoverGroup LimitExceeded.IPv6AddressNum LimitExceeded.InstanceEniNumLimit
        LimitExceeded.InstanceQuota LimitExceeded.PrepayQuota LimitExceeded.PrepayUnderwriteQuota
        LimitExceeded.SingleUSGQuota LimitExceeded.SpotQuota LimitExceeded.UserSpotQuota LimitExceeded.VpcSubnetNum
        MissingParameter MissingParameter.DPDKInstanceTypeRequiredVPC MissingParameter.MonitorService
        OperationDenied.AccountNotSupported OperationDenied.ChcInstallCloudImageWithoutDeployNetwork
        OperationDenied.NotBandwidthShiftUpUserApplyEdgeZoneEip ResourceInsufficient.AvailabilityZoneSoldOut
        ResourceInsufficient.CidrBlock ResourceInsufficient.CloudDiskSoldOut ResourceInsufficient.CloudDiskUnavailable
        ResourceInsufficient.DisasterRecoverGroupCvmQuota ResourceInsufficient.InsufficientOfferingMinimum
        ResourceInsufficient.SpecifiedInstanceType ResourceNotFound.HpcCluster ResourceNotFound.KeyPairNotFound
        ResourceNotFound.NoDefaultCbs ResourceNotFound.NoDefaultCbsWithReason ResourceUnavailable.InstanceType
        ResourcesSoldOut.EipInsufficient ResourcesSoldOut.SpecifiedInstanceType UnauthorizedOperation.InvalidToken
        UnsupportedOperation UnsupportedOperation.BandwidthPackageIdNotSupported
        UnsupportedOperation.HibernationOsVersion UnsupportedOperation.InstanceStateIsolating
        UnsupportedOperation.InstanceTypeNotSupportConfidentiality
        UnsupportedOperation.InstanceTypeNotSupportGridLicence UnsupportedOperation.InstanceTypeNotSupportJumboFrame
        UnsupportedOperation.InstancesEnableJumboWithoutReboot UnsupportedOperation.InvalidDisk
        UnsupportedOperation.InvalidRegionDiskEncrypt UnsupportedOperation.KeyPairUnsupportedWindows
        UnsupportedOperation.MinCountUnsupportedChargeType UnsupportedOperation.MinCountUnsupportedRegion
        UnsupportedOperation.NoInstanceTypeSupportSpot UnsupportedOperation.NotSupportImportInstancesActionTimer
        UnsupportedOperation.OnlyForPrepaidAccount UnsupportedOperation.PeriodicContractNotSupportManualRenew
        UnsupportedOperation.RawLocalDiskInsReinstalltoQcow2 UnsupportedOperation.SpotUnsupportedRegion
        UnsupportedOperation.UnderwritingInstanceTypeOnlySupportAutoRenew
        UnsupportedOperation.UnsupportedInternationalUser VpcAddrNotInSubNet VpcIpIsUsed
    """,
    "DescribeInstances": """
        FailedOperation.IllegalTagKey FailedOperation.IllegalTagValue FailedOperation.TagKeyReserved InternalServerError
        InvalidFilter InvalidFilterValue.LimitExceeded InvalidHostId.Malformed InvalidInstanceId.Malformed
        InvalidParameter InvalidParameterValue InvalidParameterValue.IPAddressMalformed
        InvalidParameterValue.IPv6AddressMalformed InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.InvalidIpFormat
        InvalidParameterValue.InvalidTimeFormat InvalidParameterValue.InvalidVagueName
        InvalidParameterValue.LimitExceeded InvalidParameterValue.SubnetIdMalformed InvalidParameterValue.TagKeyNotFound
        InvalidParameterValue.UuidMalformed InvalidParameterValue.VpcIdMalformed InvalidSecurityGroupId.NotFound
        InvalidSgId.Malformed InvalidZone.MismatchRegion ResourceNotFound.HpcCluster UnauthorizedOperation.InvalidToken
        UnsupportedOperation
    """,
    "DescribeInstancesStatus": """
        InternalServerError InvalidFilter InvalidInstanceId.Malformed InvalidParameterValue
        InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.LimitExceeded UnauthorizedOperation.InvalidToken
        UnsupportedOperation
    """,
    "StartInstances": """
        InternalServerError InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterValue InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.LimitExceeded
        InvalidParameterValue.ZoneNotSupported MissingParameter MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress UnsupportedOperation.InstanceReinstallFailed
        UnsupportedOperation.InstanceStateCorrupted UnsupportedOperation.InstanceStateEnterRescueMode
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateRunning UnsupportedOperation.InstanceStateServiceLiveMigrate
        UnsupportedOperation.InstanceStateShutdown UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopped UnsupportedOperation.InstanceStateStopping
        UnsupportedOperation.InstanceStateTerminated UnsupportedOperation.InstanceStateTerminating
    """,
    "StopInstances": """
        InternalServerError InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterCombination InvalidParameterValue InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.LimitExceeded InvalidParameterValue.ZoneNotSupported MissingParameter
        MutexOperation.TaskRunning OperationDenied.InstanceOperationInProgress UnauthorizedOperation.MFAExpired
        UnauthorizedOperation.MFANotFound UnsupportedOperation.HibernationForNormalInstance
        UnsupportedOperation.InstanceReinstallFailed UnsupportedOperation.InstanceStateBanning
        UnsupportedOperation.InstanceStateCorrupted UnsupportedOperation.InstanceStateEnterRescueMode
        UnsupportedOperation.InstanceStateEnterServiceLiveMigrate UnsupportedOperation.InstanceStateExitRescueMode
        UnsupportedOperation.InstanceStateExitServiceLiveMigrate UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateServiceLiveMigrate UnsupportedOperation.InstanceStateShutdown
        UnsupportedOperation.InstanceStateStarting UnsupportedOperation.InstanceStateStopped
        UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateTerminated
        UnsupportedOperation.InstanceStateTerminating UnsupportedOperation.StoppedModeStopCharging
    """,
    "TerminateInstances": """
        FailedOperation.InvalidInstanceApplicationRole FailedOperation.InvalidInstanceApplicationRoleEmr
        FailedOperation.Unreturnable InternalError.TradeUnknownError InternalServerError InvalidAccount.UnpaidOrder
        InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidInstanceNotSupportedPrepaidInstance InvalidParameterValue InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.LimitExceeded InvalidParameterValue.NotSupported
        LimitExceeded.UserReturnQuota MissingParameter MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress UnauthorizedOperation.InvalidToken UnauthorizedOperation.MFAExpired
        UnauthorizedOperation.MFANotFound UnsupportedOperation UnsupportedOperation.InstanceChargeType
        UnsupportedOperation.InstanceMixedPricingModel UnsupportedOperation.InstanceStateBanning
        UnsupportedOperation.InstanceStateEnterRescueMode UnsupportedOperation.InstanceStateEnterServiceLiveMigrate
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateExitServiceLiveMigrate
        UnsupportedOperation.InstanceStateFreezing UnsupportedOperation.InstanceStateIsolating
        UnsupportedOperation.InstanceStateLaunchFailed UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateTerminated
        UnsupportedOperation.InstanceStateTerminating UnsupportedOperation.InstancesProtected
        UnsupportedOperation.InvalidInstancesOwner UnsupportedOperation.RedHatInstanceTerminateUnsupported
        UnsupportedOperation.RedHatInstanceUnsupported UnsupportedOperation.Region
        UnsupportedOperation.SpecialInstanceType UnsupportedOperation.UserLimitOperationExceedQuota
    """,
    "DescribeInstanceVncUrl": """
        InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound InvalidInstanceState
        InvalidParameterValue.InstanceIdMalformed OperationDenied.InstanceOperationInProgress
        UnauthorizedOperation.InvalidToken UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound
        UnsupportedOperation.InstanceReinstallFailed UnsupportedOperation.InstanceStateBanning
        UnsupportedOperation.InstanceStateEnterRescueMode UnsupportedOperation.InstanceStateEnterServiceLiveMigrate
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateExitServiceLiveMigrate
        UnsupportedOperation.InstanceStatePending UnsupportedOperation.InstanceStateRebooting
        UnsupportedOperation.InstanceStateShutdown UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopped UnsupportedOperation.InstanceStateStopping
        UnsupportedOperation.InstanceStateTerminated UnsupportedOperation.InstanceStateTerminating
        UnsupportedOperation.SpecialInstanceType UnsupportedOperation.StoppedModeStopCharging
    """,
    "InquiryPriceRunInstances": """
        AccountQualificationRestrictions AuthFailure.CamRoleNameAuthenticateFailed
        FailedOperation.DisasterRecoverGroupNotFound FailedOperation.IllegalTagKey FailedOperation.IllegalTagValue
        FailedOperation.InquiryPriceFailed FailedOperation.SnapshotSizeLargerThanDataSize
        FailedOperation.TagKeyReserved FailedOperation.TatAgentNotSupport InstancesQuotaLimitExceeded
        InternalError.TradeUnknownError InvalidClientToken.TooLong InvalidHostId.Malformed InvalidHostId.NotFound
        InvalidImageId.Malformed InvalidImageId.NotFound InvalidInstanceName.TooLong InvalidInstanceType.Malformed
        InvalidParameter.InstanceImageNotSupport InvalidParameter.InternetAccessibleNotSupported
        InvalidParameter.SnapshotNotFound InvalidParameterCombination InvalidParameterValue
        InvalidParameterValue.BandwidthPackageIdMalformed InvalidParameterValue.BandwidthPackageIdNotFound
        InvalidParameterValue.CloudSsdDataDiskSizeTooSmall InvalidParameterValue.DuplicateTags
        InvalidParameterValue.InstanceTypeNotFound InvalidParameterValue.InstanceTypeNotSupportHpcCluster
        InvalidParameterValue.InstanceTypeRequiredHpcCluster InvalidParameterValue.InsufficientPrice
        InvalidParameterValue.InvalidAppIdFormat InvalidParameterValue.InvalidImageFormat
        InvalidParameterValue.InvalidImageId InvalidParameterValue.InvalidImageOsName
        InvalidParameterValue.InvalidImageState InvalidParameterValue.InvalidTimeFormat
        InvalidParameterValue.InvalidUserDataFormat InvalidParameterValue.LimitExceeded InvalidParameterValue.Range
        InvalidParameterValue.RequiredLocationImage InvalidParameterValue.SnapshotIdMalformed
        InvalidParameterValue.TagKeyNotFound InvalidParameterValue.TagQuotaLimitExceeded
        InvalidParameterValue.ZoneNotSupported InvalidPassword InvalidPeriod InvalidPermission
        InvalidProjectId.NotFound InvalidZone.MismatchRegion LimitExceeded.DisasterRecoverGroup
        LimitExceeded.InstanceEniNumLimit MissingParameter MissingParameter.MonitorService
        ResourceInsufficient.CloudDiskUnavailable ResourceInsufficient.DisasterRecoverGroupCvmQuota
        ResourceNotFound.HpcCluster ResourceNotFound.NoDefaultCbs ResourceNotFound.NoDefaultCbsWithReason
        ResourceUnavailable.InstanceType ResourcesSoldOut.SpecifiedInstanceType
        UnsupportedOperation.BandwidthPackageIdNotSupported UnsupportedOperation.InvalidDisk
        UnsupportedOperation.InvalidRegionDiskEncrypt UnsupportedOperation.NoInstanceTypeSupportSpot
        UnsupportedOperation.NotSupportImportInstancesActionTimer UnsupportedOperation.OnlyForPrepaidAccount
        UnsupportedOperation.SpotUnsupportedRegion UnsupportedOperation.UnderwritingInstanceTypeOnlySupportAutoRenew
        UnsupportedOperation.UnsupportedInternationalUser
    """,
    "InquiryPriceResetInstance": """
        FailedOperation.InquiryPriceFailed InternalError.TradeUnknownError InternalServerError
        InvalidImageId.Malformed InvalidImageId.NotFound InvalidInstance.NotSupported InvalidInstanceId.Malformed
        InvalidInstanceId.NotFound InvalidParameterValue InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.InstanceTypeNotFound InvalidParameterValue.InvalidImageId
        InvalidParameterValue.InvalidImageIdForRetsetInstance InvalidParameterValue.InvalidImageOsName
        InvalidParameterValue.ZoneNotSupported MissingParameter MissingParameter.MonitorService
        ResourceInsufficient.CloudDiskUnavailable ResourcesSoldOut.SpecifiedInstanceType
        UnsupportedOperation.InvalidImageLicenseTypeForReset UnsupportedOperation.ModifyEncryptionNotSupported
        UnsupportedOperation.RawLocalDiskInsReinstalltoQcow2
    """,
    "DescribeAccountQuota": """
        InvalidFilter InvalidFilterValue.LimitExceeded InvalidParameterValue.Range InvalidZone.MismatchRegion
        UnsupportedOperation
    """,
    "CreateKeyPair": """
        FailedOperation.TagKeyReserved InternalServerError InvalidKeyPair.LimitExceeded InvalidKeyPairName.Duplicate
        InvalidKeyPairNameEmpty InvalidKeyPairNameIncludeIllegalChar InvalidKeyPairNameTooLong InvalidParameterValue
        InvalidProjectId.NotFound LimitExceeded.TagResourceQuota MissingParameter
    """,
    "ImportKeyPair": """
        InternalServerError InvalidKeyPair.LimitExceeded InvalidKeyPairName.Duplicate InvalidKeyPairNameEmpty
        InvalidKeyPairNameIncludeIllegalChar InvalidKeyPairNameTooLong InvalidParameterValue InvalidProjectId.NotFound
        InvalidPublicKey.Duplicate InvalidPublicKey.Malformed LimitExceeded.TagResourceQuota MissingParameter
    """,
    "DescribeKeyPairs": """
        InternalServerError InvalidFilter InvalidFilterValue.LimitExceeded InvalidKeyPair.LimitExceeded
        InvalidKeyPairId.Malformed InvalidParameter InvalidParameterValue InvalidParameterValue.LimitExceeded
        InvalidParameterValueLimit InvalidParameterValueOffset UnauthorizedOperation.InvalidToken UnsupportedOperation
    """,
    "DeleteKeyPairs": """
        InternalServerError InvalidKeyPair.LimitExceeded InvalidKeyPairId.Malformed InvalidKeyPairId.NotFound
        InvalidParameterValue InvalidParameterValue.KeyPairNotSupported InvalidParameterValue.LimitExceeded
        MissingParameter
    """,
    "RebootInstances": """
        InternalServerError InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterCombination InvalidParameterValue InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.LimitExceeded MissingParameter MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound
        UnsupportedOperation UnsupportedOperation.InstanceStateCorrupted
        UnsupportedOperation.InstanceStateEnterRescueMode UnsupportedOperation.InstanceStateEnterServiceLiveMigrate
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateServiceLiveMigrate
        UnsupportedOperation.InstanceStateShutdown UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopped UnsupportedOperation.InstanceStateStopping
        UnsupportedOperation.InstanceStateTerminating UnsupportedOperation.StoppedModeStopCharging
    """,
    "DescribeInstanceTypeConfigs": """
        InternalServerError InvalidFilter InvalidFilterValue.LimitExceeded InvalidInstanceType.Malformed
        InvalidParameterValue InvalidZone.MismatchRegion
    """,
    "DescribeZoneInstanceConfigInfos": """
        InvalidFilter InvalidFilterValue.LimitExceeded InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidInstanceType.Malformed InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.LimitExceeded InvalidParameterValue.ZoneNotSupported InvalidRegion.NotFound
        InvalidZone.MismatchRegion ResourceInsufficient.AvailabilityZoneSoldOut UnsupportedOperation
    """,
    "ResetInstance": """
        FailedOperation.InvalidInstanceApplicationRoleEmr InternalError.TradeUnknownError InternalServerError
        InvalidAccount.InsufficientBalance InvalidAccount.UnpaidOrder InvalidImageId.Malformed InvalidImageId.NotFound
        InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidInstanceType.Malformed InvalidKeyPairId.Malformed InvalidParameter.HostNameIllegal
        InvalidParameter.InstanceImageNotSupport InvalidParameter.ParameterConflict InvalidParameterValue
        InvalidParameterValue.IllegalHostName InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.InstanceTypeNotFound InvalidParameterValue.InvalidAppIdFormat
        InvalidParameterValue.InvalidImageForGivenInstanceType InvalidParameterValue.InvalidImageFormat
        InvalidParameterValue.InvalidImageId InvalidParameterValue.InvalidImageIdForRetsetInstance
        InvalidParameterValue.InvalidImageState InvalidParameterValue.InvalidPassword
        InvalidParameterValue.InvalidUserDataFormat InvalidParameterValue.KeyPairNotFound
        InvalidParameterValue.LimitExceeded InvalidParameterValue.RequiredLocationImage
        InvalidParameterValue.ZoneNotSupported MissingParameter MissingParameter.MonitorService
        MutexOperation.TaskRunning OperationDenied.ChcInstallCloudImageWithoutDeployNetwork
        OperationDenied.InstanceOperationInProgress ResourceInUse ResourceInsufficient.CloudDiskSoldOut
        ResourceNotFound.KeyPairNotFound ResourcesSoldOut.SpecifiedInstanceType UnauthorizedOperation.InvalidToken
        UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound UnsupportedOperation
        UnsupportedOperation.InstanceChargeType UnsupportedOperation.InstanceStateCorrupted
        UnsupportedOperation.InstanceStateEnterRescueMode UnsupportedOperation.InstanceStateEnterServiceLiveMigrate
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateExitServiceLiveMigrate
        UnsupportedOperation.InstanceStateFreezing UnsupportedOperation.InstanceStateIsolating
        UnsupportedOperation.InstanceStatePending UnsupportedOperation.InstanceStateRebooting
        UnsupportedOperation.InstanceStateRescueMode UnsupportedOperation.InstanceStateServiceLiveMigrate
        UnsupportedOperation.InstanceStateShutdown UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateTerminated
        UnsupportedOperation.InstanceStateTerminating UnsupportedOperation.InstanceTypeNotSupportGridLicence
        UnsupportedOperation.InvalidImageLicenseTypeForReset UnsupportedOperation.KeyPairUnsupportedWindows
        UnsupportedOperation.ModifyEncryptionNotSupported UnsupportedOperation.RawLocalDiskInsReinstalltoQcow2
        UnsupportedOperation.StoppedModeStopCharging
    """,
    "ResetInstancesPassword": """
        FailedOperation.InvalidInstanceApplicationRole InternalServerError InvalidInstance.NotSupported
        InvalidInstanceId.Malformed InvalidInstanceId.NotFound InvalidParameterValue
        InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.InvalidPassword
        InvalidParameterValue.LimitExceeded InvalidParameterValue.TooLong MissingParameter MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound
        UnsupportedOperation.InstanceReinstallFailed UnsupportedOperation.InstanceStateEnterRescueMode
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateRunning UnsupportedOperation.InstanceStateServiceLiveMigrate
        UnsupportedOperation.InstanceStateShutdown UnsupportedOperation.InstanceStateStarting
        UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateTerminating
        UnsupportedOperation.SpecialInstanceType UnsupportedOperation.StoppedModeStopCharging
    """,
    "AssociateInstancesKeyPairs": """
        InternalServerError InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidKeyPairId.Malformed InvalidKeyPairId.NotFound InvalidParameterValue
        InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.KeyPairNotSupported
        InvalidParameterValue.LimitExceeded MissingParameter MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound
        UnsupportedOperation.InstanceOsWindows UnsupportedOperation.InstanceStateEnterServiceLiveMigrate
        UnsupportedOperation.InstanceStateExitRescueMode UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateRunning UnsupportedOperation.InstanceStateShutdown
        UnsupportedOperation.InstanceStateStarting UnsupportedOperation.InstanceStateStopping
        UnsupportedOperation.InstanceStateTerminating UnsupportedOperation.StoppedModeStopCharging
    """,
    "DisassociateInstancesKeyPairs": """
        InternalServerError InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidKeyPairId.Malformed InvalidKeyPairId.NotFound InvalidParameterValue
        InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.LimitExceeded MissingParameter
        MutexOperation.TaskRunning OperationDenied.InstanceOperationInProgress UnsupportedOperation.InstanceOsWindows
        UnsupportedOperation.InstanceStateBanning UnsupportedOperation.InstanceStateEnterRescueMode
        UnsupportedOperation.InstanceStateFreezing UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateRunning UnsupportedOperation.InstanceStateShutdown
        UnsupportedOperation.InstanceStateStarting UnsupportedOperation.InstanceStateStopping
        UnsupportedOperation.InstanceStateTerminating UnsupportedOperation.StoppedModeStopCharging
    """,
    "ModifyInstancesAttribute": """
        AuthFailure.CamRoleNameAuthenticateFailed FailedOperation.InvalidInstanceApplicationRole
        FailedOperation.SecurityGroupActionFailed InternalServerError InvalidInstance.NotSupported
        InvalidInstanceId.Malformed InvalidInstanceId.NotFound InvalidInstanceName.TooLong
        InvalidParameter.HostNameIllegal InvalidParameterValue InvalidParameterValue.CamRoleNameMalformed
        InvalidParameterValue.IllegalHostName InvalidParameterValue.InstanceIdMalformed
        InvalidParameterValue.InvalidUserDataFormat InvalidParameterValue.LimitExceeded
        InvalidSecurityGroupId.NotFound LimitExceeded.AssociateUSGLimitExceeded
        LimitExceeded.CvmsVifsPerSecGroupLimitExceeded LimitExceeded.SingleUSGQuota MissingParameter
        MutexOperation.TaskRunning OperationDenied.InstanceOperationInProgress UnauthorizedOperation.MFANotFound
        UnsupportedOperation.InstanceReinstallFailed UnsupportedOperation.InstanceStateEnterRescueMode
        UnsupportedOperation.InstanceStateEnterServiceLiveMigrate UnsupportedOperation.InstanceStateExitRescueMode
        UnsupportedOperation.InstanceStateExitServiceLiveMigrate UnsupportedOperation.InstanceStateFreezing
        UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRescueMode
        UnsupportedOperation.InstanceStateServiceLiveMigrate UnsupportedOperation.InstanceStateShutdown
        UnsupportedOperation.InstanceStateStarting UnsupportedOperation.InstanceStateStopping
        UnsupportedOperation.InstanceStateTerminated UnsupportedOperation.InstanceStateTerminating
        UnsupportedOperation.InstanceTypeNotSupportHighDensityModeSetting
        UnsupportedOperation.InstanceTypeNotSupportJumboFrame UnsupportedOperation.InstancesEnableJumboWithoutReboot
        UnsupportedOperation.InvalidInstanceNotSupportedProtectedInstance UnsupportedOperation.StoppedModeStopCharging
    """,
    "DescribeInstancesAttributes": """
        InvalidInstanceId.NotFound InvalidParameterValue.InstanceIdMalformed
    """,
    "ModifyKeyPairAttribute": """
        InternalServerError InvalidKeyPairId.Malformed InvalidKeyPairId.NotFound InvalidKeyPairName.Duplicate
        InvalidParameter InvalidParameterValue MissingParameter
    """,
    "ModifyInstancesProject": """
        InternalServerError InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterValue InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.LimitExceeded
        InvalidProjectId.NotFound MissingParameter MutexOperation.TaskRunning
        OperationDenied.InstanceOperationInProgress UnsupportedOperation.InstanceStateIsolating
    """,
    "ResizeInstanceDisks": """
        InternalError InternalError.TradeUnknownError InternalServerError InvalidAccount.InsufficientBalance
        InvalidAccount.UnpaidOrder InvalidInstance.NotSupported InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterValue InvalidParameterValue.InstanceIdMalformed MissingParameter MissingParameter.AtLeastOne
        OperationDenied.InstanceOperationInProgress UnsupportedOperation.InstanceChargeType
        UnsupportedOperation.InstanceStateCorrupted UnsupportedOperation.InstanceStateExitRescueMode
        UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRunning
        UnsupportedOperation.InstanceStateShutdown UnsupportedOperation.InstanceStateStopped
        UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateTerminating
        UnsupportedOperation.InvalidDataDisk UnsupportedOperation.SpecialInstanceType
        UnsupportedOperation.StoppedModeStopCharging
    """,
    "AssociateSecurityGroups": """
        FailedOperation.SecurityGroupActionFailed InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.LimitExceeded InvalidSecurityGroupId.NotFound
        InvalidSgId.Malformed LimitExceeded.AssociateUSGLimitExceeded LimitExceeded.CvmsVifsPerSecGroupLimitExceeded
        LimitExceeded.SingleUSGQuota MutexOperation.TaskRunning OperationDenied.InstanceOperationInProgress
        SecGroupActionFailure UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStatePending
    """,
    "DisassociateSecurityGroups": """
        FailedOperation.SecurityGroupActionFailed InvalidInstanceId.Malformed InvalidInstanceId.NotFound
        InvalidParameterValue.InstanceIdMalformed InvalidParameterValue.LimitExceeded InvalidSecurityGroupId.NotFound
        InvalidSgId.Malformed MutexOperation.TaskRunning OperationDenied.InstanceOperationInProgress
        SecGroupActionFailure UnsupportedOperation
    """,
}
