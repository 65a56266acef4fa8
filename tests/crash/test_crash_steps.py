"""Killing the service at every step of every workflow.

A step is killed twice in one operation: before it begins, and, when the next service has done it, before that could be noted.
"""

from collections.abc import Iterable

import pytest
from crash_world import World
from scenarios import SCENARIOS

from linocut.cloud.workflows import images, instances  # noqa: F401  importing declares their steps
from linocut.cloud.workflows.durable import STEPS, WORKFLOWS

_CASES = [(name, step) for name, scenario in SCENARIOS.items() for step in scenario.steps]


@pytest.mark.parametrize(("name", "step"), _CASES, ids=[f"{name}: {step}" for name, step in _CASES])
def test_killed_at_a_step_the_service_ends_the_operation_and_leaks_nothing(world: World, name: str, step: str) -> None:
    scenario = SCENARIOS[name]
    subject = scenario.prepare(world)
    world.await_rest()
    world.kill()

    world.start(crash_at=f"{step}:before")
    scenario.act(world, subject)
    world.await_crash()
    if not step.endswith(".start"):
        world.start(crash_at=f"{step}:after", wait=False)
        world.await_crash()
    world.start()

    world.await_rest()
    scenario.mend(subject)
    world.assert_nothing_leaked()
    scenario.check(world, subject)
    world.await_rest()
    world.assert_nothing_leaked()
    world.is_spoilt = False


def test_every_step_and_every_start_of_a_workflow_is_killed() -> None:
    killed = {step for scenario in SCENARIOS.values() for step in scenario.steps}

    assert killed == {*STEPS, *_starts(WORKFLOWS)}


def _starts(names: Iterable[str]) -> set[str]:
    return {f"{name}.start" for name in names}
