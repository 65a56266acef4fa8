"""A service over real HTTP, accounts, and a disk to import."""

import functools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from official_clients import DEADLINE_S, Keys, Sdk, Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    state = tmp_path_factory.mktemp("service")
    log = state / "log"
    program = [sys.executable, str(Path(__file__).with_name("memory_service.py")), str(state / "state")]
    with log.open("wb") as errors:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        said = json.loads(line)
        accounts = [Keys(one["Uin"], one["SecretId"], one["SecretKey"]) for one in said["accounts"]]
        yield Service(said["host"], accounts)
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="session")
def operator(service: Service) -> Sdk:
    return Sdk(service, service.accounts.pop(0))


@pytest.fixture
def keys(service: Service, operator: Sdk) -> Keys:
    """Return the keys of an account that no other test uses."""
    assert operator
    return service.accounts.pop()


@pytest.fixture
def sdk(service: Service, keys: Keys) -> Sdk:
    return Sdk(service, keys)


@pytest.fixture
def other(service: Service, operator: Sdk) -> Sdk:
    assert operator
    return Sdk(service, service.accounts.pop())


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="session")
def disk_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a small disk file."""
    folder = tmp_path_factory.mktemp("disks")
    (folder / "disk.raw").write_bytes(bytes(510) + b"\x55\xaa" + b"linocut" * 99_999 + bytes(1 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder / "disk.raw", folder / "disk.qcow2"], check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/disk.qcow2"
    server.shutdown()
    thread.join()
    server.server_close()
