"""What auto snapshot policies can do that no official request can ask for: keep a number of snapshots."""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import snapshot_policies
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class ModifyPolicyRetention(Shape):
    """Which policy, and how many snapshots of each disk it is to keep; 0 for any number."""

    auto_snapshot_policy_id: str
    retention_amount: Int


def modify_policy_retention(cloud: Cloud, caller: Caller, request: ModifyPolicyRetention) -> Answer:
    """Set how many snapshots of each disk a policy keeps; CBS shows it as `RetentionAmount`."""
    snapshot_policies.keep_amount(cloud, caller, request.auto_snapshot_policy_id, request.retention_amount)
    return Answer()


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="ModifyPolicyRetention",
        request=ModifyPolicyRetention,
        handle=modify_policy_retention,
        is_mutating=True,
        codes=codes(errors.PolicyNotFound, errors.ParameterConflict, errors.ValueOutOfRange, errors.LostRace),
    ),
)
