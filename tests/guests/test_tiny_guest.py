import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from plain_qemu import PlainGuest, booted, write_config_drive

_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_READY: Final = "linocut-guest ready"

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("tiny") / "disk.qcow2"
    subprocess.run([sys.executable, _BUILDER, built], check=True, capture_output=True)
    return built


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = tmp_path_factory.mktemp("login") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return key


@pytest.fixture(scope="module")
def config_drive(tmp_path_factory: pytest.TempPathFactory, login: Path) -> Path:
    iso = tmp_path_factory.mktemp("config") / "config.iso"
    public_key = login.with_suffix(".pub").read_text().strip()
    meta_data = {"uuid": "ins-tiny", "hostname": "plain-one", "public_keys": {"login": public_key}}
    write_config_drive(iso, meta_data, b"#!/bin/sh\necho once >>/root/user-data-ran\n")
    return iso


@pytest.fixture(scope="module")
def guest(disk: Path, config_drive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainGuest]:
    folder = tmp_path_factory.mktemp("run")
    own_disk = folder / "disk.qcow2"
    shutil.copy(disk, own_disk)
    with booted(own_disk, "qcow2", config_drive, folder, memory_mb=256) as running:
        running.wait_for_line(_READY)
        yield running


def run(guest: PlainGuest, script: str) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{guest.http_port}/cgi-bin/sh", content=script, timeout=10)


def ssh(guest: PlainGuest, login: Path, command: str) -> str:
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes")
    target = ("-p", str(guest.ssh_port), "-i", str(login), "root@127.0.0.1")
    done = subprocess.run(
        ["ssh", "-F", "none", *options, *target, command], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def test_it_says_on_the_console_that_it_is_ready(guest: PlainGuest) -> None:
    assert guest.wait_for_line(_READY).startswith("linocut-guest ready hostname=plain-one boots=")


def test_it_runs_what_is_posted_and_tells_the_exit_code(guest: PlainGuest) -> None:
    answer = run(guest, "echo $(hostname) is $(whoami); exit 7")

    assert (answer.text, answer.headers["X-Exit-Code"]) == ("plain-one is root\n", "7")


def test_it_shows_the_meta_data_of_the_config_drive(guest: PlainGuest) -> None:
    answer = httpx.get(f"http://127.0.0.1:{guest.http_port}/cgi-bin/meta", timeout=10)

    assert answer.json()["uuid"] == "ins-tiny"


def test_the_key_of_the_config_drive_opens_ssh(guest: PlainGuest, login: Path) -> None:
    assert ssh(guest, login, "hostname") == "plain-one"


def test_it_keeps_its_files_when_switched_off_by_the_power_button(disk: Path, config_drive: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.qcow2"
    shutil.copy(disk, twin)
    with booted(twin, "qcow2", config_drive, tmp_path, memory_mb=256) as first:
        first.wait_for_line(_READY)
        run(first, "echo kept >/root/kept")
        first.press_power_button()
        assert first.process.wait(10) == 0

    with booted(twin, "qcow2", config_drive, tmp_path, memory_mb=256) as second:
        assert second.wait_for_line(_READY).endswith("boots=2")
        assert run(second, "cat /root/kept /root/user-data-ran").text == "kept\nonce\n"
