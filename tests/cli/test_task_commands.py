"""What `linocut task`, `linocut catalog` and `linocut image publish` send and print."""

import json
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cli_program import Linocut
from fake_wire import FakeWire, image

from linocut.cli.failures import CommandFailed
from linocut.cli.image_catalog import read_catalog

Answer = Callable[..., Any]
ENTRY = {
    "title": "Debian 12",
    "family": "debian-12",
    "os_type": "Debian",
    "os_version": "12",
    "url": "https://host/disk.qcow2",
    "sha512sums": "https://host/SHA512SUMS",
    "user": "debian",
}


def task(number: int, state: str = "RUNNING", **fields: Any) -> dict[str, Any]:
    return {
        "TaskId": number,
        "Action": "SyncImages",
        "Resource": "img-00000001",
        "State": state,
        "Percent": 40,
        "BytesDone": 4 << 20,
        "BytesTotal": 10 << 20,
        "Error": "",
        "CancelAsked": False,
        "RequestId": "r",
        "CreatedTime": "2026-11-23T00:00:00Z",
        "EndedTime": None,
    } | fields


def tasks(wire: FakeWire, *found: dict[str, Any]) -> None:
    """Let the service have these tasks, each look at one of them showing the next."""
    looks = iter(found)

    def describe(asked: dict[str, Any]) -> dict[str, Any]:
        shown = [next(looks)] if "TaskIds" in asked else list(found)[asked["Offset"] :][: asked["Limit"]]
        return {"TaskSet": shown, "TotalCount": len(found)}

    wire.answers["DescribeTasks"] = describe


def test_every_task_is_listed_page_by_page(wire: FakeWire, answer: Answer) -> None:
    tasks(wire, *[task(number) for number in range(250)])
    assert [one["TaskId"] for one in answer("task", "list", "--running", "--action", "SyncImages")] == list(range(250))
    assert wire.last("DescribeTasks")["Filters"] == [
        {"Name": "action", "Values": ["SyncImages"]},
        {"Name": "state", "Values": ["RUNNING"]},
    ]


def test_a_list_says_how_far_a_task_is(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    tasks(wire, task(7))
    assert "RUNNING 40%  4.0 MiB of 10.0 MiB" in linocut("task", "list", "--state", state).stdout


def test_waiting_ends_with_the_task(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    tasks(wire, task(7), task(7, "SUCCESS"))
    assert linocut("task", "wait", "7", "--state", state).stdout == "7\n"


def test_waiting_for_a_task_that_fails_fails_and_says_why(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    tasks(wire, task(7), task(7, "FAILED", Error="It broke."))
    done = linocut("task", "wait", "7", "--state", state)
    assert (done.returncode, done.stderr) == (1, "linocut: task 7 is FAILED: It broke.\n")


def test_a_task_is_cancelled_by_its_number(wire: FakeWire, answer: Answer) -> None:
    tasks(wire, task(7, CancelAsked=True))
    wire.answers["CancelTask"] = lambda _: {}
    assert answer("task", "cancel", "7")["CancelAsked"]
    assert wire.last("CancelTask") == {"TaskId": 7}


def test_a_task_that_is_not_there_is_named(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.answers["DescribeTasks"] = lambda _: {"TaskSet": [], "TotalCount": 0}
    assert linocut("task", "show", "7", "--state", state).stderr == "linocut: there is no task 7\n"


def test_an_image_is_published_in_place_of_others(wire: FakeWire, answer: Answer) -> None:
    wire.images = [image("img-00000001", "debian")]
    wire.answers["PublishImage"] = lambda _: {}
    answer("image", "publish", "debian", "--replaced", "withdraw")
    assert wire.last("PublishImage") == {"ImageId": "img-00000001", "Public": True, "Replaced": "WITHDRAW"}
    answer("image", "withdraw", "img-00000001")
    assert wire.last("PublishImage") == {"ImageId": "img-00000001", "Public": False}


def catalog_file(folder: Path, **changes: str | None) -> Path:
    entry = {key: value for key, value in (ENTRY | changes).items() if value is not None}
    file = folder / "catalog.toml"
    file.write_text("[debian-12]\n" + "".join(f'{key} = "{value}"\n' for key, value in entry.items()))
    return file


def test_a_pull_imports_with_the_checksum_and_publishes_in_the_family(wire: FakeWire, answer: Answer, tmp_path: Path) -> None:
    wire.answers["PublishImage"] = lambda _: {}
    wire.images = [image("img-00000009", "debian")]
    wire.answers["ImportImage"] = lambda _: {"ImageId": "img-00000009"}
    assert answer("catalog", "pull", "debian-12", "--file", catalog_file(tmp_path))["ImageId"] == "img-00000009"
    ordered = wire.last("ImportImage")
    assert ordered["ImageUrl"] == "https://host/disk.qcow2#sha512sums=https://host/SHA512SUMS"
    assert (ordered["ImageFamily"], ordered["OsType"], ordered["OsVersion"]) == ("debian-12", "Debian", "12")
    assert wire.last("PublishImage") == {"ImageId": "img-00000009", "Public": True, "Replaced": "DEPRECATE"}


def test_the_list_says_what_of_it_is_published(wire: FakeWire, answer: Answer, tmp_path: Path) -> None:
    file = catalog_file(tmp_path)
    assert [one["Image"] for one in answer("catalog", "list", "--file", file)] == [None]
    wire.images = [image("img-00000001", "debian-12", "PUBLIC_IMAGE"), image("img-00000002", "debian-12")]
    assert [one["Image"] for one in answer("catalog", "list", "--file", file)] == ["img-00000001"]


@pytest.mark.usefixtures("wire")
def test_the_setting_of_the_service_names_the_catalog(answer: Answer, state: Path, tmp_path: Path) -> None:
    (state / "settings.json").write_text(json.dumps({"image_catalog": str(catalog_file(tmp_path))}))
    assert [one["Name"] for one in answer("catalog", "list")] == ["debian-12"]


def test_what_the_catalog_lacks_is_named(linocut: Linocut, state: Path) -> None:
    done = linocut("catalog", "pull", "plan9", "--state", state)
    assert (done.returncode, done.stderr) == (1, "linocut: the catalog has no plan9: see `linocut catalog list`\n")


@pytest.mark.parametrize(
    "changes", [{"url": None}, {"sha512sums": None}, {"sha256sums": "https://host/S"}, {"os_type": "Plan 9"}, {"colour": "red"}]
)
def test_a_catalog_that_says_too_little_or_too_much_is_refused(tmp_path: Path, changes: dict[str, str | None]) -> None:
    with pytest.raises(CommandFailed, match="debian-12"):
        read_catalog(catalog_file(tmp_path, **changes))


def test_the_shipped_catalog_can_be_imported_and_verified() -> None:
    entries = tomllib.loads((files("linocut.cli") / "image_catalog.toml").read_text())
    assert len(read_catalog(None)) == len(entries) > 20
    for name, entry in entries.items():
        for url in (entry["url"], entry.get("sha256sums") or entry["sha512sums"]):
            assert urlsplit(url).scheme == "https", name
        assert entry["url"].endswith((".qcow2", ".img")), name
