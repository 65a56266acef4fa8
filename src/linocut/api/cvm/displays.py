"""The screen of an instance. Source: CVM DescribeInstanceVncUrl."""

from typing import Any, Final
from urllib.parse import quote

from linocut.api.codes import codes
from linocut.api.displays import PATH, TOKEN_PARAMETER
from linocut.api.envelope import Answer, Shape
from linocut.api.table import Action
from linocut.cloud import displays
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.states import InstanceState as State


class DescribeInstanceVncUrl(Shape):
    """Which instance."""

    instance_id: str


class InstanceVncUrl(Answer):
    """A WebSocket URL, encoded as it goes into another URL's query."""

    instance_vnc_url: str


def describe_instance_vnc_url(cloud: Cloud, caller: Caller, request: DescribeInstanceVncUrl) -> InstanceVncUrl:
    """Offer the display of a running instance, at the address that the client itself has used."""
    token = displays.offer_display(cloud, caller, request.instance_id)
    endpoint = caller.endpoint or f"http://{cloud.settings.listen}"
    url = f"ws{endpoint.removeprefix('http')}{PATH}?{TOKEN_PARAMETER}={token}"
    return InstanceVncUrl(instance_vnc_url=quote(url, safe=""))


ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeInstanceVncUrl",
        request=DescribeInstanceVncUrl,
        handle=describe_instance_vnc_url,
        is_mutating=True,  # it hands out a way in
        codes=codes(
            errors.InstanceIdMalformed,
            errors.InstanceNotFound,
            special={errors.InstanceStateForbids: "InvalidInstanceState"},
            states=(State.PENDING, State.REBOOTING, State.STARTING, State.STOPPED, State.STOPPING, State.TERMINATING),
        ),
    ),
)
