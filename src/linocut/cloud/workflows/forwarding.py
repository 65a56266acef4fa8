"""Having the ports of an instance follow its security groups, whenever these change."""

import structlog

from linocut.cloud.context import Cloud
from linocut.cloud.security_groups import open_ports_of
from linocut.cloud.workflows.durable import step, workflow
from linocut.machines import MachineError, MachineGone
from linocut.model.ids import InstanceId
from linocut.model.networks import OpenPorts

_log = structlog.get_logger(__name__)


@workflow("forward-ports")
def forward_ports(instance_id: str) -> None:
    """Open and close an instance's ports as its groups say by then."""
    apply_ports(instance_id)


@step("forward-ports.apply")
def apply_ports(cloud: Cloud, instance_id: str) -> None:
    """Open and close the ports of the machine."""
    follow_groups(cloud, InstanceId(instance_id))


def follow_groups(cloud: Cloud, instance_id: InstanceId) -> None:
    """Have the ports of an instance's machine be those that its groups open now; harmless where there is none, or they are.

    Two that do so at once may have read different rules, so each looks again when it is done. What the host refuses, such as a
    port that somebody else has, is said in the log; the reconciler tries again.
    """
    done: OpenPorts | None = None
    while (ports := _open_ports(cloud, instance_id)) is not None and ports != done:
        try:
            cloud.machines.forward(instance_id, tcp=ports.tcp, udp=ports.udp)
        except MachineGone:  # not made yet: a launch asks for its ports by itself
            return
        except MachineError as error:
            _log.warning("ports are not as asked", instance=instance_id, why=str(error), detail=error.detail)
            return
        done = ports


def _open_ports(cloud: Cloud, instance_id: InstanceId) -> OpenPorts | None:
    """Return the ports that an instance's groups open now, None where it is gone."""
    with cloud.catalog.read() as tx:
        instance = tx.instances.find(instance_id)
        return None if instance is None else open_ports_of(tx, instance)
