"""Tasks: each asynchronous operation has one, which tells how it goes, and cancels it where that is safe."""

import functools
import hashlib
import struct
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cloud_bench import Bench, import_order, run_order

from linocut.cloud import imaging, imports, instances, launches, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.instances import StopHow
from linocut.cloud.tasks import TasksAsked
from linocut.model import errors
from linocut.model.ids import ImageId
from linocut.model.records import Task
from linocut.model.states import ImageState, TaskState

_PARTITION = struct.pack("<B3xB3xII", 0x80, 0x83, 1, 2047)
DISK = bytes(446) + _PARTITION + bytes(48) + b"\x55\xaa" + b"data" * (((1 << 20) - 512) // 4)


class Mirror:
    """An HTTP server on loopback with a few files; those that are held back are sent by half until they are let go."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"disk.raw": DISK}
        self.let_go = threading.Event()
        self.let_go.set()
        self.asked = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, mirror: Mirror, *arguments: Any) -> None:
        self._mirror = mirror
        super().__init__(*arguments)

    def do_GET(self) -> None:
        data = self._mirror.files.get(self.path.removeprefix("/"))
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self._mirror.asked.set()
        self._mirror.let_go.wait(20)
        self.wfile.write(data[len(data) // 2 :])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(bench: Bench) -> Iterator[Mirror]:
    bench.change(fetch_allow=("127.0.0.0/8",))
    opened = Mirror()
    yield opened
    opened.close()


def listed(bench: Bench, caller: Caller, **filters: str) -> tuple[Task, ...]:
    asked = TasksAsked(None, {name: (value,) for name, value in filters.items()}, 0, 100)
    return tasks.list_tasks(bench.cloud, caller, asked).items


def import_from(bench: Bench, owner: Caller, url: str) -> ImageId:
    image_id = imports.import_image(bench.cloud, owner, import_order(url=url))
    assert image_id is not None
    return image_id


def test_every_operation_on_an_instance_is_a_task_that_ends_as_it_does(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    first, second = launches.run_instances(bench.cloud, bench.caller("owner"), run_order(image_id, count=2))
    assert {task.resource: (task.action, task.state) for task in listed(bench, owner, action="RunInstances")} == {
        first: ("RunInstances", TaskState.SUCCESS),
        second: ("RunInstances", TaskState.SUCCESS),
    }
    instances.stop_instances(bench.cloud, bench.caller("owner"), [first], how=StopHow.HARD)
    instances.start_instances(bench.cloud, bench.caller("owner"), [first])
    instances.reboot_instances(bench.cloud, bench.caller("owner"), [first], how=StopHow.HARD)
    imaging.create_image(bench.cloud, bench.caller("owner"), CreateOrder("golden", first))
    instances.terminate_instances(bench.cloud, bench.caller("owner"), [first])

    ended = listed(bench, owner, resource=first)
    actions = ["TerminateInstances", "RebootInstances", "StartInstances", "StopInstances", "RunInstances"]
    assert [task.action for task in ended] == actions
    assert {(task.state, task.percent, task.error) for task in ended} == {(TaskState.SUCCESS, 100, "")}
    assert [task.state for task in listed(bench, owner, action="CreateImage")] == [TaskState.SUCCESS]
    assert listed(bench, owner, state="RUNNING") == listed(bench, owner, action="ImportImage")  # which the bench ended itself


def test_a_task_that_fails_says_why(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)

    def refuse(verb: str, _instance_id: str) -> None:
        if verb == "start":
            raise errors.DiskSpaceExhausted("There is no room.")

    bench.machines.refused = refuse
    (instance_id,) = launches.run_instances(bench.cloud, bench.caller("owner"), run_order(image_id))
    (task,) = listed(bench, owner, resource=instance_id)
    assert (task.state, task.error) == (TaskState.FAILED, "There is no room.")
    assert task.ended_at == bench.clock.at


def test_tasks_are_numbered_filtered_and_paged(bench: Bench) -> None:
    owner = bench.caller("owner")
    for number in range(5):
        bench.importing(owner, f"image-{number}")
    found = tasks.list_tasks(bench.cloud, owner, TasksAsked(None, {"action": ("ImportImage",)}, 1, 2))
    assert found.total == 5
    assert [task.task_id for task in found.items] == sorted((task.task_id for task in found.items), reverse=True)
    one = found.items[0].task_id
    assert [task.task_id for task in tasks.list_tasks(bench.cloud, owner, TasksAsked((one,), {}, 0, 9)).items] == [one]
    with pytest.raises(errors.FilterUnknown):
        listed(bench, owner, colour="red")
    with pytest.raises(errors.IdsWithFilters):
        tasks.list_tasks(bench.cloud, owner, TasksAsked((one,), {"state": ("RUNNING",)}, 0, 9))
    assert listed(bench, bench.caller("stranger")) == ()


def test_old_tasks_are_forgotten_and_running_ones_are_not(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.instance(owner)
    bench.clock.advance(timedelta(days=bench.cloud.settings.task_days, seconds=1))
    tasks.remove_old(bench.cloud)
    assert {task.state for task in listed(bench, owner)} == {TaskState.RUNNING}


def test_an_import_tells_its_bytes(bench: Bench, mirror: Mirror) -> None:
    owner = bench.caller("owner")
    image_id = import_from(bench, owner, mirror.url("disk.raw"))
    assert bench.image_row(image_id).state is ImageState.NORMAL
    (task,) = listed(bench, owner, resource=image_id)
    assert (task.state, task.bytes_done, task.bytes_total) == (TaskState.SUCCESS, len(DISK), len(DISK))


def test_an_import_that_is_cancelled_ends_at_once_and_leaves_no_file(bench: Bench, mirror: Mirror) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        image_id = import_from(bench, owner, mirror.url("disk.raw"))
    (task,) = listed(bench, owner, resource=image_id)
    mirror.let_go.clear()
    importing = threading.Thread(target=bench.workflows.run, args=(("import-image", image_id, ""),))
    importing.start()
    assert mirror.asked.wait(20)
    tasks.cancel_task(bench.cloud, owner, task.task_id)
    tasks.cancel_task(bench.cloud, owner, task.task_id)  # twice is harmless
    importing.join(20)

    assert not importing.is_alive()
    assert bench.image_row(image_id).state is ImageState.IMPORTFAILED
    assert listed(bench, owner, resource=image_id)[0].state is TaskState.CANCELLED
    assert not any((bench.cloud.settings.state / "imports").glob("*/*"))


def test_a_cancellation_outlives_the_service(bench: Bench, mirror: Mirror) -> None:
    owner = bench.caller("owner")
    with bench.holding():
        image_id = import_from(bench, owner, mirror.url("disk.raw"))
    tasks.cancel_task(bench.cloud, owner, listed(bench, owner, resource=image_id)[0].task_id)
    bench.workflows.run(("import-image", image_id, ""))
    assert bench.image_row(image_id).state is ImageState.IMPORTFAILED
    assert listed(bench, owner, resource=image_id)[0].state is TaskState.CANCELLED


def test_an_image_of_an_instance_may_be_cancelled_and_the_instance_goes_on(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    with bench.holding():
        image_id = imaging.create_image(bench.cloud, bench.caller("owner"), CreateOrder("golden", instance_id))
    assert image_id is not None
    tasks.cancel_task(bench.cloud, owner, listed(bench, owner, resource=image_id)[0].task_id)
    bench.workflows.run(("create-image", image_id, ""))
    assert bench.image_row(image_id).state is ImageState.CREATEFAILED
    assert listed(bench, owner, resource=image_id)[0].state is TaskState.CANCELLED
    instances.stop_instances(bench.cloud, bench.caller("owner"), [instance_id], how=StopHow.HARD)


def test_what_cannot_be_cancelled_is_refused(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    with bench.holding():
        instances.stop_instances(bench.cloud, bench.caller("owner"), [instance_id], how=StopHow.SOFT)
    for task in listed(bench, owner, resource=instance_id):
        with pytest.raises(errors.TaskNotCancellable):
            tasks.cancel_task(bench.cloud, owner, task.task_id)
    with pytest.raises(errors.TaskNotFound):
        tasks.cancel_task(bench.cloud, owner, 0)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("told", ["digest", "list"])
def test_an_import_whose_checksum_is_right_succeeds(bench: Bench, mirror: Mirror, algorithm: str, told: str) -> None:
    digest = hashlib.new(algorithm, DISK).hexdigest()
    mirror.files["SUMS"] = f"{'0' * len(digest)}  other.raw\n{digest}  disk.raw\n".encode()
    fragment = f"{algorithm}={digest}" if told == "digest" else f"{algorithm}sums={mirror.url('SUMS')}"
    image_id = import_from(bench, bench.caller("owner"), f"{mirror.url('disk.raw')}#{fragment}")
    assert bench.image_row(image_id).failure == ""
    assert bench.image_row(image_id).state is ImageState.NORMAL


@pytest.mark.parametrize(
    ("sums", "failure"),
    [
        (f"{'0' * 64}  disk.raw\n".encode(), "The file does not have its checksum."),
        (f"{'0' * 64}  a.raw\n{'1' * 64}  b.raw\n".encode(), "The list of checksums does not name the file."),
        (None, "The server answered with status 404."),
    ],
    ids=["wrong", "without the file", "missing"],
)
def test_an_import_whose_checksum_is_not_right_fails(bench: Bench, mirror: Mirror, sums: bytes | None, failure: str) -> None:
    if sums is not None:
        mirror.files["SUMS"] = sums
    image_id = import_from(bench, bench.caller("owner"), f"{mirror.url('disk.raw')}#sha256sums={mirror.url('SUMS')}")
    assert (bench.image_row(image_id).state, bench.image_row(image_id).failure) == (ImageState.IMPORTFAILED, failure)


@pytest.mark.parametrize("url", ["http://host/disk.raw#sha256=abc", "upload://0#sha256=" + "a" * 64])
def test_a_checksum_that_cannot_be_checked_is_refused(bench: Bench, url: str) -> None:
    with pytest.raises(errors.UrlInvalid):
        import_from(bench, bench.caller("owner"), url)
