"""A real guest that is broken and reinstalled, and whose login and name are changed, over the wire of a real service."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest

from linocut.cli.uploads import upload
from linocut.cli.wire import Wire
from linocut.model.ids import Region

T = TypeVar("T")

_LINOCUT: Final = Path(sys.executable).parent / "linocut"
_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_ZONE: Final = "ap-guangzhou-3"
_DEADLINE_S: Final = 90.0
_PASSWORD: Final = "Passw0rd-1"

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


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
        answer = self.wire.call("RunInstances", ImageId=self.image_id, Placement={"Zone": _ZONE}, **more)
        return str(answer["InstanceIdSet"][0])

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


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("changing")
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


def test_a_broken_guest_comes_back_and_its_data_disk_has_what_it_had(cloud: Cloud) -> None:
    instance_id = cloud.run(DataDisks=[{"DiskSize": 10}], HostName="first")
    guest = cloud.guest(instance_id)
    guest.run("mke2fs -q /dev/vdb 2>/dev/null; mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data; echo kept >/run/data/file")
    before = guest.run("cat /state/instance")
    guest.run("umount /run/data; sync")
    guest.run("(sleep 1; dd if=/dev/zero of=/dev/vda bs=1M count=60; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    until("it is broken", lambda: None if guest.answers() else True)

    cloud.wire.call("ResetInstance", InstanceId=instance_id, SystemDisk={"DiskSize": 60}, HostName="again")
    guest = cloud.guest(instance_id)

    assert guest.run("hostname; cat /state/boots").split() == ["again", "1"]
    assert guest.run("cat /state/instance") != before
    assert guest.run("mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data; cat /run/data/file") == "kept"
    assert guest.run("cat /sys/block/vda/size") == str((60 << 30) // 512)
    cloud.wire.call("TerminateInstances", InstanceIds=[instance_id])


def test_a_guest_takes_another_login_and_another_name_and_keeps_what_it_wrote(cloud: Cloud) -> None:
    first, second = cloud.new_key("first"), cloud.new_key("second")
    instance_id = cloud.run(LoginSettings={"KeyIds": [first]}, HostName="first")
    guest = cloud.guest(instance_id)
    guest.run("echo kept >/state/work; sync")
    host_key = "md5sum </etc/dropbear/dropbear_ed25519_host_key"
    is_known_by = guest.run(host_key)
    assert guest.lets_in(key="first")

    cloud.call("AssociateInstancesKeyPairs", instance_id, KeyIds=[second], ForceStop=True)
    guest = cloud.guest(instance_id)
    assert (guest.lets_in(key="first"), guest.lets_in(key="second")) == (False, True)

    cloud.call("ResetInstancesPassword", instance_id, Password=_PASSWORD, ForceStop=True)
    guest = cloud.guest(instance_id)
    assert (guest.lets_in(key="second"), guest.lets_in(password=_PASSWORD)) == (True, True)
    assert not guest.lets_in(password="Wr0ng-word")

    cloud.call("ModifyInstancesAttribute", instance_id, HostName="second")
    guest = cloud.guest(instance_id)
    assert guest.run("hostname") == "second"
    assert guest.run("cat /state/work") == "kept"
    assert guest.run(host_key) == is_known_by
    cloud.wire.call("TerminateInstances", InstanceIds=[instance_id])
