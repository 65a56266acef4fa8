"""The program as these tests run it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "linocut"
Linocut = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TENCENTCLOUD_", "LINOCUT_"))}
    return kept | variables
