from collections.abc import Iterator

import pytest

from linocut.api.codes import USUAL_CODES, codes
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.states import InstanceState


def _leaves(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    children = kind.__subclasses__()
    if not children:
        yield kind
    for child in children:
        yield from _leaves(child)


def test_every_error_of_the_model_has_a_code() -> None:
    named = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refusal)}

    assert set(_leaves(Refusal)) & named == set(USUAL_CODES)


@pytest.mark.parametrize("kind", USUAL_CODES)
def test_an_error_that_an_action_does_not_list_still_gets_a_code_that_any_action_may_answer(kind: type[Refusal]) -> None:
    refusal = errors.InstanceStateForbids("no", state="RUNNING") if kind is errors.InstanceStateForbids else kind("no")

    failure = codes().failure(refusal)

    assert "." not in failure.code or failure.code in {"MutexOperation.TaskRunning", "InvalidRegion.NotFound"}
    assert str(failure) == "no"


def test_a_state_that_has_a_code_of_its_own_is_named_in_it() -> None:
    listed = codes(errors.InstanceStateForbids, states=[InstanceState.LAUNCH_FAILED])

    assert (
        listed.failure(errors.InstanceStateForbids("", state="LAUNCH_FAILED")).code
        == "UnsupportedOperation.InstanceStateLaunchFailed"
    )
    assert listed.failure(errors.InstanceStateForbids("", state="PENDING")).code == "UnsupportedOperation"


def test_the_internal_detail_of_an_error_stays_inside() -> None:
    failure = codes().failure(errors.DiskSpaceExhausted("The disk is full.", detail="/var/lib/linocut/x"))

    assert str(failure) == "The disk is full."
