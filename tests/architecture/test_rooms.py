"""The rooms stand in order, and importing a module does nothing."""

import subprocess
import sys
import threading
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_no_room_imports_one_above_or_beside_it() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_importing_every_module_opens_no_file_and_starts_no_thread(tmp_path: Path) -> None:
    program = """
import importlib, os, pkgutil, sys, threading
import linocut
before = threading.active_count(), sorted(os.listdir("."))
for module in pkgutil.walk_packages(linocut.__path__, "linocut."):
    if not module.name.endswith((".migrations.env", "__main__")):
        importlib.import_module(module.name)
assert (threading.active_count(), sorted(os.listdir("."))) == before
assert "dbos" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert threading.active_count() >= 1
