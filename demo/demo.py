"""The main job of Linocut, end to end, on a real operating system: carve a machine once, print it as often as you like.

A Debian disk image goes in; three instances start from it in one call; a file is written in one of them; while it runs,
an image is made of it; another account starts an instance from that image and reads the file back. Every call is made with
Tencent Cloud's own SDK, every look inside a guest through SSH.

    ./dev demo [--image FILE|URL] [--tiny]

It ends everything it started. An expectation that is not met is told in one message, and gives exit code 1.
"""

import argparse
import base64
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from stage import Account, Clock, Pulse, Shell, Unmet, expect, running_service, served
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

_GUESTS: Final = Path(__file__).resolve().parent.parent / "guests"
_LOG: Final = _GUESTS.parent / ".cache" / "demo-service.log"
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PLAIN_WIDTH: Final = 120
_LIMIT_S: Final = 20 * 60.0
_ZONE: Final = "ap-guangzhou-3"
_TYPE: Final = "S5.SMALL1"
_COPIES: Final = 3
_LONGEST_SILENCE_S: Final = 5.0

_USER_DATA: Final = "#!/bin/sh\nmkdir -p /var/tmp\necho 'printed by Linocut' > /var/tmp/from-user-data\n"
_NOTE: Final = "/var/tmp/carving"  # noqa: S108  a path in the guest


@dataclass(frozen=True)
class Instance:
    """A running guest: its id, its expected host name, the way into it, and the account it belongs to."""

    instance_id: str
    host_name: str
    shell: Shell
    account: Account


class Demo:
    """The story, step by step. `run` tells it."""

    def __init__(self, clock: Clock, source: str, *, tiny: bool) -> None:
        self._clock = clock
        self._source = source
        self._tiny = tiny
        self._launched: list[tuple[Account, list[str]]] = []

    def run(self) -> None:
        """Go through all steps. Raises Unmet, TencentCloudSDKException."""
        step = self._clock.step
        with ExitStack() as ending:
            with step("Get an operating system image"):
                disk = self._disk()
            with step("Start the service on an empty state directory"):
                service = ending.enter_context(running_service(_LOG))
                self._clock.say(f"{service.endpoint}, account {service.operator.uin}")
            operator = service.operator
            with step("Import the image"), self._url(disk) as url:
                image_id = self._import(operator, url)
            with step(f"Run {_COPIES} instances of it, until cloud-init has finished in each"):
                copies = self._launch(operator, image_id, _COPIES, "print-{R:1}", service.keys)
                self._check_arrivals(copies)
            with step("Write a file in one, and make an image of it while it runs"):
                carved = copies[0]
                note = self._write_note(carved)
                carving_id = self._carve(carved)
            with step("Share the image; the other account starts it and reads the file"):
                friend, stranger = service.new_account("friend"), service.new_account("stranger")
                self._share(operator, carving_id, friend, stranger)
                (twin,) = self._launch(friend, carving_id, 1, "reprint", service.keys)
                expect(
                    twin.shell.run(f"cat {_NOTE}") == note,
                    "the other account's instance does not hold the file as it was written",
                )
                self._clock.say(f"{twin.host_name} reads: {note}")
            figures = self._figures(operator, image_id, carving_id)
            with step("End everything"):
                self._terminate_all()
                left = service.end()
                expect(not left, "something was left running: " + "; ".join(left))
        self._print_report(figures)

    # 1 and 3: an image goes in

    def _disk(self) -> Path | None:
        """Return the disk file to import, None where the service is to fetch a URL itself."""
        if urlsplit(self._source).scheme in {"http", "https"}:
            self._clock.say(f"the service will fetch {self._source}")
            return None
        disk = Path(self._source).resolve() if self._source else self._built()
        expect(disk.is_file(), f"{disk} is no file")
        self._clock.say(f"{disk} ({disk.stat().st_size / 1e6:.0f} MB)")
        return disk

    def _built(self) -> Path:
        sys.path.insert(0, str(_GUESTS))
        import debian
        import debian_packages
        import disk_image
        import tiny

        self._clock.say("from Debian's packages; the first time this takes some minutes, then it is kept")
        try:
            disk: Path = tiny.build_tiny_guest() if self._tiny else debian.build_debian_image()
        except (disk_image.BuildError, debian_packages.PackageMissingError, subprocess.CalledProcessError) as error:
            raise Unmet(f"the image cannot be built: {error}") from error
        return disk

    def _url(self, disk: Path | None) -> AbstractContextManager[str]:
        return nullcontext(self._source) if disk is None else served(disk)

    def _import(self, account: Account, url: str) -> str:
        ordered = account.call(
            "ImportImage",
            ImageName="debian-12",
            ImageUrl=url,
            OsType="Debian",
            OsVersion="12",
            Architecture="x86_64",
            Force=self._tiny,
        )
        self._await_image(account, ordered.ImageId, "importing")
        return str(ordered.ImageId)

    def _await_image(self, account: Account, image_id: str, label: str) -> None:
        """Show the image's own progress until it is NORMAL."""
        begun = time.monotonic()
        with Progress(console=self._clock.console) as bars:
            bar = bars.add_task(f"   {label} {image_id}", total=100)

            def look() -> bool | None:
                image = account.image(image_id)
                expect(image is not None, f"{image_id} has vanished")
                if image.ImageState in {"IMPORTFAILED", "CREATEFAILED"}:
                    progress = account.call_own("DescribeImageProgress", ImageIds=[image_id])["ImageProgressSet"]
                    raise Unmet(f"{image_id} is {image.ImageState}: {progress[0]['Failure']}")
                normal = image.ImageState == "NORMAL"
                bars.update(bar, completed=100 if normal else image.SyncPercent or 0)
                return normal or None

            self._clock.until(f"{image_id} being NORMAL", look)
        self._clock.say(f"{image_id} is NORMAL, {time.monotonic() - begun:.1f} s after it was asked for")

    # 4: instances come out

    def _launch(self, account: Account, image_id: str, count: int, host_name: str, keys: Path) -> list[Instance]:
        """Run instances with a new key pair, and wait until each has set itself up."""
        pair = account.call("CreateKeyPair", KeyName=f"demo_{account.uin}", ProjectId=0).KeyPair
        key = keys / f"{pair.KeyId}.pem"
        key.write_text(pair.PrivateKey + "\n")
        key.chmod(0o600)
        ids = account.call(
            "RunInstances",
            ImageId=image_id,
            InstanceCount=count,
            InstanceType=_TYPE,
            Placement={"Zone": _ZONE},
            InstanceName=host_name,
            HostName=host_name,
            LoginSettings={"KeyIds": [pair.KeyId]},
            UserData=base64.b64encode(_USER_DATA.encode()).decode(),
        ).InstanceIdSet
        self._launched.append((account, list(ids)))
        running = self._clock.until("every instance RUNNING", lambda: self._all_running(account, list(ids)))
        copies = [
            Instance(
                held.InstanceId,
                held.HostName,
                Shell(held.PrivateIpAddresses[0], held.DefaultLoginUser or "root", key),
                account,
            )
            for held in sorted(running, key=lambda held: str(held.HostName))
        ]
        self._clock.say("running: " + ", ".join(f"{copy.host_name} at {copy.shell.address}" for copy in copies))
        self._await_set_up(copies)
        return copies

    def _all_running(self, account: Account, ids: list[str]) -> list[Any] | None:
        instances = account.instances(ids)
        for held in instances:
            if held.InstanceState in {"LAUNCH_FAILED", "STOPPED"}:
                raise Unmet(f"{held.InstanceId} is {held.InstanceState}: {held.LatestOperationErrorMsg}")
        running = len(instances) == len(ids) and all(held.InstanceState == "RUNNING" for held in instances)
        return instances if running else None

    def _await_set_up(self, copies: Sequence[Instance]) -> None:
        """Log in to each over SSH, as soon as that goes, and wait until cloud-init says that it is done."""
        begun = time.monotonic()
        # The tiny guest has no cloud-init; it has set itself up when its user data have run. Code 2 is "done, with remarks".
        waiting = (
            "until [ -s /var/tmp/from-user-data ]; do sleep 1; done; echo status: done"
            if self._tiny
            else "cloud-init status --wait || [ $? -eq 2 ]"
        )
        under_way = {copy: copy.shell.begin(waiting) for copy in copies}

        def look() -> bool | None:
            for copy, attempt in list(under_way.items()):
                if not attempt.has_ended:
                    continue
                said = attempt.result()
                if said is None:
                    under_way[copy] = copy.shell.begin(waiting)
                    continue
                expect("status: done" in said, f"cloud-init in {copy.host_name} says: {said.strip()}")
                del under_way[copy]
                self._clock.say(f"{copy.host_name} has set itself up, {time.monotonic() - begun:.0f} s after it began to run")
            return None if under_way else True

        try:
            self._clock.until("a login to each instance", look)
        except Unmet as unmet:
            copy = next(iter(under_way))
            tail = copy.account.console_tail(copy.instance_id)
            raise Unmet(f"{unmet}\nThe console of {copy.host_name} ends so:\n{tail}") from unmet

    def _check_arrivals(self, copies: Sequence[Instance]) -> None:
        """Look inside each guest for its host name, its key and its user data."""
        names = [copy.host_name for copy in copies]
        wanted = [f"print-{number}" for number in range(1, _COPIES + 1)]
        expect(names == wanted, f"the instances should be named {wanted}, and are {names}")
        for copy in copies:
            inside = copy.shell.run("hostname; cat /var/tmp/from-user-data").splitlines()
            wanted_inside = [copy.host_name, "printed by Linocut"]
            expect(inside == wanted_inside, f"{copy.host_name} should say {wanted_inside} from inside, and says {inside}")
        self._clock.say("host name, key and user data have arrived in each, seen from inside")

    # 5: a running instance becomes an image

    def _write_note(self, copy: Instance) -> str:
        note = f"carved in {copy.host_name} at {time.strftime('%H:%M:%S')}"
        copy.shell.run(f"echo '{note}' > {_NOTE} && sync")
        return note

    def _carve(self, copy: Instance) -> str:
        """Make an image of the instance, and prove that it ran on meanwhile: same boot, and never silent for long."""
        boot_id = copy.shell.run("cat /proc/sys/kernel/random/boot_id")
        pulse = Pulse(copy.shell)
        try:
            ordered = copy.account.call("CreateImage", InstanceId=copy.instance_id, ImageName="debian-12-carved")
            self._await_image(copy.account, ordered.ImageId, "creating")
        finally:
            ticks, silence_s, alive = pulse.stop()
        expect(alive, f"{copy.host_name} fell silent when its image was made")
        expect(silence_s < _LONGEST_SILENCE_S, f"{copy.host_name} was silent for {silence_s:.1f} s while its image was made")
        same = copy.shell.run("cat /proc/sys/kernel/random/boot_id") == boot_id
        expect(same, f"{copy.host_name} booted again while its image was made")
        self._clock.say(f"{copy.host_name} ran on: {ticks} ticks five a second, the longest gap {silence_s:.2f} s, the same boot")
        return str(ordered.ImageId)

    # 6: sharing

    def _share(self, owner: Account, image_id: str, friend: Account, stranger: Account) -> None:
        expect(friend.image(image_id) is None, "another account sees the image before it is shared")
        owner.call("ModifyImageSharePermission", ImageId=image_id, AccountIds=[friend.uin], Permission="SHARE")
        seen = friend.image(image_id)
        expect(seen is not None and seen.ImageType == "SHARED_IMAGE", "the account that it is shared with does not see the image")
        expect(stranger.image(image_id) is None, "a third account sees the image")
        try:
            stranger.call("RunInstances", ImageId=image_id, InstanceType=_TYPE, Placement={"Zone": _ZONE})
        except TencentCloudSDKException as error:
            refused = str(error.get_code())
        else:
            refused = ""
        expect(refused == "InvalidImageId.NotFound", f"a third account that starts the image is told {refused or 'nothing'}")
        self._clock.say(f"{friend.uin} sees it; for {stranger.uin} it does not exist")

    # 7 and 8: the account of it all

    def _figures(self, account: Account, image_id: str, carving_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return what our part of each launch took, and the bytes of the two images."""
        launches = [
            launch
            for launcher, ids in self._launched
            for launch in launcher.call_own("DescribeLaunches", InstanceIds=ids)["LaunchSet"]
        ]
        usages = account.call_own("DescribeImageUsage", ImageIds=[image_id, carving_id])["ImageUsageSet"]
        by_id = {usage["ImageId"]: usage for usage in usages}
        return launches, [by_id[image_id] | {"Name": "debian-12"}, by_id[carving_id] | {"Name": "debian-12-carved"}]

    def _terminate_all(self) -> None:
        for account, ids in self._launched:
            account.call("TerminateInstances", InstanceIds=ids)
        self._clock.until("the end of every instance", lambda: None if any(self._remaining()) else True)

    def _remaining(self) -> Iterator[Any]:
        for account, ids in self._launched:
            yield from account.instances(ids)

    def _print_report(self, figures: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
        launches, images = figures
        table = Table(title="Linocut, end to end")
        table.add_column("What", overflow="fold")
        table.add_column("How much", justify="right", no_wrap=True)
        for title, seconds in self._clock.steps.items():
            table.add_row(title, f"{seconds:.1f} s")
        table.add_row("All of it", f"{time.monotonic() - self._clock.begun:.1f} s", end_section=True)
        for launch in launches:
            took = launch["Milliseconds"]
            ours = took["queue"] + took["prepare"] + took["spawn"]
            parts = f"waiting {took['queue']:.0f}, files {took['prepare']:.0f}, start of QEMU {took['spawn']:.0f}"
            table.add_row(f"Our part of the launch of {launch['InstanceId']}: {parts}", f"{ours:.0f} ms")
        table.add_section()
        for image in images:
            table.add_row(f"{image['Name']}: bytes logical", f"{image['LogicalBytes']:,}")
            table.add_row(f"{image['Name']}: bytes stored", f"{image['StoredBytes']:,}")
        table.add_row(f"{images[1]['Name']}: bytes that it added", f"{images[1]['AddedBytes']:,}")
        self._clock.console.print(table)


def _interrupt(_signal: int, _frame: object) -> None:
    """End the demo; from now on nothing interrupts the ending."""
    for end in _ENDS:
        signal.signal(end, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo that the command line asks for."""
    arguments = argparse.ArgumentParser(prog="./dev demo", description="The main job of Linocut, end to end.")
    arguments.add_argument("--image", default="", metavar="FILE|URL", help="a disk image in place of the Debian built here")
    arguments.add_argument("--tiny", action="store_true", help="the image is, or is to be, the tiny guest of the tests: quicker")
    chosen = arguments.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH)
    for end in _ENDS:
        signal.signal(end, _interrupt)
    _LOG.unlink(missing_ok=True)
    try:
        Demo(Clock(console, _LIMIT_S), chosen.image, tiny=chosen.tiny).run()
    except (Unmet, TencentCloudSDKException, OSError) as error:
        console.print(f"\nThe demo failed: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        if _LOG.exists():
            console.print(f"What the service said is in {_LOG}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted; everything is ended.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
