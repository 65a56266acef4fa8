"""The error codes that are documented for each action of VPC. Source: the API reference of each action, as of 2026."""

DOCUMENTED_VPC: dict[str, str] = {
    "CreateVpc": """
        InvalidParameterValue InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.SubnetOverlap InvalidParameterValue.TagDuplicateKey
        InvalidParameterValue.TagDuplicateResourceType InvalidParameterValue.TagInvalidKey
        InvalidParameterValue.TagInvalidKeyLen InvalidParameterValue.TagInvalidVal
        InvalidParameterValue.TagKeyNotExists InvalidParameterValue.TagNotAllocatedQuota
        InvalidParameterValue.TagNotExisted InvalidParameterValue.TagNotSupportTag
        InvalidParameterValue.TagResourceFormatError InvalidParameterValue.TagTimestampExceeded
        InvalidParameterValue.TagValNotExists InvalidParameterValue.TooLong LimitExceeded LimitExceeded.TagKeyExceeded
        LimitExceeded.TagKeyPerResourceExceeded LimitExceeded.TagNotEnoughQuota LimitExceeded.TagQuota
        LimitExceeded.TagQuotaExceeded LimitExceeded.TagTagsExceeded MissingParameter ResourceInsufficient
        ResourceNotFound UnauthorizedOperation UnsupportedOperation UnsupportedOperation.AppIdMismatch
        UnsupportedOperation.EnableMulticast UnsupportedOperation.RecordExists UnsupportedOperation.TagAllocate
        UnsupportedOperation.TagFree UnsupportedOperation.TagNotPermit UnsupportedOperation.TagSystemReservedTagKey
    """,
    "DescribeVpcs": """
        InternalError.ModuleError InvalidParameter.Coexist InvalidParameter.FilterInvalidKey
        InvalidParameter.FilterNotDict InvalidParameter.FilterValuesNotList InvalidParameterValue.LimitExceeded
        InvalidParameterValue.Malformed InvalidParameterValue.NotUtf8EncodingError InvalidParameterValue.Range
        ResourceNotFound UnsupportedOperation
    """,
    "DeleteVpc": """
        FailedOperation.NetDetectTimeOut InternalError.ModuleError InvalidParameterValue.Malformed
        LimitExceeded.ActionLimited ResourceInUse ResourceNotFound UnsupportedOperation.AppIdMismatch
        UnsupportedOperation.RecordNotExists UnsupportedOperation.RouteTableHasSubnetRule
    """,
    "ModifyVpcAttribute": """
        InvalidParameterValue InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.TooLong ResourceNotFound UnauthorizedOperation UnsupportedOperation.CdcPublishNeedCdcId
        UnsupportedOperation.EnableMulticast UnsupportedOperation.NotSupportedUpdateCcnRoutePublish
        UnsupportedOperation.SubnetMismatchVpcCdcId
    """,
    "CreateDefaultVpc": """
        InvalidParameterValue.Empty InvalidParameterValue.SubnetOverlap LimitExceeded
        LimitExceeded.DefaultVpcLimitExceeded ResourceInsufficient.CidrBlock ResourceNotFound
        UnsupportedOperation.RecordExists
    """,
    "DescribeUsedIpAddress": """
        InvalidParameterValue.Malformed InvalidParameterValue.ParameterMismatch
    """,
    "CreateSubnet": """
        FailedOperation.NetDetectTimeOut InvalidParameter InvalidParameterValue InvalidParameterValue.Duplicate
        InvalidParameterValue.Empty InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.SubnetConflict InvalidParameterValue.SubnetOverlap
        InvalidParameterValue.SubnetOverlapRoute InvalidParameterValue.SubnetRange
        InvalidParameterValue.TagDuplicateKey InvalidParameterValue.TagDuplicateResourceType
        InvalidParameterValue.TagInvalidKey InvalidParameterValue.TagInvalidKeyLen InvalidParameterValue.TagInvalidVal
        InvalidParameterValue.TagKeyNotExists InvalidParameterValue.TagNotAllocatedQuota
        InvalidParameterValue.TagNotExisted InvalidParameterValue.TagNotSupportTag
        InvalidParameterValue.TagResourceFormatError InvalidParameterValue.TagTimestampExceeded
        InvalidParameterValue.TagValNotExists InvalidParameterValue.TooLong InvalidParameterValue.ZoneConflict
        LimitExceeded LimitExceeded.TagKeyExceeded LimitExceeded.TagKeyPerResourceExceeded
        LimitExceeded.TagNotEnoughQuota LimitExceeded.TagQuota LimitExceeded.TagQuotaExceeded
        LimitExceeded.TagTagsExceeded MissingParameter ResourceNotFound UnsupportedOperation.AppIdMismatch
        UnsupportedOperation.DcGatewaysNotFoundInVpc UnsupportedOperation.RecordExists
        UnsupportedOperation.RecordNotExists UnsupportedOperation.TagAllocate UnsupportedOperation.TagFree
        UnsupportedOperation.TagNotPermit UnsupportedOperation.TagSystemReservedTagKey
    """,
    "DescribeSubnets": """
        InternalError.ModuleError InvalidParameter.Coexist InvalidParameter.FilterInvalidKey
        InvalidParameter.FilterNotDict InvalidParameter.FilterValuesNotList InvalidParameterValue.Empty
        InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed InvalidParameterValue.NotUtf8EncodingError
        InvalidParameterValue.Range ResourceNotFound UnsupportedOperation UnsupportedOperation.AppIdMismatch
    """,
    "DeleteSubnet": """
        InvalidParameterValue.Malformed ResourceInUse ResourceNotFound
        UnsupportedOperation.NatGatewaySnatRuleNotExists UnsupportedOperation.RecordNotExists
    """,
    "ModifySubnetAttribute": """
        InvalidParameterValue InvalidParameterValue.Malformed InvalidParameterValue.TooLong ResourceNotFound
    """,
    "CreateSecurityGroup": """
        InvalidParameter InvalidParameterValue InvalidParameterValue.Duplicate InvalidParameterValue.LimitExceeded
        InvalidParameterValue.Malformed InvalidParameterValue.TagDuplicateKey
        InvalidParameterValue.TagDuplicateResourceType InvalidParameterValue.TagInvalidKey
        InvalidParameterValue.TagInvalidKeyLen InvalidParameterValue.TagInvalidVal
        InvalidParameterValue.TagKeyNotExists InvalidParameterValue.TagNotAllocatedQuota
        InvalidParameterValue.TagNotExisted InvalidParameterValue.TagNotSupportTag
        InvalidParameterValue.TagResourceFormatError InvalidParameterValue.TagTimestampExceeded
        InvalidParameterValue.TagValNotExists InvalidParameterValue.TooLong LimitExceeded LimitExceeded.TagKeyExceeded
        LimitExceeded.TagKeyPerResourceExceeded LimitExceeded.TagNotEnoughQuota LimitExceeded.TagQuota
        LimitExceeded.TagQuotaExceeded LimitExceeded.TagTagsExceeded MissingParameter ResourceNotFound
        UnsupportedOperation.TagAllocate UnsupportedOperation.TagFree UnsupportedOperation.TagNotPermit
        UnsupportedOperation.TagSystemReservedTagKey
    """,
    "CreateSecurityGroupWithPolicies": """
        InternalError.ModuleError InvalidParameter.Coexist InvalidParameterValue InvalidParameterValue.LimitExceeded
        InvalidParameterValue.Malformed InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range InvalidParameterValue.TooLong LimitExceeded MissingParameter ResourceNotFound
        UnknownParameter.WithGuess UnsupportedOperation.LockedResources
    """,
    "CreateDefaultSecurityGroup": """
        InvalidParameterValue LimitExceeded ResourceNotFound
    """,
    "DescribeSecurityGroups": """
        InvalidParameter.Coexist InvalidParameter.FilterInvalidKey InvalidParameter.FilterNotDict
        InvalidParameter.FilterValuesNotList InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.Range ResourceNotFound UnsupportedOperation
    """,
    "DeleteSecurityGroup": """
        InternalError.ModuleError InvalidParameterValue.Malformed
        InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range InvalidSecurityGroupID.Malformed InvalidSecurityGroupID.NotFound ResourceInUse
        ResourceNotFound UnsupportedOperation UnsupportedOperation.LockedResources
    """,
    "ModifySecurityGroupAttribute": """
        InvalidParameterValue InvalidParameterValue.Malformed InvalidParameterValue.TooLong ResourceNotFound
    """,
    "DescribeSecurityGroupAssociationStatistics": """
        InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed ResourceNotFound UnsupportedOperation
    """,
    "CreateSecurityGroupPolicies": """
        InternalError.ModuleError InvalidParameter InvalidParameter.Coexist InvalidParameterValue
        InvalidParameterValue.Empty InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range InvalidParameterValue.TooLong LimitExceeded LimitExceeded.SecurityGroupPolicySet
        ResourceNotFound UnknownParameter.WithGuess UnsupportedOperation.BpaasResources
        UnsupportedOperation.ClbPolicyExceedLimit UnsupportedOperation.ClbPolicyLimit
        UnsupportedOperation.DuplicatePolicy UnsupportedOperation.LockedResources
        UnsupportedOperation.SgNumExceedLimit UnsupportedOperation.VersionMismatch
    """,
    "DescribeSecurityGroupPolicies": """
        InvalidParameter.FilterInvalidKey InvalidParameter.FilterNotDict InvalidParameter.FilterValuesNotList
        InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed InvalidParameterValue.TooLong
        ResourceNotFound UnsupportedOperation
    """,
    "DeleteSecurityGroupPolicies": """
        InternalError.ModuleError InvalidParameter.Coexist InvalidParameterValue InvalidParameterValue.Empty
        InvalidParameterValue.Malformed InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range ResourceNotFound UnsupportedOperation.BpaasResources
        UnsupportedOperation.LockedResources UnsupportedOperation.VersionMismatch
    """,
    "ReplaceSecurityGroupPolicy": """
        InternalError.ModuleError InvalidParameter InvalidParameter.Coexist InvalidParameterValue
        InvalidParameterValue.Empty InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range InvalidParameterValue.TooLong LimitExceeded ResourceNotFound
        UnknownParameter.WithGuess UnsupportedOperation.ClbPolicyExceedLimit UnsupportedOperation.ClbPolicyLimit
        UnsupportedOperation.DuplicatePolicy UnsupportedOperation.LockedResources UnsupportedOperation.VersionMismatch
    """,
    "ReplaceSecurityGroupPolicies": """
        InternalError.ModuleError InvalidParameter InvalidParameter.Coexist InvalidParameterValue
        InvalidParameterValue.Empty InvalidParameterValue.Invalid InvalidParameterValue.LimitExceeded
        InvalidParameterValue.Malformed InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range InvalidParameterValue.TooLong LimitExceeded ResourceNotFound
        UnsupportedOperation.BpaasResources UnsupportedOperation.ClbPolicyExceedLimit
        UnsupportedOperation.ClbPolicyLimit UnsupportedOperation.DuplicatePolicy UnsupportedOperation.LockedResources
        UnsupportedOperation.VersionMismatch
    """,
    "ModifySecurityGroupPolicies": """
        InternalError.ModuleError InvalidParameter.Coexist InvalidParameterValue.Empty
        InvalidParameterValue.LimitExceeded InvalidParameterValue.Malformed
        InvalidParameterValue.MemberApprovalApplicationIdMismatch
        InvalidParameterValue.MemberApprovalApplicationNotApproved
        InvalidParameterValue.MemberApprovalApplicationRejected InvalidParameterValue.MemberApprovalApplicationStarted
        InvalidParameterValue.Range InvalidParameterValue.TooLong LimitExceeded ResourceNotFound
        UnsupportedOperation.BpaasResources UnsupportedOperation.ClbPolicyExceedLimit
        UnsupportedOperation.DuplicatePolicy UnsupportedOperation.LockedResources
    """,
}
