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


def run_linocut(directory: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a directory, for at most a minute."""
    return subprocess.run(
        [PROGRAM, *(str(argument) for argument in arguments)],
        cwd=directory,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
