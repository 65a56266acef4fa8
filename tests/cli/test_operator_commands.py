"""The operator's commands, and an upload, with the real service."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_program import PROGRAM, Linocut, clean_environment

READY = re.compile(r"listening on (http://127\.0\.0\.1:[0-9]+)\n")
Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def serve(directory: Path, tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts the service and returns it once it listens; guests are stopped at the end."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        service = subprocess.Popen(
            [PROGRAM, "serve", "--state", directory, "--listen", "127.0.0.1:0", "--stop-guests"],
            cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        started.append(service)
        assert service.stdout is not None
        assert READY.fullmatch(service.stdout.readline())
        return service

    yield start
    for service in started:
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=30)


def test_a_first_start_leaves_the_operators_credentials_and_the_endpoint(serve: Serve, directory: Path, linocut: Linocut) -> None:
    service = serve()

    credentials = directory / "credentials.json"
    held = json.loads(credentials.read_text())
    assert list(held) == ["Uin", "AppId", "SecretId", "SecretKey"]
    assert (type(held["Uin"]), type(held["AppId"])) == (str, int)
    assert credentials.stat().st_mode & 0o777 == 0o600
    assert linocut("image", "list", "--state", directory).returncode == 0

    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0


def test_accounts_are_made_while_the_service_runs_and_while_it_does_not(serve: Serve, directory: Path, linocut: Linocut) -> None:
    before = json.loads(linocut("account", "create", "before", "--state", directory, "--json").stdout)
    serve()
    during = json.loads(linocut("account", "create", "during", "--state", directory, "--json").stdout)
    again = linocut("account", "create", "during", "--state", directory, "--json")

    for made in (before, during):
        keys = {"TENCENTCLOUD_SECRET_ID": made["SecretId"], "TENCENTCLOUD_SECRET_KEY": made["SecretKey"]}
        called = linocut("image", "list", "--endpoint", (directory / "endpoint").read_text().strip(), **keys)
        assert called.returncode == 0, called.stderr
    listed = json.loads(linocut("account", "list", "--state", directory, "--json").stdout)
    assert [(held["Name"], held["IsOperator"]) for held in listed] == [("before", False), ("operator", True), ("during", False)]
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("linocut: ")


def import_disk(linocut: Linocut, directory: Path, disk: Path) -> dict[str, Any]:
    partition = bytes([0x80, 0, 0, 0, 0x83, 0, 0, 0]) + (1).to_bytes(4, "little") + (4095).to_bytes(4, "little")
    boot_record = bytes(446) + partition + bytes(48) + b"\x55\xaa"
    disk.write_bytes(boot_record + bytes(range(256)) * 4094 + bytes(1 << 20))
    done = linocut(
        *("image", "import", disk, "--name", "disk", "--os-type", "Other Linux", "--os-version", "1", "--force"),
        *("--state", directory, "--json"),
    )
    assert done.returncode == 0, done.stderr
    imported: dict[str, Any] = json.loads(done.stdout)
    return imported


def test_an_uploaded_disk_is_an_image_whose_bytes_the_store_can_verify(
    serve: Serve, directory: Path, linocut: Linocut, tmp_path: Path
) -> None:
    serve()

    imported = import_disk(linocut, directory, tmp_path / "disk.raw")

    assert imported["ImageState"] == "NORMAL"
    verified = json.loads(linocut("store", "verify", "--state", directory, "--json").stdout)
    held = json.loads(linocut("store", "stat", "--state", directory, "--json").stdout)
    swept = json.loads(linocut("store", "gc", "--state", directory, "--grace-s", "0", "--json").stdout)
    assert verified["objects"] == held["chunks"] + held["nodes"] == swept["kept"]
    assert (verified["corrupt"], verified["missing"]) == ([], [])

    chunk = next(file for file in (directory / "stores" / "ap-guangzhou" / "chunks").rglob("*") if file.is_file())
    chunk.write_bytes(b"flipped")
    damaged = linocut("store", "verify", "--state", directory)
    assert damaged.returncode == 1
    assert "NOT SOUND" in damaged.stdout
    assert chunk.name in damaged.stdout


def test_guests_that_a_service_left_running_are_stopped_without_it(
    serve: Serve, directory: Path, linocut: Linocut, tmp_path: Path
) -> None:
    service = serve()
    image = import_disk(linocut, directory, tmp_path / "disk.raw")["ImageId"]
    started = linocut("run", image, "--wait", "--state", directory, "--json")
    assert json.loads(started.stdout)[0]["InstanceState"] == "RUNNING", started.stderr
    service.kill()
    service.communicate()

    stopped = linocut("instance", "stop", "--all", "--hard", "--state", directory, "--json")

    assert json.loads(stopped.stdout) == {"Stopped": 1}, stopped.stderr
    serve()
    (instance,) = json.loads(linocut("instance", "list", "--state", directory, "--json").stdout)
    assert instance["InstanceState"] == "STOPPED"


def test_two_services_do_not_share_a_state_directory(serve: Serve, directory: Path, linocut: Linocut) -> None:
    serve()

    second = linocut("serve", "--state", directory, "--listen", "127.0.0.1:0")

    assert second.returncode == 1
    assert "Another service" in second.stderr
    assert second.stdout == ""


def test_a_setting_that_is_none_is_refused(directory: Path, linocut: Linocut, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("colour = 'red'\n")

    done = linocut("serve", "--state", directory, "--settings", "settings.toml")

    assert done.returncode == 1
    assert "colour is no setting" in done.stderr
