"""A real service with an image of the tiny guest, and what tests do with guests of it over the wire."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from linocut.cli.uploads import upload
from linocut.cli.wire import Wire
from linocut.model.ids import Region

T = TypeVar("T")

_LINOCUT: Final = Path(sys.executable).parent / "linocut"
_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
ZONE: Final = "ap-guangzhou-3"
_DEADLINE_S: Final = 90.0


def until(what: str, look: Callable[[], T | None]) -> T:
    end = time.monotonic() + _DEADLINE_S
    while (found := look()) is None:
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Cloud:
    """A service with an image of the tiny guest, and SSH keys in a folder."""

    wire: Wire
    image_id: str
    folder: Path

    def new_key(self, name: str) -> str:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        text = (self.folder / f"{name}.pub").read_text().strip()
        return str(self.wire.call("ImportKeyPair", KeyName=name, ProjectId=0, PublicKey=text)["KeyId"])

    def run(self, **more: object) -> str:
        return self.run_all(**more)[0]

    def run_all(self, **more: object) -> list[str]:
        """Start instances, by default one of the tiny guest's image, and return their ids."""
        answer = self.wire.call("RunInstances", **{"ImageId": self.image_id, "Placement": {"Zone": ZONE}} | more)
        return [str(instance_id) for instance_id in answer["InstanceIdSet"]]

    def call(self, action: str, instance_id: str, **more: object) -> dict[str, Any]:
        """Change a running instance and return it as it is when it runs again."""
        self.wire.call(action, InstanceIds=[instance_id], **more)
        return self.settled(instance_id)

    def settled(self, instance_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.wire.call("DescribeInstances", InstanceIds=[instance_id])["InstanceSet"][0]
            assert "FAILED" not in {found["InstanceState"], found["LatestOperationState"]}, found
            return found if (found["InstanceState"], found["LatestOperationState"]) == ("RUNNING", "SUCCESS") else None

        return until(f"{instance_id} runs", look)

    def guest(self, instance_id: str) -> "Guest":
        guest = Guest(self.folder, str(self.settled(instance_id)["PrivateIpAddresses"][0]))
        until(f"{instance_id} answers", lambda: guest.answers() or None)
        return guest


@dataclass(frozen=True)
class Guest:
    """A guest that has booted."""

    folder: Path
    address: str

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.run("echo up") == "up"
        return False

    def run(self, script: str) -> str:
        answer = httpx.post(f"http://{self.address}/cgi-bin/sh", content=script, timeout=10, trust_env=False)
        assert answer.headers["X-Exit-Code"] == "0", answer.text
        return answer.text.strip()

    def lets_in(self, *, key: str = "", password: str = "") -> bool:
        """Tell whether SSH opens with a key or a password."""
        until("SSH answers", self._greets)
        ways = ("-i", str(self.folder / key), "-o", "BatchMode=yes") if key else ("-o", "PubkeyAuthentication=no")
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "NumberOfPasswordPrompts=1", "IdentitiesOnly=yes")
        ask = self.folder / "ask"
        ask.write_text(f"#!/bin/sh\necho '{password}'\n")
        ask.chmod(0o700)
        command = ["ssh", "-F", "none", *ways, *(word for option in options for word in ("-o", option))]
        environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        done = subprocess.run(
            [*command, f"root@{self.address}", "echo in"], env=environment, capture_output=True, check=False, timeout=30
        )
        assert done.returncode == 0 or b"Permission denied" in done.stderr, done.stderr
        return done.stdout == b"in\n"

    def _greets(self) -> bool | None:
        with suppress(OSError), socket.create_connection((self.address, 22), 5) as connected:
            return connected.recv(3) == b"SSH" or None
        return None


@contextmanager
def serving(folder: Path) -> Iterator[Cloud]:
    """Run a service on a folder, and yield it with an image of the tiny guest."""
    state = folder / "state"
    environment = {**os.environ, "LINOCUT_ACCELERATOR": "tcg", "LINOCUT_SHUTDOWN_TIMEOUT_S": "5"}
    command = [_LINOCUT, "serve", "--state", state, "--listen", "127.0.0.1:0", "--stop-guests"]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)
    try:
        assert service.stdout
        assert select.select([service.stdout], [], [], 60)[0], (folder / "log").read_text()
        endpoint = service.stdout.readline().decode().removeprefix("listening on ").strip()
        held = json.loads((state / "credentials.json").read_text())
        wire = Wire(endpoint, (held["SecretId"], held["SecretKey"]), Region("ap-guangzhou"))
        yield Cloud(wire, _import(wire, folder), folder)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
        if service.stdout:
            service.stdout.close()


def _import(wire: Wire, folder: Path) -> str:
    disk = folder / "tiny.qcow2"
    subprocess.run([sys.executable, _BUILDER, disk], check=True, capture_output=True)
    system = {"Architecture": "x86_64", "OsType": "Other Linux", "OsVersion": "-"}
    answer = wire.call("ImportImage", ImageName="tiny", ImageUrl=upload(wire, disk), Force=True, **system)

    def look() -> bool | None:
        state = wire.call("DescribeImages", ImageIds=[answer["ImageId"]])["ImageSet"][0]["ImageState"]
        assert state != "IMPORTFAILED"
        return state == "NORMAL" or None

    until("the image is there", look)
    return str(answer["ImageId"])
