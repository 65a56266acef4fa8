"""OpenStack Glance as a peer: its API under uWSGI, with SQLite and a file store, in an environment of its own.

It is what `glance` on PyPI gives, with no other service beside it. Who calls is said by headers, as Keystone's middleware would
say it after it had looked at the token: so what a token costs Glance in real life is not counted against it. uWSGI runs as many
processes as there are CPUs, of one thread each, and speaks HTTP itself; that is what Glance's own manual advises.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from measuring import PROJECT, run

PEERS: Final = PROJECT / ".cache" / "peers"
_PINS: Final = PROJECT / "benchmarks" / "peers.txt"
_START_S: Final = 60.0
_STOP_S: Final = 20.0
_PASTE: Final = """
[composite:glance-api]
paste.composite_factory = glance.api:root_app_factory
/: api

[composite:api]
paste.composite_factory = glance.api:pipeline_factory
default = cors http_proxy_to_wsgi versionnegotiation context rootapp

[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app

[app:apiversions]
paste.app_factory = glance.api.versions:create_resource

[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory

[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory

[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory

[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = glance
oslo_config_program = glance-api

[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
"""
_SETTINGS: Final = """
[DEFAULT]
enabled_backends = local:file
enabled_import_methods = [glance-direct]
node_staging_uri = file://{folder}/staging
log_file = {folder}/glance.log
[database]
connection = sqlite:///{folder}/glance.db
[glance_store]
default_backend = local
[local]
filesystem_store_datadir = {folder}/images
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[paste_deploy]
config_file = {folder}/paste.ini
"""


@dataclass(frozen=True)
class Glance:
    """A running Glance, and where it keeps things."""

    url: str
    folder: Path

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "glance.db"


def caller(project: str) -> dict[str, str]:
    """Return the headers by which Glance knows a project's member, for they come from behind Keystone's middleware."""
    return {
        "X-Identity-Status": "Confirmed",
        "X-Project-Id": project,
        "X-User-Id": f"user-of-{project}",
        "X-Roles": "member,reader",
    }


def install_peers() -> Path:
    """Return the programs of the peers, installed as pinned, in an environment that is not the project's."""
    wanted = hashlib.sha256(_PINS.read_bytes()).hexdigest()
    stamp = PEERS / "pins.sha256"
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = shutil.which("uv") or str(PROJECT / ".cache" / "uv" / "bin" / "uv")
        print("installing the peers", flush=True)
        run(uv, "venv", "--quiet", "--clear", PEERS)
        run(uv, "pip", "install", "--quiet", "--python", PEERS / "bin" / "python", "-r", _PINS)
        stamp.write_text(wanted)
    return PEERS / "bin"


@contextmanager
def glance_made(folder: Path) -> Iterator[Path]:
    """Make an empty Glance in a folder and yield its database, to be filled before it is started."""
    programs = install_peers()
    folder.mkdir()
    for name in ("images", "staging", "tasks"):
        (folder / name).mkdir()
    (folder / "glance-api.conf").write_text(_SETTINGS.format(folder=folder))
    (folder / "paste.ini").write_text(_PASTE)
    run(programs / "glance-manage", "--config-file", folder / "glance-api.conf", "db_sync")
    yield folder / "glance.db"


@contextmanager
def glance_running(folder: Path) -> Iterator[Glance]:
    """Run the Glance of a folder while the block runs."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    words = [
        *(PEERS / "bin" / "uwsgi", "--http-socket", f"127.0.0.1:{port}", "--module", "glance.wsgi.api:application"),
        *("--master", "--processes", os.cpu_count() or 1, "--lazy-apps", "--die-on-term", "--enable-threads", "--so-keepalive"),
        *("--http-chunked-input", "--add-header", "Connection: close", "--disable-logging", "--thunder-lock", "--need-app"),
        *("--virtualenv", PEERS, "--buffer-size", 65535, "--socket-timeout", 300),
    ]
    with (folder / "uwsgi.log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in words],
            env={**os.environ, "OS_GLANCE_CONFIG_DIR": str(folder)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await_answer(f"{url}/v2/images?limit=1", caller("nobody"), process, folder / "uwsgi.log")
        yield Glance(url, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_answer(url: str, headers: Mapping[str, str], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a peer answers; end the program when it does not."""
    deadline = time.monotonic() + _START_S
    while True:
        try:
            build_opener(ProxyHandler({})).open(Request(url, headers=dict(headers)), timeout=_START_S).close()  # noqa: S310  http
        except (URLError, ConnectionError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{url} does not answer: {error}\n{log.read_text(errors='replace')[-3000:]}") from error
            time.sleep(0.1)
        else:
            return
