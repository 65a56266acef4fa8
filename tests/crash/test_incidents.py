"""What else befalls a service: processes that die, disks that fill, objects that rot."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crash_world import World
from guest_disk import guest_disk
from service_process import ServiceProcess, wait_until

from linocut.blocks import ObjectCorrupt

PROGRAM = Path(sys.executable).parent / "linocut"


def test_guests_run_on_through_the_service_s_orderly_end_and_are_found_again(world: World) -> None:
    (instance_id,) = world.running()
    before = world.qemu_of(instance_id)

    world.end()
    world.start()

    assert world.qemu_of(instance_id) == before
    assert world.instance_of(instance_id)["InstanceState"] == "RUNNING"
    world.await_console(instance_id, b"d.")
    world.assert_nothing_leaked()
    world.is_spoilt = False


def test_a_guest_goes_on_when_its_block_server_is_killed(world: World) -> None:
    (instance_id,) = world.running()
    server = world.block_server()

    os.kill(server.pid, signal.SIGKILL)
    wait_until("another block server runs", lambda: world.has_block_server() and world.block_server().pid != server.pid)

    world.await_console(instance_id, b"d.d.d.")
    assert b"!" not in world.console(instance_id)[0]
    image_id = world.create_image(instance_id)
    assert world.await_image(image_id) == "NORMAL"
    world.await_instance(instance_id)
    world.call("DeleteImages", ImageIds=[image_id], DeleteBindedSnap=True)
    world.assert_nothing_leaked()
    world.is_spoilt = False


def test_a_machine_that_is_killed_from_outside_is_stopped_for_its_owner_and_starts_again(world: World) -> None:
    (instance_id,) = world.running()

    os.kill(world.qemu_of(instance_id), signal.SIGKILL)

    wait_until("it is STOPPED", lambda: world.instance_of(instance_id)["InstanceState"] == "STOPPED", 5.0)
    world.power_on(instance_id)
    world.await_console(instance_id, b"d.")
    world.assert_nothing_leaked()
    world.is_spoilt = False


def test_a_machine_that_ended_while_no_service_ran_is_stopped_for_its_owner(world: World) -> None:
    (instance_id,) = world.running()
    world.end()

    os.kill(world.qemu_of(instance_id), signal.SIGKILL)
    world.start()

    wait_until("it is STOPPED", lambda: world.instance_of(instance_id)["InstanceState"] == "STOPPED", 5.0)
    world.power_on(instance_id)
    world.assert_nothing_leaked()
    world.is_spoilt = False


def test_a_second_service_on_the_same_state_says_so_and_ends(world: World) -> None:
    second = ServiceProcess(world.state, world.log, {"accelerator": "tcg"})

    said = wait_until("it says why", lambda: second.said() if "linocut:" in second.said() else None)

    assert second.await_end() == 1
    assert f"Another service (process {world.service.pid}) runs on {world.state}." in said
    assert world.instances()
    world.is_spoilt = False


def test_what_a_release_with_other_steps_left_under_way_has_failed(world: World) -> None:
    world.end()
    world.start(crash_at="import-image.inspect:before")
    image_id = world.import_image(world.files.url("guest.raw"))
    world.await_crash()
    with closing(sqlite3.connect(world.state / "workflows.db")) as progress, progress:
        progress.execute("UPDATE workflow_status SET application_version = 'older' WHERE status = 'PENDING'")

    world.start()

    assert world.await_image(image_id) == "IMPORTFAILED"


def test_the_program_itself_ends_in_order_on_sigterm(tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LINOCUT_")}
    with subprocess.Popen(
        [PROGRAM, "serve", "--state", tmp_path / "state", "--listen", "127.0.0.1:0"],
        env=variables | {"LINOCUT_ACCELERATOR": "tcg"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("listening on http://127.0.0.1:")
        program.terminate()
        _, logged = program.communicate(timeout=30)

    assert program.returncode == 0, logged
    assert "Traceback" not in logged
    assert oct((tmp_path / "state" / "credentials.json").stat().st_mode)[-3:] == "600"


def test_a_damaged_chunk_is_a_read_error_for_the_guest_and_is_named(world: World) -> None:
    guest_disk(world.folder / "rotten.raw", mark=b"r")
    image_id = world.import_image(world.files.url("rotten.raw"))
    assert world.await_image(image_id) == "NORMAL"
    with world.tree(image_id) as tree:
        chunk = tree.chunk(4)
    assert chunk is not None
    stored = world.object_of(chunk.digest.hex(), "chunks")
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)

    (instance_id,) = world.run(image_id)

    world.await_console(instance_id, b"!.!.")
    assert b"r" not in world.console(instance_id)[0]
    with world.store() as store:
        (named,) = store.verify([world.root(image_id)]).corrupt
        assert chunk.digest.hex() in named
    with world.tree(image_id) as tree, pytest.raises(ObjectCorrupt):
        tree.read(2 << 20, 512)
    assert chunk.digest.hex() in world.block_server().log_path.read_text()


def test_a_lost_chunk_is_a_read_error_for_the_guest_and_whole_again_when_it_returns(world: World) -> None:
    guest_disk(world.folder / "lost.raw", mark=b"l")
    image_id = world.import_image(world.files.url("lost.raw"))
    assert world.await_image(image_id) == "NORMAL"
    with world.tree(image_id) as tree:
        chunk = tree.chunk(4)
    assert chunk is not None
    stored = world.object_of(chunk.digest.hex(), "chunks")
    hidden = stored.rename(stored.with_suffix(".hidden"))

    (instance_id,) = world.run(image_id)

    world.await_console(instance_id, b"!.")
    assert b"l" not in world.console(instance_id)[0]
    hidden.rename(stored)
    world.await_console(instance_id, b"l.l.")


def test_a_tree_that_is_gone_fails_the_launch_and_says_so(world: World) -> None:
    tree = world.object_of(world.root(world.base))
    hidden = tree.rename(tree.with_suffix(".hidden"))

    (instance_id,) = world.run(world.base)

    assert world.await_instance(instance_id) == "LAUNCH_FAILED"
    assert "store" in world.instance_of(instance_id)["LatestOperationErrorMsg"]
    assert tree.name in world.service.said()
    hidden.rename(tree)
    world.forget_failed_launches()
    world.assert_nothing_leaked()
    world.is_spoilt = False


@pytest.fixture
def cramped_world(tmp_path: Path) -> Iterator[World]:
    """Yield a service whose region stores have 6 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    world = World(tmp_path, store_mib=6)
    yield world
    world.close()


def test_a_disk_that_fills_up_fails_the_import_with_its_reason_and_not_the_service(cramped_world: World) -> None:
    world = cramped_world
    world.populate()
    large = world.folder / "large.raw"
    large.write_bytes((world.folder / "guest.raw").read_bytes() + os.urandom(12 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", large, large.with_suffix(".qcow2")], check=True)

    for name in ("large.raw", "large.qcow2"):
        image_id = world.import_image(world.files.url(name))
        assert world.await_image(image_id) == "IMPORTFAILED"
        assert re.search("no room|no space", world.failure(image_id))
        world.call("DeleteImages", ImageIds=[image_id], DeleteBindedSnap=True)

    world.await_rest()
    world.await_console(world.running_one(), b"d.")
    assert world.block_server().stat()["ingests"] == 0
    assert not any((world.state / "imports").iterdir())
