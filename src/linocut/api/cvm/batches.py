"""What a call on instances may answer, one or several. Source: the error codes of CVM's instance actions."""

from collections.abc import Mapping
from typing import Final

from linocut.model import errors
from linocut.model.states import InstanceState as State

BATCH: Final = (
    errors.InstanceIdMalformed,
    errors.InstanceNotFound,
    errors.InstanceStateForbids,
    errors.TooManyValues,
    errors.ParameterMissing,
    errors.LostRace,
)
BUSY: Final[Mapping[type[errors.Refusal], str]] = {errors.TaskRunning: "OperationDenied.InstanceOperationInProgress"}
IN_TRANSIT: Final = (State.PENDING, State.REBOOTING, State.STARTING, State.STOPPING, State.TERMINATING)
