"""An image's whole life, for three accounts in two regions, with real guests and the official client over real HTTP."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar

import httpx
import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import models
from tencentcloud.cvm.v20170312.cvm_client import CvmClient

T = TypeVar("T")

_LINOCUT: Final = Path(sys.executable).parent / "linocut"
_BUILDER: Final = Path(__file__).parents[2] / "guests" / "tiny.py"
_HOME: Final = "ap-guangzhou"
_ABROAD: Final = "ap-shanghai"
_ZONES: Final = {_HOME: "ap-guangzhou-3", _ABROAD: "ap-shanghai-2"}
_DEADLINE_S: Final = 90.0

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


def until(what: str, look: Callable[[], T | None]) -> T:
    end = time.monotonic() + _DEADLINE_S
    while (found := look()) is None:
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Account:
    endpoint: str
    uin: str
    secret_id: str
    secret_key: str

    def call(self, action: str, region: str = _HOME, **parameters: object) -> Any:
        http = HttpProfile(protocol="http", endpoint=self.endpoint.removeprefix("http://"), reqTimeout=20)
        client = CvmClient(Credential(self.secret_id, self.secret_key), region, ClientProfile(httpProfile=http, language="en-US"))
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(parameters))
        return getattr(client, action)(request)

    def refusal(self, action: str, region: str = _HOME, **parameters: object) -> str:
        with pytest.raises(TencentCloudSDKException) as refused:
            self.call(action, region, **parameters)
        return str(refused.value.code)

    def image(self, image_id: str, region: str = _HOME) -> Any:
        return next(iter(self.call("DescribeImages", region, ImageIds=[image_id]).ImageSet), None)

    def await_image(self, image_id: str, region: str = _HOME) -> Any:
        def look() -> Any:
            image = self.image(image_id, region)
            assert image.ImageState not in {"CREATEFAILED", "IMPORTFAILED"}
            return image if image.ImageState == "NORMAL" else None

        return until(f"{image_id} is NORMAL", look)

    def launch(self, image_id: str, region: str = _HOME) -> str:
        answer = self.call("RunInstances", region, ImageId=image_id, Placement={"Zone": _ZONES[region]}, InstanceType="S5.SMALL1")
        return str(answer.InstanceIdSet[0])

    def guest(self, instance_id: str, region: str = _HOME) -> "Guest":
        def look() -> Guest | None:
            instance = self.call("DescribeInstances", region, InstanceIds=[instance_id]).InstanceSet[0]
            assert instance.InstanceState != "LAUNCH_FAILED", instance.LatestOperationErrorMsg
            guest = Guest(instance.PrivateIpAddresses[0])
            return guest if instance.InstanceState == "RUNNING" and guest.answers() else None

        return until(f"{instance_id} answers", look)


@dataclass(frozen=True)
class Guest:
    address: str

    def answers(self) -> bool:
        try:
            return self.run("true") == ""
        except httpx.HTTPError:
            return False

    def run(self, script: str) -> str:
        answer = httpx.post(f"http://{self.address}/cgi-bin/sh", content=script, timeout=10, trust_env=False)
        assert answer.headers["X-Exit-Code"] == "0", answer.text
        return answer.text


@contextmanager
def served(file: Path) -> Iterator[str]:
    """Serve a file's folder over HTTP on loopback, and yield the file's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(file.parent)))
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{file.name}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[tuple[Account, Account, Account]]:
    """Serve on an empty state; yield the owner (who is the operator), a friend and a stranger."""
    state = tmp_path / "state"
    environment = {**os.environ, "LINOCUT_ACCELERATOR": "tcg", "LINOCUT_FETCH_ALLOW": "127.0.0.0/8"}
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(
            [_LINOCUT, "serve", "--state", state, "--listen", "127.0.0.1:0", "--stop-guests"],
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
    try:
        assert service.stdout
        assert select.select([service.stdout], [], [], 60)[0], (tmp_path / "log").read_text()
        endpoint = service.stdout.readline().decode().removeprefix("listening on ").strip()

        def account(credentials: str) -> Account:
            known = json.loads(credentials)
            return Account(endpoint, known["Uin"], known["SecretId"], known["SecretKey"])

        def created(name: str) -> Account:
            command = [_LINOCUT, "account", "create", name, "--state", state, "--json"]
            return account(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        yield account((state / "credentials.json").read_text()), created("friend"), created("stranger")
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
        if service.stdout:
            service.stdout.close()


def test_an_image_is_imported_launched_imaged_shared_copied_and_deleted(
    accounts: tuple[Account, Account, Account], tmp_path: Path
) -> None:
    owner, friend, stranger = accounts
    disk = tmp_path / "tiny.qcow2"
    subprocess.run([sys.executable, _BUILDER, disk], check=True, capture_output=True)

    # Import, and start a machine of it.
    with served(disk) as url:
        system = {"Architecture": "x86_64", "OsType": "Other Linux", "OsVersion": "-"}
        imported = owner.call("ImportImage", ImageName="tiny", ImageUrl=url, Force=True, **system).ImageId
        owner.await_image(imported)
    first = owner.launch(imported)
    owner.guest(first).run("echo carved > /root/work && sync")

    # An image of the running machine, shared with one account.
    golden = owner.call("CreateImage", ImageName="golden", InstanceId=first).ImageId
    owner.await_image(golden)
    owner.guest(first).run("echo later > /root/work && sync")
    assert friend.refusal("RunInstances", ImageId=golden, Placement={"Zone": _ZONES[_HOME]}) == "InvalidImageId.NotFound"
    owner.call("ModifyImageSharePermission", ImageId=golden, AccountIds=[friend.uin], Permission="SHARE")
    assert friend.image(golden).ImageType == "SHARED_IMAGE"
    assert stranger.image(golden) is None

    # A copy in another region, for its owner alone.
    copy = owner.call("SyncImages", ImageIds=[golden], DestinationRegions=[_ABROAD], ImageSetRequired=True).ImageSet[0].ImageId
    owner.await_image(copy, _ABROAD)
    owner.await_image(golden)
    assert friend.image(copy, _ABROAD) is None

    # Both start with what the machine held when its image was taken.
    theirs, abroad = friend.launch(golden), owner.launch(copy, _ABROAD)
    assert friend.guest(theirs).run("cat /root/work") == "carved\n"
    assert owner.guest(abroad, _ABROAD).run("cat /root/work") == "carved\n"
    assert stranger.call("DescribeInstances").TotalCount == 0

    # Nothing goes while it is shared; a cancelled share ends at once, and leaves running machines alone.
    assert owner.refusal("DeleteImages", ImageIds=[golden]) == "InvalidImageId.InShared"
    owner.call("ModifyImageSharePermission", ImageId=golden, AccountIds=[friend.uin], Permission="CANCEL")
    assert friend.image(golden) is None
    assert friend.refusal("RunInstances", ImageId=golden, Placement={"Zone": _ZONES[_HOME]}) == "InvalidImageId.NotFound"
    owner.call("DeleteImages", ImageIds=[golden, imported], DeleteBindedSnap=True)
    assert owner.image(golden) is None
    assert friend.guest(theirs).run("cat /root/work") == "carved\n"
    assert owner.image(copy, _ABROAD).ImageState == "NORMAL"

    # The copy goes, too, and the machines.
    owner.call("TerminateInstances", _ABROAD, InstanceIds=[abroad])
    owner.call("DeleteImages", _ABROAD, ImageIds=[copy], DeleteBindedSnap=True)
    owner.call("TerminateInstances", InstanceIds=[first])
    friend.call("TerminateInstances", InstanceIds=[theirs])
    for account in accounts:
        for region in _ZONES:
            until(
                "all is gone",
                lambda account=account, region=region: account.call("DescribeInstances", region).TotalCount == 0 or None,
            )
            assert account.call("DescribeImages", region).TotalCount == 0
