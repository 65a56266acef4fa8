"""Quotas of an account. Source: CVM DescribeAccountQuota."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.shapes import Filter, filters_by_name
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import quotas
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class DescribeAccountQuota(Shape):
    """Which quotas."""

    filters: tuple[Filter, ...] = ()


class PostPaidQuota(Shape):
    """Instances of a zone."""

    zone: str
    used_quota: int
    remaining_quota: int
    total_quota: int


class PrePaidQuota(Shape):
    """Prepaid instances of a zone; there are none."""


class SpotPaidQuota(Shape):
    """Spot instances of a zone; there are none."""


class ImageQuota(Shape):
    """Custom images of the region."""

    used_quota: int
    total_quota: int


class DisasterRecoverGroupQuota(Shape):
    """Placement groups; there are none."""


class AccountQuota(Shape):
    """Every quota that was asked for."""

    post_paid_quota_set: list[PostPaidQuota]
    image_quota_set: list[ImageQuota]
    pre_paid_quota_set: tuple[PrePaidQuota, ...] = ()
    spot_paid_quota_set: tuple[SpotPaidQuota, ...] = ()
    disaster_recover_group_quota_set: tuple[DisasterRecoverGroupQuota, ...] = ()


class AccountQuotaOverview(Shape):
    """The quotas in a region."""

    region: str
    account_quota: AccountQuota


class AccountQuotas(Answer):
    """The answer of DescribeAccountQuota."""

    app_id: int
    account_quota_overview: AccountQuotaOverview


def describe_account_quota(cloud: Cloud, caller: Caller, request: DescribeAccountQuota) -> AccountQuotas:
    """Say how many instances and images the account has, and may have."""
    found = quotas.account_quotas(cloud, caller, filters_by_name(request.filters))
    instances = [
        PostPaidQuota(zone=one.zone, used_quota=one.used, remaining_quota=one.remaining, total_quota=one.used + one.remaining)
        for one in found.instances
    ]
    images = [] if found.images is None else [ImageQuota(used_quota=found.images[0], total_quota=found.images[1])]
    account_quota = AccountQuota(post_paid_quota_set=instances, image_quota_set=images)
    overview = AccountQuotaOverview(region=caller.region, account_quota=account_quota)
    return AccountQuotas(app_id=caller.account.app_id, account_quota_overview=overview)


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeAccountQuota",
        request=DescribeAccountQuota,
        handle=describe_account_quota,
        codes=codes(errors.FilterUnknown, errors.TooManyFilterValues, errors.ZoneNotFound, errors.InvalidValue),
    ),
)
