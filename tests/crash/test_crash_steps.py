"""Killing the service at every step of every workflow: before the step begins, and when it is done but that is not noted yet.

A workflow's start is killed as well, when the row that asks for it is there. The points of one scenario are tried at the same
time, each in a world of its own, for most of the time goes by in waiting.
"""

import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from crash_world import Worlds
from scenarios import SCENARIOS

from linocut.cloud.workflows import (  # noqa: F401  importing declares their steps
    copies,
    disks,
    exports,
    forwarding,
    images,
    instances,
    metering,
    rollbacks,
    snapshot_copies,
    snapshots,
)
from linocut.cloud.workflows.durable import STEPS, WORKFLOWS


def points(name: str) -> list[str]:
    """Return where a scenario's service is killed."""
    steps = SCENARIOS[name].steps
    return [f"{step}:{when}" for step in steps for when in ("before", "after") if when == "before" or step in STEPS]


def trouble(worlds: Worlds, name: str, point: str) -> str:
    """Kill the service at one point of a scenario; return what is wrong afterwards, which is nothing."""
    scenario = SCENARIOS[name]
    said: list[str] = []
    try:
        with worlds.lend() as world, world.remembering_failures(said):
            subject = scenario.prepare(world)
            world.await_rest()
            world.kill()

            world.start(crash_at=point)
            scenario.act(world, subject)
            world.await_crash()
            world.start()

            world.await_rest()
            scenario.mend(subject)
            world.assert_nothing_leaked()
            scenario.check(world, subject)
            world.await_rest()
            world.assert_nothing_leaked()
            world.is_spoilt = False
    except Exception:
        return "\n".join([traceback.format_exc(), *said])
    return ""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_step_the_service_ends_the_operation_and_leaks_nothing(worlds: Worlds, name: str) -> None:
    tried = points(name)

    with ThreadPoolExecutor(len(tried)) as pool:
        troubles = dict(zip(tried, pool.map(lambda point: trouble(worlds, name, point), tried), strict=True))

    assert not any(troubles.values()), "\n".join(f"{point}\n{what}" for point, what in troubles.items() if what)


def test_every_step_and_every_start_of_a_workflow_is_killed() -> None:
    killed = {step for scenario in SCENARIOS.values() for step in scenario.steps}

    assert killed == {*STEPS, *(f"{name}.start" for name in WORKFLOWS)}
