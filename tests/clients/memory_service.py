"""A whole service with machines in memory, as a program: catalog, store, block server, workflows and the wire are real.

It makes accounts, prints one line of JSON with the endpoint and their keys, and serves until SIGTERM.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog
import uvicorn

from linocut.api.app import create_app
from linocut.catalog import Catalog
from linocut.cloud.accounts import create_account, ensure_operator
from linocut.cloud.context import Cloud
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.sealing import Seal
from linocut.cloud.workflows.durable import Engine
from linocut.cloud.workflows.reconcile import machine_ended, reconcile
from linocut.machines.memory import MemoryMachines
from linocut.settings import Settings

ACCOUNTS = 96


def main(state: Path) -> None:
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    (state / "uploads").mkdir(parents=True)
    settings = Settings(state=state, fetch_allow=("127.0.0.0/8",), host_vcpus=64, host_memory_mb=65536)
    settings.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    stopping = threading.Event()
    catalog = Catalog.open(settings.database_url)
    stores = RegionStores(settings, run_as=None, now=time.time)
    engine = Engine(settings)
    cloud = Cloud(
        settings=settings,
        catalog=catalog,
        stores=stores,
        machines=MemoryMachines(),
        workflows=engine,
        seal=Seal.of(settings),
        now=lambda: datetime.now(UTC),
        randomness=secrets.SystemRandom(),
        stopping=stopping.is_set,
    )
    operator = ensure_operator(cloud)
    assert operator is not None
    accounts = [operator, *(create_account(cloud, f"account-{number}") for number in range(ACCOUNTS))]
    engine.launch(cloud)
    cloud.machines.watch(lambda instance_id: machine_ended(cloud, instance_id))
    reconcile(cloud, engine)
    listener = socket.create_server(("127.0.0.1", 0))
    keys = [{"Uin": one.uin, "SecretId": one.secret_id, "SecretKey": one.secret_key} for one in accounts]
    print(json.dumps({"host": f"127.0.0.1:{listener.getsockname()[1]}", "accounts": keys}), flush=True)  # noqa: T201
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises again what it was ended by
    with contextlib.suppress(KeyboardInterrupt):
        server = uvicorn.Server(uvicorn.Config(create_app(cloud), log_config=None, access_log=False, lifespan="off"))
        server.run(sockets=[listener])
    stopping.set()
    engine.close()
    stores.close()
    stores.stop_servers()
    catalog.close()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
