"""Puts a service together from its rooms, serves it, and takes it down again.

The order of a start: one process only (a lock on the state directory), the catalog, the region stores and their block servers,
the machines of earlier processes, the workflows left under way, the rows that disagree with the host, and last the wire. The end
is the same backwards; guests and their block servers stay, unless told otherwise.
"""

import contextlib
import fcntl
import grp
import json
import os
import pwd
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from linocut.billing import PriceBook, PriceBookError
from linocut.blocks import BlockError
from linocut.catalog import Catalog
from linocut.cloud.accounts import NewAccount, ensure_operator
from linocut.cloud.context import Cloud, Workflows
from linocut.cloud.metering import Pacemaker
from linocut.cloud.policy_runs import run_due
from linocut.cloud.region_stores import RegionStores
from linocut.cloud.sealing import Seal
from linocut.cloud.stores import Sweeper
from linocut.formats import RunAs
from linocut.machines import Accelerator, Machines, MachineState, QemuMachines, probe_accelerator
from linocut.model.ids import InstanceId
from linocut.model.states import InstanceState
from linocut.settings import Settings, SettingsError, remember

if TYPE_CHECKING:
    import uvicorn

    from linocut.cloud.workflows.durable import Engine

# What only a serving process needs (the wire, the workflows) is imported where it serves: commands that look at the state
# directory, such as `linocut account create`, start in half the time without.
_RECONCILE_INTERVAL_S: Final = 60.0
_POLICY_INTERVAL_S: Final = 5.0
"""How late a snapshot may be that a policy has taken."""
_STOP_GUESTS_S: Final = 30.0
_BACKLOG: Final = 1024
_LARGEST_FRAME_BYTES: Final = 1 << 20
"""What a browser may send to a display at once: keys, clicks, and a clipboard."""
_SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread may keep the interpreter from the others: launches are many short waits, each of which ends in that queue."""
_log = structlog.get_logger(__name__)


class ServiceError(Exception):
    """The service cannot start; the sentence says why."""


@dataclass(frozen=True, slots=True)
class _NoWorkflows:
    """Stands where nothing may be started: offline, a service would have to carry it out."""

    def start(self, name: str, resource: str, *, key: str = "") -> None:
        """Refuse."""
        raise ServiceError(f"{name} of {resource} {key} needs the service to run.")


def serve(settings: Settings, *, stop_guests: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; return the process's exit code. Steps under way are repeated at the next start."""
    _log_to_stderr()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with _only_service(settings), _listening(settings.listen) as listener:
            return _serve(settings, listener, stop_guests=stop_guests)
    except (ServiceError, SettingsError) as error:
        print(f"linocut: {error}", file=sys.stderr)  # noqa: T201  the service's last word to who started it
        return 1


@contextlib.contextmanager
def offline(settings: Settings) -> Iterator[Cloud]:
    """Give a cloud to look at accounts, stores and machines, whether or not a service runs on the same state."""
    _make_directories(settings)
    guest_user = _guest_user(settings)
    catalog = Catalog.open(settings.database_url)
    stores = _stores(settings, guest_user)
    machines = _machines(settings, Accelerator.TCG, guest_user)
    try:
        yield _cloud(settings, catalog, stores, machines, _NoWorkflows(), threading.Event())
    finally:
        machines.close()
        stores.close()
        catalog.close()


def stop_guests_offline(settings: Settings, *, hard: bool) -> int:
    """Stop all guests that a service left running, and their block servers; return how many there were.

    They are asked first, unless `hard`. Raises ServiceError where a service runs on the state directory.
    """
    with _only_service(settings), offline(settings) as cloud:
        count = _stop_machines(cloud.machines, timeout_s=0.0 if hard else _STOP_GUESTS_S)
        cloud.stores.stop_servers()
        return count


def _stop_machines(machines: Machines, timeout_s: float = _STOP_GUESTS_S) -> int:
    """Power every running machine off, by force where it does not go in time; return how many there were."""
    running = [name for name, state in machines.list().items() if state is MachineState.RUNNING]

    def stop(instance_id: InstanceId) -> None:
        if not machines.shut_down(instance_id, timeout_s=timeout_s):
            machines.kill(instance_id)

    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(stop, running))
    return len(running)


def _serve(settings: Settings, listener: socket.socket, *, stop_guests: bool) -> int:
    from linocut.cloud.workflows.durable import Engine
    from linocut.cloud.workflows.metering import start_closing
    from linocut.cloud.workflows.reconcile import reconcile

    remember(settings)
    guest_user = _guest_user(settings)
    stopping = threading.Event()
    catalog = Catalog.open(settings.database_url)
    stores = _stores(settings, guest_user)
    machines = _machines(settings, _accelerator(settings, guest_user), guest_user)
    engine = Engine(settings)
    cloud = _cloud(settings, catalog, stores, machines, engine, stopping)
    _welcome(cloud)
    _restart_block_servers(cloud)
    engine.launch(cloud)
    machines.watch(lambda instance_id: _attend(cloud, instance_id))
    try:
        reconcile(cloud, engine)
    except Exception:  # the caretaker looks again, and the wire must come up to tell of it
        _log.exception("reconciling at the start failed")
    caretaker = threading.Thread(target=_care, args=(cloud, engine, stopping, start_closing), name="caretaker", daemon=True)
    caretaker.start()
    scheduler = threading.Thread(target=_keep_time, args=(cloud, stopping), name="scheduler", daemon=True)
    scheduler.start()

    _run_wire(cloud, listener)

    stopping.set()
    engine.close()
    caretaker.join()
    scheduler.join()
    if stop_guests:
        _stop_machines(machines)
        _record_ends(cloud)
    busy = any(state is MachineState.RUNNING for state in machines.list().values())
    machines.close()
    stores.close()
    if not busy:
        stores.stop_servers()
    catalog.close()
    _log.info("service ends", guests_running=busy)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # steps that the end interrupted wait in threads of DBOS, and never return


def _record_ends(cloud: Cloud) -> None:
    """Say of every instance whose machine has ended that it has stopped."""
    from linocut.cloud.workflows.reconcile import machine_ended

    with cloud.catalog.read() as tx:
        running = tx.instances.in_states([InstanceState.RUNNING])
    for instance in running:
        machine_ended(cloud, instance.instance_id)


def _run_wire(cloud: Cloud, listener: socket.socket) -> None:
    import uvicorn

    from linocut.api.app import create_app

    host, port = listener.getsockname()[:2]
    endpoint = f"http://{host}:{port}"
    (cloud.settings.state / "endpoint").write_text(endpoint + "\n")
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(cloud),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=5,
            ws_max_size=_LARGEST_FRAME_BYTES,
            ws_per_message_deflate=False,
            backlog=_BACKLOG,
        )
    )
    announce = threading.Thread(target=_announce, args=(server, endpoint), daemon=True)
    announce.start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises again what it was ended by
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _announce(server: "uvicorn.Server", endpoint: str) -> None:
    while not server.started:
        time.sleep(0.01)
    print(f"listening on {endpoint}", flush=True)  # noqa: T201  the contract of `linocut serve`


def _attend(cloud: Cloud, instance_id: InstanceId) -> None:
    from linocut.cloud.workflows.reconcile import machine_ended

    try:
        machine_ended(cloud, instance_id)
    except Exception:  # a lost race: the caretaker looks again
        _log.exception("ended machine is not recorded", instance=instance_id)


def _care(cloud: Cloud, engine: "Engine", stopping: threading.Event, start_closing: Callable[[Cloud, "Engine"], None]) -> None:
    from linocut.cloud.workflows.reconcile import reconcile

    sweeper = Sweeper(time.monotonic())
    pacemaker = Pacemaker(cloud.now(), time.monotonic())
    while not stopping.wait(_RECONCILE_INTERVAL_S):
        try:
            reconcile(cloud, engine)
            if pacemaker.is_steady(cloud.now(), time.monotonic()):
                start_closing(cloud, engine)
            sweeper.sweep_due(cloud, time.monotonic())
        except Exception:  # the caretaker never gives up
            _log.exception("care failed")


def _keep_time(cloud: Cloud, stopping: threading.Event) -> None:
    """Have done what is due by the clock, apart from the care for what is there, which may take its time."""
    while not stopping.is_set():
        try:
            run_due(cloud)
        except Exception:  # the scheduler never gives up
            _log.exception("what is due is not done")
        stopping.wait(_POLICY_INTERVAL_S)


def _cloud(
    settings: Settings,
    catalog: Catalog,
    stores: RegionStores,
    machines: Machines,
    workflows: Workflows,
    stopping: threading.Event,
) -> Cloud:
    return Cloud(
        settings=settings,
        catalog=catalog,
        stores=stores,
        machines=machines,
        workflows=workflows,
        seal=Seal.of(settings),
        now=lambda: datetime.now(UTC),
        randomness=secrets.SystemRandom(),
        stopping=stopping.is_set,
        prices=_prices(settings),
    )


def _prices(settings: Settings) -> PriceBook:
    """Return what things cost. Raises ServiceError."""
    try:
        return PriceBook.load(Path(settings.price_book)) if settings.price_book else PriceBook.shipped()
    except PriceBookError as error:
        raise ServiceError(str(error)) from error


def _stores(settings: Settings, guest_user: tuple[int, int] | None) -> RegionStores:
    return RegionStores(settings, run_as=None if guest_user is None else RunAs(*guest_user), now=time.time)


def _welcome(cloud: Cloud) -> None:
    """Create the operator at the first start, and keep its credentials in a file of mode 0600."""
    operator = ensure_operator(cloud)
    if operator is not None:
        file = cloud.settings.state / "credentials.json"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(credentials(operator), out)
            out.write("\n")


def credentials(account: NewAccount) -> dict[str, Any]:
    """Return an account's credentials in the shape that scripts read."""
    return {
        "Uin": account.uin,
        "AppId": account.app_id,
        "SecretId": account.secret_id,
        "SecretKey": account.secret_key,
    }


def _restart_block_servers(cloud: Cloud) -> None:
    with cloud.catalog.read() as tx:
        regions = {instance.region for instance in tx.instances.in_states(InstanceState)}
    for region in {*regions, *cloud.stores.opened()}:
        try:
            cloud.stores.server(region).abort_ingests()
        except BlockError:
            _log.exception("block server does not start", region=region)


def _machines(settings: Settings, accelerator: Accelerator, guest_user: tuple[int, int] | None) -> QemuMachines:
    return QemuMachines(
        settings.state / "instances",
        settings.state / "disks",
        accelerator=accelerator,
        guest_user=guest_user,
        outbound=settings.guest_outbound,
    )


def _accelerator(settings: Settings, guest_user: tuple[int, int] | None) -> Accelerator:
    """Return how guests are executed, asking the host once in each of its boots."""
    if settings.accelerator != "auto":
        return Accelerator(settings.accelerator)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = settings.state / "accelerator.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = json.loads(known.read_text())
        if found["boot_id"] == boot_id:
            return Accelerator(found["accelerator"])
    accelerator = probe_accelerator(guest_user=guest_user)
    known.write_text(json.dumps({"boot_id": boot_id, "accelerator": accelerator}))
    return accelerator


def _guest_user(settings: Settings) -> tuple[int, int] | None:
    """Return the user and group of virtual machines, None for our own. Raises ServiceError."""
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(settings.guest_user)
        return user.pw_uid, grp.getgrgid(user.pw_gid).gr_gid
    except KeyError as error:
        raise ServiceError(f"There is no user {settings.guest_user} to run guests as.") from error


@contextlib.contextmanager
def _only_service(settings: Settings) -> Iterator[None]:
    """Keep a lock on the state directory. Raises ServiceError where another service has it."""
    _make_directories(settings)
    with (settings.state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise ServiceError(f"Another service (process {lock.read().strip()}) runs on {settings.state}.") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextlib.contextmanager
def _listening(listen: str) -> Iterator[socket.socket]:
    host, _, port = listen.rpartition(":")
    try:
        listener = socket.create_server((host.strip("[]"), int(port)), backlog=_BACKLOG, family=_family(host))
    except OSError as error:
        raise ServiceError(f"Cannot listen on {listen}: {error.strerror}.") from error
    with listener:
        yield listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _make_directories(settings: Settings) -> None:
    for directory in (settings.state, settings.runtime, settings.state / "uploads"):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceError(f"Cannot make {directory}: {error.strerror}.") from error
    if settings.runtime.stat().st_uid != os.geteuid():
        raise ServiceError(f"{settings.runtime} belongs to somebody else.")


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
