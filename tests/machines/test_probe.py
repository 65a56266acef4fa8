import os
import time
from pathlib import Path

from machine_hosts import NOBODY

from linocut.machines import Accelerator, probe_accelerator
from linocut.machines.probe import can_execute


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_guest_that_runs_proves_the_accelerator() -> None:
    assert can_execute(Accelerator.TCG, timeout_s=10, guest_user=NOBODY)


def test_an_accelerator_that_does_not_answer_in_time_does_not_count() -> None:
    assert not can_execute(Accelerator.TCG, timeout_s=0.001, guest_user=NOBODY)


def test_the_probe_ends_in_time_and_leaves_nothing() -> None:
    before = _children()
    begun = time.monotonic()

    assert probe_accelerator(1.0, guest_user=NOBODY) in Accelerator

    assert time.monotonic() - begun < 4
    assert _children() == before
