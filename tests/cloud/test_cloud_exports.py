import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloud_bench import DISK, Bench, import_order

from linocut.cloud import buckets, exports, images, imports, publishing, sharing, tasks
from linocut.cloud.caller import Caller
from linocut.cloud.exports import ExportOrder
from linocut.cloud.workflows import exports as export_steps
from linocut.cloud.workflows.durable import Failed
from linocut.cloud.workflows.reconcile import reconcile
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.records import Task
from linocut.model.states import ImageState, TaskState

DRIVERS = {"RAW": "raw", "QCOW2": "qcow2", "VHD": "vpc", "VMDK": "vmdk"}


def bucket_of(caller: Caller) -> str:
    return f"golden-{caller.account.app_id}"


def order(caller: Caller, *image_ids: str, **changes: Any) -> ExportOrder:
    return replace(ExportOrder(image_ids, bucket_of(caller)), **changes)


def exported(bench: Bench, caller: Caller) -> dict[str, Path]:
    folder = bench.cloud.settings.state / "buckets" / bucket_of(caller)
    return {file.name: file for file in sorted(folder.iterdir())} if folder.is_dir() else {}


def task_of(bench: Bench, caller: Caller, number: int) -> Task:
    (task,) = tasks.list_tasks(bench.cloud, caller, tasks.TasksAsked((number,), {}, 0, 1)).items
    return task


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a file with what the store holds."""
    file = tmp_path / "seen-by-a-guest.raw"
    file.write_bytes(DISK)
    return file


@pytest.mark.parametrize("disk_format", DRIVERS)
def test_an_export_holds_what_a_guest_saw_and_imports_again(bench: Bench, disk: Path, disk_format: str) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)

    begun = exports.export_images(bench.cloud, owner, order(owner, image_id, format=disk_format, prefixes=("nightly",)))

    assert begun is not None
    ((name, file),) = exported(bench, owner).items()
    assert begun.keys == (name,)
    assert name.startswith(f"nightly_{image_id}_system_snap-")
    assert name.endswith(f".{disk_format.lower()}")
    compare = ["qemu-img", "compare", "-f", "raw", "-F", DRIVERS[disk_format], str(disk), str(file)]
    assert subprocess.run(compare, check=False, capture_output=True).returncode == 0
    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert task_of(bench, owner, begun.task_id).state is TaskState.SUCCESS
    again = imports.import_image(bench.cloud, owner, import_order("again", url=f"s3://{bucket_of(owner)}/{name}"))
    assert again is not None
    assert bench.image_row(again).failure == ""
    with bench.cloud.catalog.read() as tx:
        (snapshot,) = tx.images.snapshots_of(again)
    assert snapshot.root == bench.root
    assert list((bench.cloud.settings.state / "exports").iterdir()) == []


def test_every_disk_of_an_image_is_exported_unless_the_system_disk_alone_is_asked_for(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner, data_disk_urls=("http://127.0.0.1:1/data.raw",))

    exports.export_images(bench.cloud, owner, order(owner, image_id, prefixes=("all",)))
    exports.export_images(bench.cloud, owner_again(bench), order(owner, image_id, prefixes=("root",), root_disk_only=True))

    kinds = [name.split("_snap-")[0] for name in exported(bench, owner)]
    assert kinds == [f"all_{image_id}_data", f"all_{image_id}_system", f"root_{image_id}_system"]


def owner_again(bench: Bench) -> Caller:
    """Return the owner in another request."""
    return bench.caller("owner")


def test_several_images_are_exported_by_one_call(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, second = bench.image(owner, "first"), bench.image(owner, "second")

    begun = exports.export_images(bench.cloud, owner, order(owner, first, second))

    assert begun is not None
    assert sorted(begun.keys) == sorted(exported(bench, owner))
    assert [task_of(bench, owner, begun.task_id + place).resource for place in (0, 1)] == [first, second]


def test_an_image_is_exporting_until_the_export_is_done(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    with bench.holding():
        begun = exports.export_images(bench.cloud, owner, order(owner, image_id))

    assert begun is not None
    assert bench.image_row(image_id).state is ImageState.EXPORTING
    assert exported(bench, owner) == {}
    with pytest.raises(errors.ImageStateForbids):
        images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    with pytest.raises(errors.ImageStateForbids):
        exports.export_images(bench.cloud, owner_again(bench), order(owner, image_id))
    bench.workflows.run(bench.workflows.asked[-1])
    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert list(exported(bench, owner)) == list(begun.keys)


def test_an_image_that_is_being_exported_is_taken_back_from_others_at_once(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner)
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])
    with bench.holding():
        exports.export_images(bench.cloud, owner, order(owner, image_id))

    sharing.unshare_image(bench.cloud, owner, image_id, [friend.account.uin])

    assert bench.image_names(friend) == set()


REFUSED: list[tuple[dict[str, Any], dict[str, Any], type[Refusal]]] = [
    ({}, {"format": "ISO"}, errors.InvalidValue),
    ({}, {"role": "Admin"}, errors.RoleUnknown),
    ({}, {"prefixes": ("a", "b")}, errors.FileNamePrefixesInvalid),
    ({}, {"prefixes": ("../a",)}, errors.FileNamePrefixesInvalid),
    ({}, {"prefixes": ("",)}, errors.FileNamePrefixesInvalid),
    ({}, {"bucket": "golden"}, errors.BucketNotFound),
    ({}, {"bucket": "golden-1"}, errors.BucketNotFound),
    ({}, {"bucket": "../golden-{app}"}, errors.BucketNotFound),
    ({}, {"image_ids": ()}, errors.OneParameterNeeded),
    ({}, {"image_ids": ("img-00000000",)}, errors.ImageNotFound),
    ({}, {"image_ids": ("web",)}, errors.ImageIdMalformed),
    ({"os_type": "Windows Server 2019", "os_version": "-"}, {}, errors.ImageIsWindows),
    ({"os_type": "Redhat", "os_version": "9"}, {}, errors.ImageIsRedHat),
]


def test_what_is_not_exported_is_refused_and_left_as_it_was(bench: Bench) -> None:
    owner = bench.caller("owner")
    for number, (imported, changes, refusal) in enumerate(REFUSED):
        image_id = bench.image(owner, f"image-{number}", **imported)
        given = {**changes}
        if "bucket" in given:
            given["bucket"] = given["bucket"].format(app=owner.account.app_id)
        for dry_run in (True, False):
            with pytest.raises(refusal):
                exports.export_images(bench.cloud, owner, replace(order(owner, image_id), dry_run=dry_run, **given))
        assert bench.image_row(image_id).state is ImageState.NORMAL
    assert exported(bench, owner) == {}


def test_public_and_shared_images_are_not_exported(bench: Bench) -> None:
    friend = bench.caller("friend")
    shared = bench.image(bench.operator, "shared")
    public = bench.image(bench.operator, "public")
    sharing.share_image(bench.cloud, bench.operator, shared, [friend.account.uin])
    publishing.publish_image(bench.cloud, bench.operator, public, public=True)
    for caller, image_id, refusal in (
        (friend, shared, errors.ImageIsShared),
        (friend, public, errors.ImageIsPublic),
        (bench.operator, public, errors.ImageIsPublic),
    ):
        with pytest.raises(refusal):
            exports.export_images(bench.cloud, caller, order(caller, image_id))


def test_an_image_with_a_disk_beyond_the_limit_is_not_exported(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.change(export_disk_bytes=1 << 19)
    with pytest.raises(errors.ImageTooLargeToExport):
        exports.export_images(bench.cloud, owner, order(owner, bench.image(owner)))


def test_so_many_exports_are_under_way_at_a_time_and_no_more(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.change(export_tasks=1)
    first, second = bench.image(owner, "first"), bench.image(owner, "second")
    with bench.holding():
        exports.export_images(bench.cloud, owner, order(owner, first))
        with pytest.raises(errors.ExportsExceeded):
            exports.export_images(bench.cloud, owner_again(bench), order(owner, second))
    bench.workflows.run(bench.workflows.asked[-1])

    exports.export_images(bench.cloud, owner_again(bench), order(owner, second))

    assert len(exported(bench, owner)) == 2


def test_an_export_that_is_only_tried_leaves_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    before = bench.rows(), list(bench.workflows.asked)

    assert exports.export_images(bench.cloud, owner, order(owner, image_id, dry_run=True)) is None

    assert (bench.rows(), bench.workflows.asked) == before


def test_a_cancelled_export_ends_so_and_leaves_no_file(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    with bench.holding():
        begun = exports.export_images(bench.cloud, owner, order(owner, image_id))
    assert begun is not None

    tasks.cancel_task(bench.cloud, owner, begun.task_id)
    bench.workflows.run(bench.workflows.asked[-1])

    assert task_of(bench, owner, begun.task_id).state is TaskState.CANCELLED
    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert exported(bench, owner) == {}


def in_two_files(bench: Bench, owner: Caller) -> tuple[str, list[Path]]:
    """Return an image of two disks, with where the files of an export of it will be, in the order of their coming."""
    image_id = bench.image(owner, data_disk_urls=("http://127.0.0.1:1/data.raw",))
    begun = exports.export_images(bench.cloud, owner, order(owner, image_id))
    assert begun is not None
    folder = bench.cloud.settings.state / "buckets" / bucket_of(owner)
    return image_id, [folder / key for key in begun.keys]


def test_an_export_that_fails_halfway_leaves_no_half(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id, (first, second) = in_two_files(bench, owner)
    first.unlink()
    second.unlink()
    second.mkdir()
    (second / "in the way").touch()

    begun = exports.export_images(bench.cloud, owner_again(bench), order(owner, image_id))

    assert begun is not None
    assert task_of(bench, owner, begun.task_id).state is TaskState.FAILED
    assert not first.exists()


def test_what_an_earlier_export_left_is_not_withdrawn(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id, files = in_two_files(bench, owner)
    with bench.holding():
        begun = exports.export_images(bench.cloud, owner_again(bench), order(owner, image_id))
    assert begun is not None
    files[1].unlink()
    for position in (0, 1):
        export_steps.write_file(image_id, position, 2)
    free = export_steps.find_free(image_id)
    assert free == [1]
    for position in (0, 1):
        export_steps.put_file(image_id, position, 2)
    assert all(file.exists() for file in files)

    export_steps.withdraw_files(image_id, free)

    assert [file.read_bytes() == DISK for file in files if file.exists()] == [True]
    assert files[0].exists()


def test_an_export_that_is_cancelled_before_its_first_file_is_there_loses_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id, files = in_two_files(bench, owner)
    with bench.holding():
        begun = exports.export_images(bench.cloud, owner_again(bench), order(owner, image_id))
    assert begun is not None
    tasks.cancel_task(bench.cloud, owner, begun.task_id)
    bench.workflows.run(bench.workflows.asked[-1])

    assert task_of(bench, owner, begun.task_id).state is TaskState.CANCELLED
    assert [file.read_bytes() == DISK for file in files] == [True, True]


def test_files_that_cannot_be_withdrawn_are_named(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id, files = in_two_files(bench, owner)
    with bench.holding():
        exports.export_images(bench.cloud, owner_again(bench), order(owner, image_id))
    files[0].unlink()
    files[0].mkdir()

    failed = export_steps.withdraw_files(image_id, [0])

    assert isinstance(failed, Failed)
    assert files[0].name in failed.reason


def test_an_export_that_fails_says_why_and_the_image_is_normal_again(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    (bench.cloud.settings.state / "buckets").write_text("in the way")

    begun = exports.export_images(bench.cloud, owner, order(owner, image_id))

    assert begun is not None
    task = task_of(bench, owner, begun.task_id)
    assert (task.state, task.error) == (TaskState.FAILED, "The bucket cannot be opened.")
    assert bench.image_row(image_id).state is ImageState.NORMAL


def test_an_export_whose_start_was_lost_is_started_and_one_that_was_lost_has_failed(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, second = bench.image(owner, "first"), bench.image(owner, "second")
    with bench.holding():
        begun = exports.export_images(bench.cloud, owner, order(owner, first, second))
    assert begun is not None
    lost = bench.workflows.asked.pop()
    bench.workflows.ended.add(bench.workflows.asked.pop())

    reconcile(bench.cloud, bench.workflows)  # type: ignore[arg-type]  # it asks of an engine what DirectWorkflows offers

    assert lost in bench.workflows.ended
    assert [task_of(bench, owner, begun.task_id + place).state for place in (0, 1)] == [TaskState.FAILED, TaskState.SUCCESS]
    assert {bench.image_row(image_id).state for image_id in (first, second)} == {ImageState.NORMAL}


def test_exported_files_are_deleted_by_their_owner_but_not_while_they_are_written(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    image_id, other = bench.image(owner), bench.image(owner, "other")
    done = exports.export_images(bench.cloud, owner, order(owner, image_id))
    with bench.holding():
        coming = exports.export_images(bench.cloud, owner, order(owner, other))
    assert done is not None
    assert coming is not None

    for caller, keys, refusal in (
        (stranger, done.keys, errors.BucketNotFound),
        (owner, (*done.keys, *coming.keys), errors.TaskRunning),
        (owner, (*done.keys, "../x"), errors.InvalidValue),
    ):
        with pytest.raises(refusal):
            buckets.delete_files(bench.cloud, caller, bucket_of(owner), keys)
    assert tuple(exported(bench, owner)) == done.keys

    for _ in range(2):
        buckets.delete_files(bench.cloud, owner, bucket_of(owner), done.keys)
    assert exported(bench, owner) == {}


def test_a_link_leads_to_one_file_of_an_own_bucket_for_an_hour(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    begun = exports.export_images(bench.cloud, owner, order(owner, bench.image(owner)))
    assert begun is not None
    (key,) = begun.keys
    found = buckets.list_files(bench.cloud, owner, bucket_of(owner))
    assert [(file.key, file.size_bytes) for file in found.files] == [(key, 1 << 20)]

    link = buckets.create_download(bench.cloud, owner, bucket_of(owner), key).rpartition("/")[2]

    download = buckets.open_download(bench.cloud, link)
    assert (download.name, download.size_bytes) == (key, 1 << 20)
    assert b"".join(download.read(1 << 19)) == DISK[1 << 19 :]
    for asked in (stranger, bench.operator):
        with pytest.raises(errors.BucketNotFound):
            buckets.create_download(bench.cloud, asked, bucket_of(owner), key)
        with pytest.raises(errors.BucketNotFound):
            buckets.list_files(bench.cloud, asked, bucket_of(owner))
    for strange in ("../../linocut.db", "..", "", "nothing", "a//b"):
        with pytest.raises(errors.FileNotFound):
            buckets.create_download(bench.cloud, owner, bucket_of(owner), strange)
    for broken in (link[:-4] + "AAAA", "x", "", link.swapcase()):
        with pytest.raises(errors.FileNotFound):
            buckets.open_download(bench.cloud, broken)
    bench.clock.advance(buckets._LINK_LIFE)
    with pytest.raises(errors.FileNotFound):
        buckets.open_download(bench.cloud, link)


SOURCES = [
    ("s3://{bucket}/disk.raw", "s3://{bucket}/disk.raw"),
    ("https://{bucket}.cos.ap-guangzhou.myqcloud.com/a/disk.raw?sign=1", "s3://{bucket}/a/disk.raw"),
    ("http://s3.local:9000/{bucket}/disk.raw", "s3://{bucket}/disk.raw"),
    ("http://{bucket}.s3.local:9000/disk.raw", "s3://{bucket}/disk.raw"),
    ("http://s3.local/{bucket}/disk.raw", "http://s3.local/{bucket}/disk.raw"),
    ("https://other-1.cos.ap-guangzhou.myqcloud.com/disk.raw", "https://other-1.cos.ap-guangzhou.myqcloud.com/disk.raw"),
]


@pytest.mark.parametrize(("given", "meant"), SOURCES)
def test_a_bucket_is_known_by_its_urls(bench: Bench, given: str, meant: str) -> None:
    owner = bench.caller("owner")
    bench.change(bucket="s3://?endpoint=http://s3.local:9000&region=x")
    name = bucket_of(owner)

    assert buckets.bucket_url(bench.cloud, owner, given.format(bucket=name)) == meant.format(bucket=name)


def test_nobody_imports_from_another_account_s_bucket(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    exports.export_images(bench.cloud, owner, order(owner, bench.image(owner)))
    for url in (f"s3://{bucket_of(owner)}/{name}" for name in exported(bench, owner)):
        with pytest.raises(errors.UrlInvalid):
            imports.import_image(bench.cloud, stranger, import_order(url=url))
    for url in (f"s3://{bucket_of(owner)}/../x", f"s3://{bucket_of(owner)}", f"s3://{bucket_of(owner)}/"):
        with pytest.raises(errors.UrlInvalid):
            imports.import_image(bench.cloud, owner, import_order("other", url=url))


def test_an_import_of_a_file_that_is_not_there_fails_and_says_so(bench: Bench) -> None:
    owner = bench.caller("owner")

    image_id = imports.import_image(bench.cloud, owner, import_order(url=f"s3://{bucket_of(owner)}/disk.raw"))

    assert image_id is not None
    assert bench.image_row(image_id).failure == "There is no such file in the bucket."
