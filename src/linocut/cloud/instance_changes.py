"""Changing instances that are there: names, user data, host names, protection, logins.

A change is written to the row at once. What concerns the guest reaches it by its config drive, which is made anew whenever the
machine is started: at once where the instance is restarted for it, else at its next start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import InstanceChanges, Tx
from linocut.cloud import tasks
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.instances import idle_instances, owned_instances
from linocut.model import errors, rules
from linocut.model.ids import InstanceId
from linocut.model.records import Instance
from linocut.model.states import InstanceState, OperationState

_SETTLED: Final = frozenset({InstanceState.RUNNING, InstanceState.STOPPED})
_RESTART: Final = "reboot-instance-soft_first"
"""Asks the guest to power off, pulls the plug if it does not, and starts the machine as its row then says."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What to change; exactly one is not None."""

    name: str | None = None
    user_data: str | None = None
    host_name: str | None = None
    disable_termination: bool | None = None


def modify_instances(cloud: Cloud, caller: Caller, ids: Sequence[str], new: Attributes, *, auto_reboot: bool = True) -> None:
    """Change one attribute of instances, all or none. A new host name restarts those that run, unless `auto_reboot` is false.

    User data reaches a guest's next system disk. Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, TaskRunning,
    TooManyValues, ParameterMissing, OneParameterNeeded, InstanceNameTooLong, InvalidValue, UserDataInvalid, HostNameInvalid,
    ReinstallFailed. Source: CVM ModifyInstancesAttribute.
    """
    given = [value for value in (new.name, new.user_data, new.host_name, new.disable_termination) if value is not None]
    if len(given) != 1:
        raise errors.OneParameterNeeded("Exactly one attribute is changed in a call.")
    change_instances(
        cloud,
        caller,
        ids,
        "ModifyInstancesAttribute",
        lambda _tx, instance: _changes(new, instance),
        restarts=new.host_name is not None and auto_reboot,
    )


def move_to_project(cloud: Cloud, caller: Caller, ids: Sequence[str], project_id: int) -> None:
    """Put instances into a project, of which there is one, 0.

    Raises as modify_instances does, and ProjectNotFound. Source: CVM ModifyInstancesProject.
    """
    if project_id != 0:
        raise errors.ProjectNotFound(f"There is no project {project_id}.")
    change_instances(cloud, caller, ids, "ModifyInstancesProject", lambda _tx, _instance: {}, restarts=False)


def user_data_of(cloud: Cloud, caller: Caller, ids: Sequence[str]) -> tuple[tuple[InstanceId, bytes], ...]:
    """Return the user data of instances. Raises InstanceIdMalformed, InstanceNotFound, TooManyValues, ParameterMissing.

    Source: CVM DescribeInstancesAttributes.
    """
    with cloud.catalog.read() as tx:
        return tuple((instance.instance_id, instance.user_data) for instance in owned_instances(tx, caller, ids))


def change_instances(
    cloud: Cloud,
    caller: Caller,
    ids: Sequence[str],
    operation: str,
    decide: Callable[[Tx, Instance], InstanceChanges],
    *,
    restarts: bool,
    allowed: Callable[[InstanceState], bool] = _SETTLED.__contains__,
) -> None:
    """Change instances as `decide` says, all or none, and restart those that run where that is asked for.

    Raises what idle_instances and `decide` raise, and ReinstallFailed.
    """
    restarted: list[InstanceId] = []
    with cloud.catalog.begin() as tx:
        for instance in idle_instances(tx, caller, ids, allowed):
            if instance.is_half_reinstalled:
                raise errors.ReinstallFailed(f"Instance {instance.instance_id} has no whole system disk: start or reinstall it.")
            changes = decide(tx, instance)
            changes |= InstanceChanges(latest_operation=operation, latest_operation_error="", latest_request_id=caller.request_id)
            if restarts and instance.state is InstanceState.RUNNING:
                changes["latest_operation_state"] = OperationState.OPERATING
                tx.instances.move(instance, InstanceState.REBOOTING, **changes)
                restarted.append(instance.instance_id)
            else:
                changes["latest_operation_state"] = OperationState.SUCCESS
                tx.instances.update(instance, **changes)
        if restarted:
            tasks.begin(cloud, tx, caller, operation, restarted)
    for instance_id in restarted:
        cloud.workflows.start(_RESTART, instance_id, key=caller.request_id)


def _changes(new: Attributes, instance: Instance) -> InstanceChanges:
    changes = InstanceChanges()
    if new.name is not None:
        changes["name"] = rules.instance_name(new.name)
    if new.user_data is not None:
        changes["user_data"] = rules.user_data(new.user_data)
    if new.host_name is not None:
        changes["host_name"] = rules.host_name(new.host_name, is_windows=instance.is_windows) or instance.instance_id
    if new.disable_termination is not None:
        changes["disable_termination"] = new.disable_termination
    return changes
