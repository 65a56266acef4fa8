"""Where the client commands find the service and their credentials, and what a mistake in their use says."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from cli_program import PROGRAM, Linocut, clean_environment
from fake_wire import SECRET_ID, FakeWire

VARIABLES = {"TENCENTCLOUD_SECRET_ID": "AKIDvariable", "TENCENTCLOUD_SECRET_KEY": "key"}


def test_a_named_state_directory_wins_over_variables(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    done = linocut("image", "list", "--state", state, **VARIABLES, LINOCUT_ENDPOINT="http://127.0.0.1:9")

    assert done.returncode == 0, done.stderr
    assert [call.secret_id for call in wire.calls] == [SECRET_ID]


def test_variables_win_over_the_default_state_directory(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    done = linocut("image", "list", **VARIABLES, LINOCUT_STATE=str(state))

    assert done.returncode == 0, done.stderr
    assert [call.secret_id for call in wire.calls] == ["AKIDvariable"]


def test_the_default_state_directory_gives_credentials_and_endpoint(
    wire: FakeWire, linocut: Linocut, state: Path, tmp_path: Path
) -> None:
    state.rename(tmp_path / ".state")

    done = linocut("image", "list")

    assert done.returncode == 0, done.stderr
    assert [(call.secret_id, call.region) for call in wire.calls] == [(SECRET_ID, "ap-guangzhou")]


def test_a_service_on_loopback_is_called_without_the_proxy(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    done = linocut("image", "list", "--state", state, http_proxy="http://127.0.0.1:9", no_proxy="example.com")

    assert done.returncode == 0, done.stderr
    assert wire.count("DescribeImages") == 1


def test_the_region_comes_from_option_variable_or_default(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    linocut("image", "list", "--state", state, TENCENTCLOUD_REGION="ap-tokyo")
    linocut("image", "list", "--state", state, "--region", "ap-seoul", TENCENTCLOUD_REGION="ap-tokyo")

    assert [call.region for call in wire.calls] == ["ap-tokyo", "ap-seoul"]


def test_without_credentials_the_command_says_where_it_looked(linocut: Linocut) -> None:
    done = linocut("image", "list")

    assert done.returncode == 1
    assert done.stderr.startswith("linocut: no credentials: .state/credentials.json does not exist")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["image", "import"],
        ["run", "deb", "--count", "many"],
        ["instance", "stop", "ins-1", "--all"],
        ["image", "import", "http://x/", "--name", "n", "--os-type", "Debian", "--os-version", "12", "--public", "--no-wait"],
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_and_code_2(linocut: Linocut, state: Path, arguments: list[str]) -> None:
    done = linocut(*arguments, LINOCUT_STATE=str(state))

    assert done.returncode == 2
    assert done.stderr.startswith("linocut: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("called", "is_its_own"), [("http://127.0.0.1:9", True), ("http://127.0.0.1:7", False)])
def test_guests_are_stopped_in_a_directory_that_the_variable_names_where_its_own_service_is_down(
    linocut: Linocut, state: Path, called: str, *, is_its_own: bool
) -> None:
    (state / "endpoint").write_text("http://127.0.0.1:9\n")

    done = linocut("instance", "stop", "--all", LINOCUT_STATE=str(state), LINOCUT_ENDPOINT=called)

    if is_its_own:
        assert (done.returncode, done.stdout) == (0, "0 guests stopped; no service is running\n"), done.stderr
    else:
        assert (done.returncode, f"nothing answers at {called}" in done.stderr) == (1, True)


def test_help_lists_the_commands_and_reads_no_client_library(linocut: Linocut) -> None:
    done = linocut("--help", PYTHONPROFILEIMPORTTIME="1")

    assert done.returncode == 0
    for command in ("serve", "account", "image", "run", "instance", "key", "store", "env"):
        assert f" {command} " in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "linocut.cli.commands" in imported
    assert not imported & {"tencentcloud", "requests", "httpx", "sqlalchemy", "dbos", "linocut.cli.images"}


def test_the_printed_environment_makes_tccli_work(wire: FakeWire, state: Path, tmp_path: Path) -> None:
    shell = f'eval "$("{PROGRAM}" env --state "{state}")" && tccli cvm DescribeImages'
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=clean_environment(PATH=path, HOME=str(tmp_path)),
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["TotalCount"] == 0
    assert [(call.action, call.secret_id, call.region) for call in wire.calls] == [("DescribeImages", SECRET_ID, "ap-guangzhou")]


def test_the_environment_is_printed_as_exports_or_json(linocut: Linocut, state: Path, wire: FakeWire) -> None:
    exported = linocut("env", "--state", state).stdout
    held = json.loads(linocut("env", "--state", state, "--json").stdout)

    assert f"export TENCENTCLOUD_SECRET_ID={SECRET_ID}\n" in exported
    assert held["LINOCUT_ENDPOINT"] == wire.endpoint
    assert held["TENCENTCLOUD_SECRET_KEY"] == "test-key"
