"""How a workflow and its steps are declared, and the engine that runs them.

DBOS keeps its workflows in a registry of its process. Ours stand beside it: `WORKFLOWS` by name, `STEPS` in the order of their
declaration, and the one cloud that they work on. No other module of the project keeps such state.

A step returns its value or `Failed`; a domain error never crosses DBOS's pickles. A step that the service's end interrupts never
returns: the process ends under it, and the next start repeats it.
"""

import logging
import os
import signal
import sqlite3
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import structlog
from dbos import DBOS, SetWorkflowID

from linocut.blocks import CopyCancelled, ObjectUnreadable, StoreFull
from linocut.cloud.context import Cloud
from linocut.formats import FormatError
from linocut.machines import MachineError
from linocut.model.errors import Refusal
from linocut.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

_VERSION: Final = "4"
"""Changes when the steps of a workflow change in a way that old progress does not fit."""

_AGAIN: Final = "again-"
_UNDER_WAY: Final = ("PENDING", "ENQUEUED", "DELAYED")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a step gave up, in a sentence for the user."""

    reason: str


class Progress(Enum):
    """How far a workflow is."""

    UNKNOWN = auto()
    UNDER_WAY = auto()
    ENDED = auto()


WORKFLOWS: Final[dict[str, Callable[[str], None]]] = {}
STEPS: Final[list[str]] = []
_clouds: Final[list[Cloud]] = []


def workflow(name: str) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    """Declare a workflow on one resource."""

    def declare(function: Callable[[str], None]) -> Callable[[str], None]:
        WORKFLOWS[name] = DBOS.workflow(name=name)(function)
        return WORKFLOWS[name]

    return declare


def step(name: str) -> Callable[[Callable[Concatenate[Cloud, P], T]], Callable[P, T | Failed]]:
    """Declare a step; it gets the cloud before its own arguments."""
    STEPS.append(name)

    def declare(function: Callable[Concatenate[Cloud, P], T]) -> Callable[P, T | Failed]:
        @DBOS.step(name=name)
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T | Failed:
            cloud = _clouds[-1]
            _crash(cloud, f"{name}:before")
            result = _attempt(cloud, name, lambda: function(cloud, *args, **kwargs))
            _crash(cloud, f"{name}:after")
            return result

        return run

    return declare


def asked_by() -> str:
    """Return the id of the request that the running workflow carries out, or nothing where its key is no request's."""
    _, _, key = (DBOS.workflow_id or "").partition(":")[2].partition(":")
    return key.partition(_AGAIN)[0]


def key_again(request_id: str, now: str = "") -> str:
    """Return a key for carrying out a request once more; without a time, what all such keys begin with."""
    return f"{request_id}{_AGAIN}{now}"


class Engine:
    """Runs workflows with DBOS; the `Workflows` of a serving cloud."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def launch(self, cloud: Cloud) -> None:
        """Begin to run workflows on this cloud, those first that the last process left under way."""
        _clouds.append(cloud)
        DBOS(
            config={
                "name": "linocut",
                "system_database_url": self._settings.workflow_database_url,
                "db_engine_kwargs": _engine_options(self._settings.workflow_database_url),
                "application_version": _VERSION,
                "executor_id": "host",
                "log_level": "ERROR",
                "console_log_level": "ERROR",
            }
        )
        DBOS.launch()

    def start(self, name: str, resource: str, *, key: str = "") -> None:
        """Start a workflow on a resource, unless that was done before."""
        _crash(_clouds[-1], f"{name}.start:before")
        with SetWorkflowID(_identity(name, resource, key)):
            DBOS.start_workflow(WORKFLOWS[name], resource)

    def progress(self, name: str, resource: str, *, key: str = "") -> Progress:
        """Tell how far a workflow is. One that a release with other steps left under way will not go on, and has ended."""
        status = DBOS.get_workflow_status(_identity(name, resource, key))
        if status is None:
            return Progress.UNKNOWN
        if status.app_version != _VERSION:
            return Progress.ENDED
        return Progress.UNDER_WAY if status.status in _UNDER_WAY else Progress.ENDED

    def is_under_way(self, name: str, resource: str, *, key: str) -> bool:
        """Tell whether a workflow goes on that was started with a key that begins so."""
        going = DBOS.list_workflows(
            workflow_id_prefix=_identity(name, resource, key),
            status=list(_UNDER_WAY),
            app_version=_VERSION,
            limit=1,
            load_input=False,
            load_output=False,
        )
        return bool(going)

    def close(self) -> None:
        """Stop taking up work; steps under way end with the process."""
        DBOS.destroy()
        _clouds.clear()


class _WriteAhead(sqlite3.Connection):
    """A connection to an SQLite file whose commits do not wait for the disk.

    A power cut may take back the latest steps, and never breaks the file: they run again, which steps are made for. What was
    answered to a user is in the catalog, whose commits do wait; a workflow that its row asks for is started again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  whatever the driver passes
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def _engine_options(url: str) -> dict[str, Any]:
    """Return what DBOS passes to SQLAlchemy for its database."""
    return {"connect_args": {"factory": _WriteAhead}} if url.startswith("sqlite") else {}


def _identity(name: str, resource: str, key: str) -> str:
    return f"{name}:{resource}:{key}" if key else f"{name}:{resource}"


def _crash(cloud: Cloud, point: str) -> None:
    if cloud.settings.crash_at == point:
        os.kill(os.getpid(), signal.SIGKILL)


def _attempt(cloud: Cloud, name: str, function: Callable[[], T]) -> T | Failed:
    try:
        return function()
    except Exception as error:  # a workflow ends in done or failed, whatever happens in a step
        if cloud.stopping():
            return _wait_for_the_end()
        expected = isinstance(error, FormatError | Refusal | CopyCancelled)
        why = error.detail if isinstance(error, FormatError | Refusal) else traceback.format_exc()
        _log.log(logging.INFO if expected else logging.WARNING, "step failed", step=name, error=repr(error), why=why)
        return Failed(_reason(error))


def _reason(error: Exception) -> str:
    """Return what a user may know of an error."""
    match error:
        case FormatError():
            return error.reason
        case Refusal() | MachineError():
            return str(error)
        case CopyCancelled():
            return "The copy was cancelled."
        case StoreFull():
            return "The service's store has no room for this."
        case ObjectUnreadable():
            return "The region store has lost or damaged a part of this disk's content."
        case _:
            return "The service failed; its log says why."


def _wait_for_the_end() -> Failed:
    threading.Event().wait()
    raise AssertionError("unreachable: the process ends first")
