"""The settings of a service, read once from a TOML file and the environment into a frozen value.

Every field may stand in the file under its name, or in the environment as ``LINOCUT_`` and its name in capitals; the
environment wins. Lists are separated by commas in the environment. An unknown name is an error.
"""

import dataclasses
import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final

_GIB: Final = 1024**3
_LONGEST_SOCKET_PATH: Final = 100
_LONGEST_SOCKET_NAME: Final = len("/instances/ins-00000000/storage-daemon-00000000.sock")
_MEMORY: Final = "settings.json"
_PREFIX: Final = "LINOCUT_"
_DATABASES: Final = ("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")
_STORES: Final = ("file:///", "s3://")
_BUCKETS: Final = ("file:///", "s3://")
# Read by the command line, not by the service.
_CLIENT_NAMES: Final = frozenset({"LINOCUT_STATE", "LINOCUT_ENDPOINT", "LINOCUT_SKIP_POSTGRES"})


class SettingsError(Exception):
    """The settings cannot be used; the sentence says which and why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a service runs with. See docs/architecture.md for what each means."""

    state: Path
    listen: str = "127.0.0.1:8774"
    database: str = ""
    """SQLAlchemy URL; empty for SQLite in the state directory."""
    store: str = ""
    """Base URL of the region stores; empty for a directory in the state directory."""
    bucket: str = ""
    """Where buckets are: file:///DIRECTORY or s3://…; empty for a directory in the state directory."""
    fetch_allow: tuple[str, ...] = ()
    """Private networks that imports may fetch from, such as 127.0.0.0/8."""
    host_vcpus: int = 0
    """vCPUs that instances may take; 0 for four times what the machine has."""
    host_memory_mb: int = 0
    """Memory in MiB that instances may take; 0 for what the machine has."""
    accelerator: str = "auto"
    """auto, kvm or tcg."""
    guest_user: str = "nobody"
    """The user that virtual machines run as where the service is root."""
    guest_outbound: bool = True
    """Whether guests reach the network through the host, and with it the host's own loopback services as 10.0.2.2."""
    import_file_bytes: int = 50 * _GIB
    import_disk_bytes: int = 500 * _GIB
    export_disk_bytes: int = 500 * _GIB
    """Largest virtual size to export."""
    export_tasks: int = 5
    """Exports of an account in a region that may be under way at a time."""
    image_quota: int = 500
    policy_quota: int = 30
    """Auto snapshot policies of an account in a region."""
    snapshot_quota: int = 64
    """Snapshots of an account in a region, and as many again for each of its disks there."""
    share_quota: int = 500
    key_quota: int = 100
    disk_quota: int = 500
    """Disks that an account may have in a region."""
    rate_limits: bool = False
    """Whether an account may call each action only so often a second, as documented."""
    launch_while_syncing: bool = False
    """Whether instances may be started from a copy of an image before all of it has arrived in its region."""
    image_catalog: str = ""
    """File that lists well-known cloud images for `linocut catalog`; empty for the one that is shipped."""
    task_days: int = 30
    """How long a task is remembered after it has ended."""
    shutdown_timeout_s: float = 120.0
    """How long a guest may take to power off when asked softly."""
    store_grace_s: float = 86400.0
    """How long an unreferenced object stays in a region store."""
    sweep_interval_s: float = 86400.0
    """How often unreferenced objects are swept."""
    compression_level: int = 1
    block_cache_mb: int = 512
    """Memory of a block server for decompressed chunks."""
    block_disk_cache_mb: int = 0
    """Local disk of a block server for decompressed chunks; 0 for none."""
    price_book: str = ""
    """The operator's price book, a TOML file; empty for the one that comes with the service."""
    metering: bool = True
    """Whether hours are metered and charged."""
    charge_instances: bool = True
    """Whether instances, their disks and their bandwidth are charged; snapshots and licences are in any case."""
    arrears: bool = False
    """Whether the snapshots and images of accounts whose balance is below zero are isolated, and deleted in the end."""
    arrears_days: int = 7
    """How long isolated snapshots and images are kept."""
    secret_key: str = ""
    """64 hexadecimal digits that seal secret keys at rest; empty for a file in the state directory."""
    crash_at: str = ""
    """For tests of recovery: the step before (`name:before`) or after (`name:after`) which the process kills itself."""

    @property
    def database_url(self) -> str:
        """The catalog's SQLAlchemy URL."""
        return self.database or f"sqlite:///{self.state}/linocut.db"

    @property
    def workflow_database_url(self) -> str:
        """The SQLAlchemy URL where workflows keep their progress."""
        if self.database.startswith("postgresql"):
            return self.database
        return f"sqlite:///{self.state}/workflows.db"

    @property
    def store_url(self) -> str:
        """The base URL of the region stores."""
        return (self.store or f"file://{self.state}/stores").rstrip("/")

    @property
    def bucket_url(self) -> str:
        """Where buckets are."""
        return self.bucket or f"file://{self.state}/buckets"

    @property
    def runtime(self) -> Path:
        """The directory for sockets: in the state directory, or a short one where its path would be too long for them."""
        inside = self.state / "run"
        if len(str(inside)) + _LONGEST_SOCKET_NAME <= _LONGEST_SOCKET_PATH:
            return inside
        name = hashlib.sha256(str(self.state).encode()).hexdigest()[:12]
        return Path(f"/tmp/linocut-{os.getuid()}-{name}")  # noqa: S108  made with mode 0700 and checked by the service

    @property
    def fetch_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The private networks that imports may fetch from."""
        return tuple(ip_network(network) for network in self.fetch_allow)

    def capacity(self) -> tuple[int, int]:
        """Return the vCPUs and the MiB of memory that instances may take."""
        vcpus = self.host_vcpus or 4 * len(os.sched_getaffinity(0))
        memory_mb = self.host_memory_mb or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
        return vcpus, memory_mb


def load_settings(
    state: Path, listen: str | None, file: Path | None, environ: Mapping[str, str], *, remembered: bool = False
) -> Settings:
    """Read the settings of the service whose state is in this directory. Raises SettingsError.

    With `remembered`, what the service last ran with counts where neither the file nor the environment says otherwise: whoever
    looks at a state directory from outside must not look into another catalog or store than the service.
    """
    values: dict[str, Any] = _from_memory(state / _MEMORY) if remembered else {}
    if file is not None:
        values |= _from_file(file)
    values |= _from_environment(environ)
    if listen is not None:
        values["listen"] = listen
    values["state"] = state.resolve()
    settings = Settings(**values)
    _check(settings)
    return settings


def remember(settings: Settings) -> None:
    """Keep what a service runs with in its state directory, mode 0600; no secret and nothing for tests."""
    plain = dataclasses.asdict(Settings(settings.state))
    kept = {
        name: value
        for name, value in dataclasses.asdict(settings).items()
        if value != plain[name] and name not in {"state", "listen", "secret_key", "crash_at"}
    }
    draft = settings.state / f"{_MEMORY}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(kept, out)
    draft.replace(settings.state / _MEMORY)


def _from_memory(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from error
    return {name: _typed(name, value, str(file)) for name, value in kept.items()}


def _from_file(file: Path) -> dict[str, Any]:
    try:
        given = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    return {name: _typed(name, value, str(file)) for name, value in given.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(_PREFIX).lower(): _parsed(name.removeprefix(_PREFIX).lower(), text)
        for name, text in environ.items()
        if name.startswith(_PREFIX) and name not in _CLIENT_NAMES
    }


def _kinds() -> dict[str, Any]:
    return {field.name: field.type for field in dataclasses.fields(Settings) if field.name != "state"}


def _parsed(name: str, text: str) -> str | bool | int | float | tuple[str, ...]:
    kind = _kinds().get(name)
    try:
        match kind:
            case _ if kind is bool:
                return {"true": True, "false": False}[text.lower()]
            case _ if kind is int:
                return int(text)
            case _ if kind is float:
                return float(text)
            case _ if kind is str:
                return text
            case None:
                raise SettingsError(f"{_PREFIX}{name.upper()} is no setting.")
            case _:
                return tuple(part.strip() for part in text.split(",") if part.strip())
    except (ValueError, KeyError) as error:
        raise SettingsError(f"{_PREFIX}{name.upper()} has the wrong type: {text}") from error


def _typed(name: str, value: object, source: str) -> object:
    kind = _kinds().get(name)
    if kind is None:
        raise SettingsError(f"{source}: {name} is no setting.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    scalar = kind in {bool, int, float, str}
    if scalar and type(value) is kind:
        return value
    if not scalar and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise SettingsError(f"{source}: {name} has the wrong type.")


def _check(settings: Settings) -> None:
    try:
        _ = settings.fetch_networks
    except ValueError as error:
        raise SettingsError(f"fetch_allow: {error}") from error
    if not settings.database_url.startswith(_DATABASES):
        raise SettingsError("database takes sqlite:///FILE or postgresql://….")
    if not settings.store_url.startswith(_STORES):
        raise SettingsError("store takes file:///DIRECTORY or s3://BUCKET/PREFIX.")
    if settings.bucket and not settings.bucket.startswith(_BUCKETS):
        raise SettingsError("bucket takes file:///DIRECTORY, s3://?endpoint=URL or s3://BUCKET/PREFIX.")
    if settings.accelerator not in {"auto", "kvm", "tcg"}:
        raise SettingsError("accelerator takes auto, kvm or tcg.")
    for name, value in dataclasses.asdict(settings).items():
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise SettingsError(f"{name} takes a finite number from zero up.")
    host, _, port = settings.listen.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError("listen takes HOST:PORT.")
