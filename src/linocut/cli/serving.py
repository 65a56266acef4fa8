"""`linocut serve` and what else handles a service's processes."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed
from linocut.cli.wire import state_directory
from linocut.settings import load_settings


def serve(
    *,
    state: Path | None = None,
    listen: str | None = None,
    settings: Path | None = None,
    stop_guests: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run the service on a state directory until it is told to end (SIGTERM or Ctrl-C).

    Guests run on, and the next start finds them again.

    Args:
        state: directory that holds all the service keeps. Default: LINOCUT_STATE or ./.state.
        listen: HOST:PORT; port 0 takes a free one. Default: 127.0.0.1:8774.
        settings: settings file (TOML).
        stop_guests: stop the guests too when the service ends.
    """
    from linocut.service import serve as run_service

    found = load_settings(state_directory(state), listen, settings, os.environ)
    return run_service(found, stop_guests=stop_guests)


def blockd() -> None:
    """Serve trees; see `linocut blockd --help`. `linocut.cli.main` runs it before this tree of commands is read."""


def stop_guests_left_running(state: Path, *, hard: bool) -> int:
    """Stop every guest that a service, not running now, left running on this state directory; return how many there were.

    They are asked to shut down first, unless `hard`. The service's next start finds them stopped.
    """
    from linocut.service import ServiceError, stop_guests_offline

    try:
        return stop_guests_offline(load_settings(state, None, None, os.environ, remembered=True), hard=hard)
    except ServiceError as error:
        raise CommandFailed(str(error)) from error
