from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cloud_bench import ELSEWHERE, REGION, Bench, import_order

from linocut.cloud import images, imaging, imports, uploads
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.workflows import images as image_steps
from linocut.cloud.workflows.durable import Failed
from linocut.model import errors
from linocut.model.errors import Refusal
from linocut.model.states import ImageState, SnapshotState


def outcomes(calls: list[Callable[[], Any]]) -> list[Any]:
    """Return what calls at the same time give, the refusal's class where they are refused."""

    def outcome(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Refusal as refusal:
            return type(refusal)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def test_an_image_that_is_imported_can_be_read_at_once_and_is_not_there_yet(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.importing(owner)

    image = bench.image_row(image_id)

    assert (image.state, image.percent, image.owner, image.region) == ("IMPORTING", 0, owner.account.uin, REGION)
    assert image.os_name == "Debian 12 64bit"
    assert bench.workflows.asked == [("import-image", image_id, "")]


def test_an_upload_becomes_an_image_and_is_gone(bench: Bench) -> None:
    owner = bench.caller("owner")
    disk = bytes(510) + b"\x55\xaa" + b"disk" * 4096
    upload = uploads.create_upload(bench.cloud, owner, size_bytes=len(disk), sha256="")
    assert uploads.receive_upload(bench.cloud, upload.upload_id, 0, [disk[:1000], disk[1000:2000]]) == 2000
    with pytest.raises(errors.UploadIncomplete):
        imports.import_image(bench.cloud, owner, import_order(url=upload.url))
    with pytest.raises(errors.UploadIncomplete):
        uploads.receive_upload(bench.cloud, upload.upload_id, 0, [disk])
    uploads.receive_upload(bench.cloud, upload.upload_id, uploads.upload_offset(bench.cloud, upload.upload_id), [disk[2000:]])

    image_id = imports.import_image(bench.cloud, owner, import_order(url=upload.url))

    assert image_id is not None
    image = bench.image_row(image_id)
    assert (image.state, image.failure) == (ImageState.NORMAL, "")
    with bench.cloud.catalog.read() as tx:
        (snapshot,) = tx.images.snapshots_of(image_id)
    assert snapshot.state is SnapshotState.NORMAL
    assert snapshot.root is not None
    assert bench.cloud.stores.store(REGION).tree(snapshot.root).read(0, len(disk)) == disk
    assert list((bench.cloud.settings.state / "uploads").iterdir()) == []
    with pytest.raises(errors.UploadNotFound):
        imports.import_image(bench.cloud, owner, import_order("again", url=upload.url))


def test_an_upload_of_another_account_is_none(bench: Bench) -> None:
    upload = uploads.create_upload(bench.cloud, bench.caller("owner"), size_bytes=1, sha256="")
    uploads.receive_upload(bench.cloud, upload.upload_id, 0, [b"x"])
    with pytest.raises(errors.UploadNotFound):
        imports.import_image(bench.cloud, bench.caller("thief"), import_order(url=upload.url))


def test_an_upload_that_is_not_what_was_announced_fails_the_import(bench: Bench) -> None:
    owner = bench.caller("owner")
    upload = uploads.create_upload(bench.cloud, owner, size_bytes=1024, sha256="0" * 64)
    uploads.receive_upload(bench.cloud, upload.upload_id, 0, [bytes(1024)])
    with pytest.raises(errors.ValueOutOfRange):
        uploads.receive_upload(bench.cloud, upload.upload_id, 1024, [b"more"])

    image_id = imports.import_image(bench.cloud, owner, import_order(url=upload.url))

    assert image_id is not None
    assert bench.image_row(image_id).state is ImageState.IMPORTFAILED
    assert "SHA-256" in bench.image_row(image_id).failure


@pytest.mark.parametrize("places", [1, 2])
def test_the_last_places_of_the_image_quota_are_taken_once_each(bench: Bench, places: int) -> None:
    owner = bench.caller("owner")
    bench.change(image_quota=places)
    bench.workflows.held = True

    found = outcomes(
        [lambda name=f"image-{number}": imports.import_image(bench.cloud, owner, import_order(name)) for number in range(6)]
    )

    assert found.count(errors.ImageQuotaExceeded) == 6 - places
    assert len(bench.rows()[0]) == places


def test_a_quota_is_of_one_account_in_one_region(bench: Bench) -> None:
    bench.change(image_quota=1)
    for caller in (bench.caller("owner"), bench.caller("owner", ELSEWHERE), bench.caller("other")):
        bench.image(caller)
    with pytest.raises(errors.ImageQuotaExceeded):
        bench.image(bench.caller("owner"), "second")


def test_deleting_an_image_frees_its_place_and_its_name(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.change(image_quota=1)
    for state in (ImageState.NORMAL, ImageState.IMPORTFAILED, ImageState.NORMAL):
        image_id = bench.image_in(owner, state)
        images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    assert bench.rows()[0] == ()


def test_a_name_is_taken_once_however_many_ask_at_once(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.workflows.held = True

    found = outcomes([lambda: imports.import_image(bench.cloud, owner, import_order("web"))] * 4)

    assert found.count(errors.ImageNameTaken) == 3
    bench.image(bench.caller("other"), "web")


def test_an_import_that_is_only_tried_leaves_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")
    bench.image(owner, "taken")
    before = bench.rows(), list(bench.workflows.asked)

    assert imports.import_image(bench.cloud, owner, import_order(dry_run=True)) is None
    with pytest.raises(errors.ImageNameTaken):
        imports.import_image(bench.cloud, owner, import_order("taken", dry_run=True))

    assert (bench.rows(), bench.workflows.asked) == before


def test_taking_an_image_that_is_only_tried_leaves_nothing(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    before = bench.rows(), list(bench.workflows.asked)

    assert imaging.create_image(bench.cloud, owner, CreateOrder("new", instance_id, dry_run=True)) is None

    assert (bench.rows(), bench.workflows.asked) == before


def test_deleting_that_is_only_tried_leaves_all(bench: Bench) -> None:
    owner = bench.caller("owner")
    image_id = bench.image(owner)
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=True)
    assert bench.image_names(owner) == {"web"}


def test_images_are_deleted_all_or_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, second = bench.image(owner, "first"), bench.importing(owner, "second")
    with pytest.raises(errors.ImageStateForbids):
        images.delete_images(bench.cloud, owner, [first, second], delete_snapshots=False, dry_run=False)
    with pytest.raises(errors.ImageNotFound):
        images.delete_images(bench.cloud, owner, [first, "img-00000000"], delete_snapshots=False, dry_run=False)
    assert bench.image_names(owner) == {"first", "second"}


def test_a_deleted_image_s_snapshots_stay_unless_asked(bench: Bench) -> None:
    owner = bench.caller("owner")
    for name, asked in (("keep", False), ("drop", True)):
        images.delete_images(bench.cloud, owner, [bench.image(owner, name)], delete_snapshots=asked, dry_run=False)
    with bench.cloud.catalog.read() as tx:
        assert [snapshot.name for snapshot in tx.snapshots.owned(owner.account.uin, REGION)] == ["keep"]


def test_an_image_of_an_instance_holds_its_tree_and_lets_the_instance_go_on(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)

    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))

    assert image_id is not None
    image = bench.image_row(image_id)
    assert (image.state, image.percent, image.failure) == (ImageState.NORMAL, 100, "")
    assert image.os_name == bench.instance_row(instance_id).os_name
    instance = bench.instance_row(instance_id)
    assert (instance.state, instance.latest_operation, instance.latest_operation_state) == ("RUNNING", "CreateImage", "SUCCESS")
    second = imaging.create_image(bench.cloud, owner, CreateOrder("golden-2", instance_id))
    assert second is not None
    assert bench.image_row(second).state is ImageState.NORMAL


def test_an_image_by_force_is_taken_with_the_power_off_and_powers_on_again(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    verbs: list[str] = []
    bench.machines.refused = lambda verb, _: verbs.append(verb)

    imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id, force_poweroff=True))

    assert [verb for verb in verbs if verb in {"shut_down", "take", "start"}] == ["shut_down", "take", "start"]
    assert bench.instance_row(instance_id).state == "RUNNING"


def test_an_image_that_cannot_be_taken_fails_and_lets_the_instance_go_on(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)

    def refuse(verb: str, _instance_id: str) -> None:
        if verb == "take":
            raise OSError("the disk is upset")

    bench.machines.refused = refuse
    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id, force_poweroff=True))

    assert image_id is not None
    image = bench.image_row(image_id)
    assert (image.state, image.failure) == (ImageState.CREATEFAILED, "The service failed; its log says why.")
    instance = bench.instance_row(instance_id)
    assert (instance.state, instance.latest_operation_state) == ("RUNNING", "FAILED")


def test_an_instance_that_came_from_a_deleted_image_can_still_be_imaged(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    images.delete_images(bench.cloud, owner, [bench.instance_row(instance_id).image_id], delete_snapshots=True, dry_run=False)

    image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id))

    assert image_id is not None
    assert bench.image_row(image_id).state is ImageState.NORMAL
    assert bench.image_row(image_id).os_name == "Debian 12 64bit"


ORDERS: list[tuple[dict[str, Any], type[Refusal]]] = [
    ({"os_type": "TempleOS"}, errors.OsTypeUnsupported),
    ({"os_version": "99"}, errors.OsVersionUnsupported),
    ({"architecture": "vax"}, errors.InvalidValue),
    ({"architecture": "arm_64"}, errors.ParameterUnsupported),
    ({"boot_mode": "UEFI", "architecture": "i386"}, errors.ParameterUnsupported),
    ({"boot_mode": "Magic"}, errors.BootModeInvalid),
    ({"license_type": "Free"}, errors.LicenseTypeInvalid),
    ({"url": "http://a/debian.ISO?x=1"}, errors.IsoNeedsForce),
    ({"url": "http://a/debian.iso", "force": True}, errors.ParameterUnsupported),
    ({"url": "file:///etc/passwd"}, errors.UrlInvalid),
    ({"url": "http://"}, errors.UrlInvalid),
    ({"url": "http://host:port/"}, errors.UrlInvalid),
    ({"url": "http://a b/"}, errors.UrlInvalid),
    ({"url": "http://a/\nhttp://b/"}, errors.UrlInvalid),
    ({"url": "upload://nothing"}, errors.UploadNotFound),
    ({"family": "-"}, errors.ImageFamilyInvalid),
    ({"data_disk_urls": ("http://a/",) * 21}, errors.TooManyValues),
]


def test_an_order_that_makes_no_sense_is_refused_and_leaves_nothing(bench: Bench) -> None:
    for changes, refusal in ORDERS:
        with pytest.raises(refusal):
            imports.import_image(bench.cloud, bench.caller("owner"), import_order(**changes))
    assert bench.rows() == ((), ())
    assert bench.workflows.asked == []


def test_a_guest_runs_again_although_its_failed_image_is_deleted_meanwhile(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)

    with bench.holding():
        image_id = imaging.create_image(bench.cloud, owner, CreateOrder("golden", instance_id, force_poweroff=True))
    assert image_id is not None
    source = image_steps.plan_image(image_id)
    assert not isinstance(source, Failed)
    assert image_steps.quiesce(image_id) is True
    image_steps.record_failed(image_id, "It broke.")
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)

    image_steps.resume(*source)
    image_steps.release_instance(source[0], "It broke.")

    instance = bench.instance_row(instance_id)
    assert (instance.state, instance.latest_operation_state) == ("RUNNING", "FAILED")
    assert instance.latest_operation_error == "It broke."
