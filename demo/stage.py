"""What the demo stands on: a service in a process of its own, a file server, shells in guests, accounts, a clock."""

import base64
import ctypes
import functools
import http.server
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from rich.console import Console
from tencentcloud.cbs.v20170312 import models as cbs_models
from tencentcloud.cbs.v20170312.cbs_client import CbsClient
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import models
from tencentcloud.cvm.v20170312.cvm_client import CvmClient

LINOCUT: Final = Path(sys.executable).parent / "linocut"
REGION: Final = "ap-guangzhou"
_PR_SET_CHILD_SUBREAPER: Final = 36
_START_S: Final = 60.0
_END_S: Final = 90.0
_TICKS_AFTER: Final = 10
_LINGER_S: Final = 5.0
_POLL_S: Final = 0.3
_COMMAND_S: Final = 120.0
_LOGGED_IN_BUT_FAILED: Final = range(1, 255)
Found = TypeVar("Found")


class Unmet(Exception):
    """An expectation of the demo is not met; the sentence says which."""


def expect(condition: object, otherwise: str) -> None:
    """Raise Unmet unless the condition holds."""
    if not condition:
        raise Unmet(otherwise)


@dataclass
class Clock:
    """How long each step takes, and how long all of them may."""

    console: Console
    limit_s: float
    begun: float = field(default_factory=time.monotonic)
    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step and measure it."""
        self.console.print(f"[bold]{len(self.steps) + 1}. {title}[/]")
        start = time.monotonic()
        yield
        self.steps[title] = time.monotonic() - start

    def until(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Return what `look` finds, looking until it finds something. Raises Unmet when the demo's time is up."""
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() - self.begun > self.limit_s:
                raise Unmet(f"{what} did not happen within the {self.limit_s / 60:.0f} minutes that this demo may take")
            time.sleep(_POLL_S)

    def say(self, text: str) -> None:
        """Print a line below the step's title."""
        self.console.print(f"   {text}", highlight=False, markup=False, soft_wrap=True)


class Account:
    """One account's view of the cloud, through the official SDK; and, through its generic client, our additions."""

    def __init__(self, endpoint: str, credentials: dict[str, Any]) -> None:
        self.uin = str(credentials["Uin"])
        credential = Credential(credentials["SecretId"], credentials["SecretKey"])
        http = HttpProfile(protocol="http", endpoint=endpoint.removeprefix("http://"))
        profile = ClientProfile(httpProfile=http, language="en-US")
        self._cvm = CvmClient(credential, REGION, profile)
        self._cbs = CbsClient(credential, REGION, profile)
        self._own = CommonClient("linocut", "2026-11-01", credential, REGION, profile)

    def call(self, action: str, **parameters: object) -> Any:  # noqa: ANN401  the SDK is untyped
        """Call a CVM action; return its typed response. Raises TencentCloudSDKException."""
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(parameters))
        return getattr(self._cvm, action)(request)

    def cbs(self, action: str, **parameters: object) -> Any:  # noqa: ANN401  the SDK is untyped
        """Call a CBS action; return its typed response. Raises TencentCloudSDKException."""
        request = getattr(cbs_models, f"{action}Request")()
        request.from_json_string(json.dumps(parameters))
        return getattr(self._cbs, action)(request)

    def call_own(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action of the service `linocut`; return its response. Raises TencentCloudSDKException."""
        response: dict[str, Any] = self._own.call_json(action, parameters)["Response"]
        return response

    def image(self, image_id: str) -> Any:  # noqa: ANN401  the SDK is untyped
        """Return an image as this account sees it, None where it does not."""
        return next(iter(self.call("DescribeImages", ImageIds=[image_id]).ImageSet), None)

    def instances(self, ids: list[str]) -> list[Any]:
        """Return these instances, those that still exist."""
        return list(self.call("DescribeInstances", InstanceIds=ids, Limit=100).InstanceSet)

    def console_tail(self, instance_id: str, lines: int = 15) -> str:
        """Return the last lines of an instance's serial console."""
        try:
            size = self.call_own("DescribeInstanceConsole", InstanceId=instance_id)["Size"]
            piece = self.call_own("DescribeInstanceConsole", InstanceId=instance_id, Offset=max(0, size - 8192))
        except TencentCloudSDKException as error:
            return f"(no console: {error})"
        return "\n".join(base64.b64decode(piece["Output"]).decode(errors="replace").splitlines()[-lines:])


@dataclass(frozen=True)
class Shell:
    """A way into one guest over SSH, with the system's own client."""

    address: str
    user: str
    key: Path

    def arguments(self, command: str) -> list[str]:
        """Return the argument vector that runs a command in the guest."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "15",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "15",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(self.key.with_name(f"known-{self.address}")),
        }
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "/dev/null", "-i", str(self.key), *given, f"{self.user}@{self.address}", command]

    def begin(self, command: str) -> "Attempt":
        """Begin to run a command in the guest, without waiting for its end."""
        process = subprocess.Popen(
            self.arguments(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Attempt(self, command, process)

    def run(self, command: str) -> str:
        """Return what a command prints, without the line's end. Raises Unmet when it fails or the guest cannot be reached."""
        printed = self.begin(command).result()
        if printed is None:
            raise Unmet(f"{self.address} cannot be reached over SSH any more")
        return printed.strip()


@dataclass(frozen=True)
class Attempt:
    """A command under way in a guest, which may not be reachable yet."""

    shell: Shell
    command: str
    process: subprocess.Popen[str]

    @property
    def has_ended(self) -> bool:
        """Tell whether `result` returns at once."""
        return self.process.poll() is not None

    def result(self, timeout_s: float = _COMMAND_S) -> str | None:
        """Return what the command printed, None where the guest could not be reached. Raises Unmet when the command failed."""
        try:
            printed, _ = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return None
        code = self.process.returncode
        if code in _LOGGED_IN_BUT_FAILED:
            raise Unmet(f"in {self.shell.address}, `{self.command}` ended with {code}: {printed.strip()}")
        return printed if code == 0 else None


class Pulse:
    """A guest that says a word every fifth of a second, heard from outside: proof that it runs, and how long it ever paused."""

    def __init__(self, shell: Shell) -> None:
        self._silences: list[float] = []
        self._ssh = subprocess.Popen(
            shell.arguments("while echo tick; do sleep 0.2; done"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        expect(self._ssh.stdout and self._ssh.stdout.readline(), f"{shell.address} does not tick")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        if self._ssh.stdout is None:
            return
        heard = time.monotonic()
        for _ in self._ssh.stdout:
            now = time.monotonic()
            self._silences.append(now - heard)
            heard = now

    def stop(self) -> tuple[int, float, bool]:
        """Listen a little longer; return how many ticks came, the longest silence in seconds, and whether it ticks on."""
        enough = len(self._silences) + _TICKS_AFTER
        deadline = time.monotonic() + _START_S
        while len(self._silences) < enough and self._ssh.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        alive = len(self._silences) >= enough
        self._ssh.terminate()
        self._ssh.wait()
        self._thread.join()
        return len(self._silences), max(self._silences, default=0.0), alive


class Service:
    """`linocut serve` as a process of its own, and everything that descends from it."""

    endpoint: str
    operator: Account

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.keys = folder
        self.log = folder / "service.log"
        self._settings = folder / "settings.toml"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the service and wait until it listens. Raises Unmet when it does not."""
        # Guests outlive the service. What loses its parent becomes a child of ours, so that nothing escapes `end`.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._settings.write_text('fetch_allow = ["127.0.0.0/8"]\n')
        where = ("--state", self.state, "--listen", "127.0.0.1:0", "--settings", self._settings)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [LINOCUT, "serve", *where, "--stop-guests"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.endpoint = self._announced(self._process)
        _stay_off_proxies(self.endpoint)
        self.operator = Account(self.endpoint, json.loads((self.state / "credentials.json").read_text()))

    def new_account(self, name: str) -> Account:
        """Make an account as an operator does, on the command line."""
        command = [str(LINOCUT), "account", "create", name, "--state", str(self.state), "--json"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_S)
        expect(made.returncode == 0, f"`{shlex.join(command)}` failed: {made.stderr.strip()}")
        return Account(self.endpoint, json.loads(made.stdout))

    def end(self) -> list[str]:
        """End the service and its guests; return what was left running, which is ended by force. Repeating it is harmless."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        left = [(process, _name_of(process)) for process in _await_none_left(_LINGER_S)]
        for process, _ in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        _await_none_left(_LINGER_S)
        return [f"process {process}: {name}" for process, name in left]

    def _announced(self, process: subprocess.Popen[bytes]) -> str:
        output = process.stdout
        if output is not None and select.select([output], [], [], _START_S)[0]:
            line = output.readline().decode().strip()
            if line.startswith("listening on "):
                return line.removeprefix("listening on ")
        raise Unmet(f"`linocut serve` did not start; the end of its log:\n{self.log.read_text()[-2000:]}")


@contextmanager
def running_service(kept_log: Path) -> Iterator[Service]:
    """Run a service on an empty state directory while the block runs; keep its log if the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="linocut-demo-"))
    service = Service(folder)
    try:
        service.start()
        yield service
    except BaseException:
        if service.log.exists():
            kept_log.parent.mkdir(exist_ok=True)
            shutil.copy(service.log, kept_log)
        raise
    finally:
        service.end()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def served(file: Path) -> Iterator[str]:
    """Serve one file over HTTP on loopback while the block runs, and give its URL."""
    handler = functools.partial(_QuietHandler, directory=str(file.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{quote(file.name)}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def _stay_off_proxies(endpoint: str) -> None:
    """Keep the SDK from a proxy that the environment may name: it looks for host and port, the library below it for the host."""
    held = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    exceptions = ",".join(filter(None, (held, "127.0.0.1", endpoint.removeprefix("http://"))))
    os.environ |= {"NO_PROXY": exceptions, "no_proxy": exceptions}


def _await_none_left(timeout_s: float) -> list[int]:
    """Wait until nothing descends from this process; return what still does when the time is up."""
    deadline = time.monotonic() + timeout_s
    while (left := _descendants()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return left


def _descendants() -> list[int]:
    """Return the processes that descend from this one, after clearing away the children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return []
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    ours, grown = {os.getpid()}, True
    while grown:
        more = {process for process, parent in parents.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    return sorted(ours - {os.getpid()})


def _name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    except OSError:
        return "already gone"
