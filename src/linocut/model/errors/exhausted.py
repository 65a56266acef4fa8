"""Quotas and capacities that are used up."""

from linocut.model.errors.kinds import Exhausted


class ImageQuotaExceeded(Exhausted):
    """The account has as many images in the region as it may."""


class ShareQuotaExceeded(Exhausted):
    """The image is shared with as many accounts as it may be."""


class PolicyQuotaExceeded(Exhausted):
    """The account has as many auto snapshot policies in the region as it may."""


class SnapshotQuotaExceeded(Exhausted):
    """The account has as many snapshots in the region as it may."""


class ExportsExceeded(Exhausted):
    """As many exports of the account are under way as may be."""


class KeyQuotaExceeded(Exhausted):
    """The account has as many key pairs as it may."""


class CapacityExhausted(Exhausted):
    """The hosts have no room for these instances."""


class DiskQuotaExceeded(Exhausted):
    """The account has as many disks in the region as it may."""


class DisksOfInstanceExceeded(Exhausted):
    """An instance has as many data disks as it may."""


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
