"""Waiting for images and instances to become ready."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from linocut.cli.failures import CommandFailed
from linocut.cli.output import progress_bar
from linocut.cli.wire import JsonObject, Wire

_POLL_S: Final = 0.3
_IMAGE_FAILED: Final = frozenset({"CREATEFAILED", "IMPORTFAILED"})


def await_image(wire: Wire, image_id: str, label: str) -> JsonObject:
    """Show the progress of an image until it is NORMAL, and return it.

    Raises CommandFailed when it fails or is deleted meanwhile.
    """
    with progress_bar(label, 100) as show:
        while True:
            images = wire.call("DescribeImages", ImageIds=[image_id])["ImageSet"]
            if not images:
                raise CommandFailed(f"{image_id} was deleted meanwhile")
            image: JsonObject = images[0]
            if image["ImageState"] in _IMAGE_FAILED:
                raise CommandFailed(f"{image_id} is {image['ImageState']}{_reason(wire, image_id)}")
            if image["ImageState"] == "NORMAL":
                show(100)
                return image
            show(image.get("SyncPercent") or 0)
            time.sleep(_POLL_S)


def await_instances(wire: Wire, instance_ids: Sequence[str], wanted: str, failed: Collection[str], label: str) -> None:
    """Show how many instances are in the wanted state until all are.

    Raises CommandFailed when one is in a failed state or gone.
    """
    with progress_bar(label, len(instance_ids)) as show:
        _await_all(wire, instance_ids, wanted, failed, show)


def describe_instances(wire: Wire, instance_ids: Sequence[str]) -> list[JsonObject]:
    """Return these instances as the service describes them, those that it still has."""
    return list(wire.pages("DescribeInstances", "InstanceSet", InstanceIds=list(instance_ids)))


def _await_all(
    wire: Wire, instance_ids: Sequence[str], wanted: str, failed: Collection[str], show: Callable[[float], None]
) -> None:
    while True:
        instances = describe_instances(wire, instance_ids)
        if len(instances) < len(instance_ids):
            raise CommandFailed("an instance was terminated meanwhile")
        for instance in instances:
            if instance["InstanceState"] in failed:
                reason = instance.get("LatestOperationErrorMsg")
                raise CommandFailed(
                    f"{instance['InstanceId']} is {instance['InstanceState']}" + (f": {reason}" if reason else "")
                )
        ready = sum(instance["InstanceState"] == wanted for instance in instances)
        show(ready)
        if ready == len(instances):
            return
        time.sleep(_POLL_S)


def _reason(wire: Wire, image_id: str) -> str:
    progress = wire.call_own("DescribeImageProgress", ImageIds=[image_id])["ImageProgressSet"]
    return f": {progress[0]['Failure']}" if progress and progress[0]["Failure"] else ""
