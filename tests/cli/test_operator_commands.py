"""The operator's commands, and an upload, with the real service."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_program import PROGRAM, Linocut, clean_environment, run_linocut

READY = re.compile(r"listening on (http://127\.0\.0\.1:[0-9]+)\n")
END_S = 60


@dataclass(frozen=True)
class Running:
    """A service that listens, its state directory, and an account that was made before its first start."""

    directory: Path
    early_account: dict[str, Any]


@contextmanager
def started(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a service that listens, and end it as an operator would, unless the block has killed it."""
    with subprocess.Popen(
        [PROGRAM, "serve", "--state", directory, "--listen", "127.0.0.1:0"],
        cwd=directory.parent, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as service:  # fmt: skip
        try:
            assert service.stdout is not None
            assert READY.fullmatch(service.stdout.readline())
            yield service
        finally:
            service.terminate()
            assert service.wait(END_S) in {0, -signal.SIGKILL}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a service that the tests of this file share."""
    directory = tmp_path_factory.mktemp("shared") / "state"
    early = run_linocut(directory.parent, "account", "create", "early", "--state", directory, "--json")
    with started(directory):
        yield Running(directory, json.loads(early.stdout))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Return a state directory on which nothing runs any more when the test has ended, however it ended."""
    yield tmp_path / "state"
    run_linocut(tmp_path, "instance", "stop", "--all", "--hard", "--state", tmp_path / "state")


def test_a_first_start_leaves_the_operators_credentials_and_the_endpoint(service: Running, linocut: Linocut) -> None:
    credentials = service.directory / "credentials.json"

    held = json.loads(credentials.read_text())

    assert list(held) == ["Uin", "AppId", "SecretId", "SecretKey"]
    assert (type(held["Uin"]), type(held["AppId"])) == (str, int)
    assert credentials.stat().st_mode & 0o777 == 0o600
    assert linocut("image", "list", "--state", service.directory).returncode == 0


def test_accounts_are_made_while_the_service_runs_and_while_it_does_not(service: Running, linocut: Linocut) -> None:
    made = linocut("account", "create", "late", "--state", service.directory, "--json")
    again = linocut("account", "create", "late", "--state", service.directory, "--json")

    endpoint = (service.directory / "endpoint").read_text().strip()
    for account in (service.early_account, json.loads(made.stdout)):
        keys = {"TENCENTCLOUD_SECRET_ID": account["SecretId"], "TENCENTCLOUD_SECRET_KEY": account["SecretKey"]}
        called = linocut("image", "list", "--endpoint", endpoint, **keys)
        assert called.returncode == 0, called.stderr
    listed = json.loads(linocut("account", "list", "--state", service.directory, "--json").stdout)
    assert [(held["Name"], held["IsOperator"]) for held in listed] == [("early", False), ("operator", True), ("late", False)]
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
    service: Running, linocut: Linocut, tmp_path: Path
) -> None:
    imported = import_disk(linocut, service.directory, tmp_path / "disk.raw")

    assert imported["ImageState"] == "NORMAL"
    verified = json.loads(linocut("store", "verify", "--state", service.directory, "--json").stdout)
    held = json.loads(linocut("store", "stat", "--state", service.directory, "--json").stdout)
    swept = json.loads(linocut("store", "gc", "--state", service.directory, "--grace-s", "0", "--json").stdout)
    assert verified["objects"] == held["chunks"] + held["nodes"] == swept["kept"]
    assert (verified["corrupt"], verified["missing"]) == ([], [])

    assert held["unique_bytes"] + held["shared_bytes"] == held["live_bytes"] == held["all_bytes"] == swept["kept_bytes"]
    assert sum(row["freed_bytes"] for row in held["rows"]) == held["unique_bytes"]
    shown = linocut("store", "stat", "--by", "image", "--state", service.directory).stdout
    assert imported["ImageId"] in shown
    assert "FREED IF DELETED" in shown

    here, there = (service.directory / "stores" / region for region in ("ap-guangzhou", "ap-shanghai"))
    shutil.copytree(here, there)
    chunk = next(file for file in (here / "chunks").rglob("*") if file.is_file())
    node = next(file for file in (here / "trees").rglob("*") if file.is_file())
    node.write_bytes(b"flipped")
    unknown = linocut("store", "stat", "--state", service.directory)
    assert (unknown.returncode, node.name in unknown.stderr, "`linocut store verify`" in unknown.stderr) == (1, True, True)
    shutil.copy(there / node.relative_to(here), node)
    chunk.write_bytes(b"flipped")
    damaged = linocut("store", "verify", "--state", service.directory)
    assert damaged.returncode == 1
    assert "NOT SOUND" in damaged.stdout
    assert chunk.name in damaged.stdout
    assert f"images that suffer: {imported['ImageId']}\n" in damaged.stdout
    nowhere = linocut("store", "verify", "--from", "ap-beijing", "--state", service.directory)
    assert (nowhere.returncode, nowhere.stderr) == (1, "linocut: ap-beijing is no other region with a store\n")
    repaired = linocut("store", "verify", "--repair", "--state", service.directory)
    assert (repaired.returncode, "repaired from ap-shanghai" in repaired.stdout) == (0, True)
    assert json.loads(linocut("store", "verify", "--state", service.directory, "--json").stdout)["damages"] == []


def test_guests_that_a_service_left_running_are_stopped_without_it(directory: Path, tmp_path: Path, linocut: Linocut) -> None:
    with started(directory) as killed:
        image = import_disk(linocut, directory, tmp_path / "disk.raw")["ImageId"]
        ran = linocut("run", image, "--wait", "--state", directory, "--json")
        assert json.loads(ran.stdout)[0]["InstanceState"] == "RUNNING", ran.stderr
        killed.kill()

    stopped = linocut("instance", "stop", "--all", "--hard", "--state", directory, "--json")

    assert json.loads(stopped.stdout) == {"Stopped": 1}, stopped.stderr
    with started(directory):
        (instance,) = json.loads(linocut("instance", "list", "--state", directory, "--json").stdout)
        assert instance["InstanceState"] == "STOPPED"


def test_two_services_do_not_share_a_state_directory(service: Running, linocut: Linocut) -> None:
    second = linocut("serve", "--state", service.directory, "--listen", "127.0.0.1:0")

    assert second.returncode == 1
    assert "Another service" in second.stderr
    assert second.stdout == ""


def test_a_setting_that_is_none_is_refused(linocut: Linocut, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("colour = 'red'\n")

    done = linocut("serve", "--state", tmp_path / "state", "--settings", "settings.toml")

    assert done.returncode == 1
    assert "colour is no setting" in done.stderr


def test_a_store_is_not_looked_at_where_no_service_has_run(tmp_path: Path) -> None:
    refused = run_linocut(tmp_path, "store", "gc", "--state", tmp_path / "nowhere")

    assert refused.returncode == 1
    assert "no service has ever run" in refused.stderr
    assert not (tmp_path / "nowhere").exists()


def test_an_import_that_would_be_refused_sends_nothing(service: Running, linocut: Linocut, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(510) + b"\x55\xaa" + bytes(512))

    refused = linocut(
        *("image", "import", disk, "--name", "odd", "--os-type", "Plan 9", "--os-version", "4"),
        *("--state", service.directory),
    )

    assert refused.returncode == 1
    assert "InvalidImageOsType.Unsupported" in refused.stderr
    assert not list((service.directory / "uploads").iterdir())
