import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_program import Linocut, run_linocut
from fake_wire import SECRET_ID, SECRET_KEY, FakeWire


@pytest.fixture
def wire() -> Iterator[FakeWire]:
    fake = FakeWire()
    yield fake
    fake.close()


@pytest.fixture
def state(tmp_path: Path, wire: FakeWire) -> Path:
    """Return a state directory as a running service leaves it."""
    directory = tmp_path / "state"
    directory.mkdir()
    credentials = {"Uin": "100000000001", "AppId": 1250000001, "SecretId": SECRET_ID, "SecretKey": SECRET_KEY}
    (directory / "credentials.json").write_text(json.dumps(credentials))
    (directory / "endpoint").write_text(f"{wire.endpoint}\n")
    return directory


@pytest.fixture
def linocut(tmp_path: Path) -> Linocut:
    """Return the program as a function that runs it in a directory of its own."""
    return partial(run_linocut, tmp_path)


@pytest.fixture
def answer(linocut: Linocut, state: Path) -> Callable[..., Any]:
    """Return the program as a function that calls it on the state directory and returns its JSON; it must succeed."""

    def run(*arguments: object) -> Any:
        done = linocut(*arguments, "--state", state, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
