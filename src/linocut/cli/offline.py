"""Work on a state directory without a service, or beside one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from linocut.cli.failures import CommandFailed
from linocut.cli.wire import state_directory
from linocut.settings import load_settings

if TYPE_CHECKING:
    from linocut.cloud.context import Cloud


@contextmanager
def opened(state: Path | None, settings: Path | None = None) -> Iterator["Cloud"]:
    """Give the cloud whose state is in this directory. Raises CommandFailed, SettingsError."""
    from linocut.blocks import BlockError
    from linocut.service import ServiceError, offline

    try:
        with offline(load_settings(state_directory(state), None, settings, os.environ, remembered=True)) as cloud:
            yield cloud
    except (ServiceError, BlockError) as error:
        raise CommandFailed(str(error)) from error
