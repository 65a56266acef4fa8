import json
import os
import subprocess
from pathlib import Path

import pytest

from linocut.machines.overlay import write_empty_overlay


def _overlay(path: Path, size_bytes: int) -> Path:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    write_empty_overlay(descriptor, size_bytes)
    os.close(descriptor)
    return path


@pytest.mark.parametrize("size_bytes", [512, 1 << 30, (20 << 30) + 512, 16 << 40])
def test_qemu_finds_an_empty_overlay_sound_and_of_the_right_size(tmp_path: Path, size_bytes: int) -> None:
    overlay = _overlay(tmp_path / "overlay", size_bytes)

    checked = subprocess.run(["qemu-img", "check", "-f", "qcow2", overlay], capture_output=True, text=True, check=False)
    told = subprocess.check_output(["qemu-img", "info", "-f", "qcow2", "--output", "json", overlay])

    assert checked.stdout.startswith("No errors were found"), checked
    assert json.loads(told)["virtual-size"] == size_bytes
    assert "backing-filename" not in json.loads(told)


def test_a_new_overlay_takes_next_to_no_space(tmp_path: Path) -> None:
    assert _overlay(tmp_path / "overlay", 500 << 30).stat().st_blocks * 512 <= 32 * 1024


@pytest.mark.parametrize("size_bytes", [0, -512, 1000])
def test_a_size_that_is_not_whole_sectors_is_refused(tmp_path: Path, size_bytes: int) -> None:
    with pytest.raises(ValueError, match="whole sectors"):
        _overlay(tmp_path / "overlay", size_bytes)
