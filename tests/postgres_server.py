"""A PostgreSQL server for tests, run from the system's own programs: a plugin with the fixture `postgres_server`.

The server listens on a Unix socket in a directory of its own, keeps nothing safe, and ends with the session. Where the
programs are missing, tests that need it fail, unless LINOCUT_SKIP_POSTGRES is set.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 10.0
_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=100",
    "shared_buffers=32MB",
    "deadlock_timeout=100ms",
)


class PostgresServer:
    """A running server, and fresh databases on it."""

    def __init__(self, socket_directory: Path) -> None:
        self._socket_directory = socket_directory
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://postgres@/{database}?host={self._socket_directory}"

    def new_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database with whoever is connected to it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Yield a server that ends with the session."""
    if os.environ.get("LINOCUT_SKIP_POSTGRES"):
        pytest.skip("LINOCUT_SKIP_POSTGRES is set")
    with running_server() as server:
        yield server


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Run a server while the block runs."""
    programs = _programs()
    directory = Path(tempfile.mkdtemp(prefix="linocut-postgres-"))
    account = _unprivileged_account()
    if account is not None:
        shutil.chown(directory, account, account)
    data = directory / "data"
    setup = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(setup, check=True, capture_output=True, cwd=directory, **_run_as(account))
    options = [argument for setting in (*_FAST, "listen_addresses=") for argument in ("-c", setting)]
    log = directory / "log"
    with log.open("wb") as log_file:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", directory, *options],
            stdout=log_file,
            stderr=log_file,
            cwd=directory,
            **_run_as(account),
        )
    try:
        running = PostgresServer(directory)
        _wait_until_it_answers(running, server, log)
        yield running
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: it ends its sessions and then itself
        try:
            server.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(directory)


def _programs() -> Path:
    """Return the directory of the newest server programs; without any the test fails."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.fail("no PostgreSQL server in /usr/lib/postgresql: install the package postgresql, or set LINOCUT_SKIP_POSTGRES=1")
    return found[-1].parent


def _unprivileged_account() -> str | None:
    """Return the system account the server must run as when we are root, for it refuses to be root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run_as(account: str | None) -> dict[str, object]:
    return {} if account is None else {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []}


def _wait_until_it_answers(running: PostgresServer, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while True:
        try:
            psycopg.connect(running.url("postgres")).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the PostgreSQL server did not start:\n{log.read_text()}")
            time.sleep(0.02)
        else:
            return
