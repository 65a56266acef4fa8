"""How often an account may call an action in a region, in calls a second: a bucket of tokens for each of them.

A bucket holds as many tokens as an action may be called a second, starts full, and fills at that pace. Only so many buckets are
kept; the one that was used longest ago goes first, which by then is full again and so says nothing.
Source: the rate limit on the API page of each action.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from linocut.api.failures import Failure
from linocut.model.ids import Region, Uin

_MOST_BUCKETS: Final = 10_000
_USUAL: Final = 20

PER_SECOND: Final[Mapping[str, Mapping[str, int]]] = {
    "cvm": {
        "DescribeImages": 40,
        "DescribeInstances": 40,
        "DescribeInstancesStatus": 40,
        "DescribeInstanceTypeConfigs": 40,
        "DescribeZoneInstanceConfigInfos": 40,
        "DescribeImageFromFamily": 20,
        "DescribeInstancesAttributes": 20,
        "DescribeAccountQuota": 20,
        "DescribeRegions": 20,
        "DescribeZones": 20,
        "CreateImage": 10,
        "DeleteImages": 10,
        "ModifyImageAttribute": 10,
        "ModifyImageSharePermission": 10,
        "DescribeImageSharePermission": 10,
        "SyncImages": 10,
        "ImportImage": 10,
        "DescribeImportImageOs": 10,
        "ExportImages": 10,
        "DescribeImageQuota": 10,
        "RunInstances": 10,
        "StartInstances": 10,
        "StopInstances": 10,
        "RebootInstances": 10,
        "TerminateInstances": 10,
        "ModifyInstancesAttribute": 10,
        "InquiryPriceRunInstances": 10,
        "InquiryPriceResetInstance": 10,
        "ResetInstance": 10,
        "ResetInstancesPassword": 10,
        "DescribeInstanceVncUrl": 10,
    },
}
"""Calls a second by service and action, where they are not the usual number."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limits:
    """Counts calls; safe to call from many threads at once. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float], *, most_buckets: int = _MOST_BUCKETS) -> None:
        self._now = now
        self._most = most_buckets
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[str, str, Uin, Region], _Bucket] = OrderedDict()

    def take(self, service: str, action: str, uin: Uin, region: Region) -> None:
        """Count a call. Raises Failure RequestLimitExceeded when there were too many just now."""
        rate = PER_SECOND.get(service, {}).get(action, _USUAL)
        key = (service, action, uin, region)
        with self._lock:
            at = self._now()
            bucket = self._buckets.setdefault(key, _Bucket(rate, at))
            self._buckets.move_to_end(key)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            bucket.tokens = min(rate, bucket.tokens + max(0.0, at - bucket.at) * rate)
            bucket.at = at
            if bucket.tokens < 1:
                raise Failure("RequestLimitExceeded", f"{action} takes {rate} calls a second from an account in a region.")
            bucket.tokens -= 1

    def __len__(self) -> int:
        """Return how many buckets are kept."""
        return len(self._buckets)
