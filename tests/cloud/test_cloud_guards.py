"""What may be done to whom, by enumeration: every state, and every public function against a foreign account."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import foreign_networks
import pytest
from cloud_bench import REGION, ZONE, Bench, import_order, run_order

import linocut.cloud
from linocut.cloud import (
    attaching,
    audit,
    disk_changes,
    disk_offers,
    disks,
    displays,
    exports,
    images,
    imaging,
    imports,
    instance_changes,
    instances,
    keys,
    launches,
    logins,
    new_disks,
    new_snapshots,
    prices,
    publishing,
    reinstalling,
    resizing,
    rollbacks,
    sharing,
    snapshot_copies,
    snapshot_groups,
    snapshot_policies,
    snapshot_sharing,
    snapshots,
    syncing,
    tags,
    tasks,
)
from linocut.cloud.disk_changes import DiskAttributes
from linocut.cloud.exports import ExportOrder
from linocut.cloud.images import ImageQuery
from linocut.cloud.imaging import CreateOrder
from linocut.cloud.instance_changes import Attributes
from linocut.cloud.instances import InstanceQuery, StopHow
from linocut.cloud.keys import KeyQuery
from linocut.cloud.listing import BlockQuery
from linocut.cloud.new_disks import NewDisks
from linocut.cloud.new_snapshots import GroupOrder, SnapshotOrder
from linocut.cloud.reinstalling import ResetOrder
from linocut.cloud.resizing import InstanceDiskSize
from linocut.cloud.rollbacks import Power
from linocut.cloud.snapshot_policies import PolicyOrder
from linocut.cloud.snapshots import SnapshotAttributes
from linocut.cloud.syncing import SyncOrder
from linocut.cloud.tags import ResourceKind
from linocut.cloud.tasks import TasksAsked
from linocut.model import errors
from linocut.model.errors import NotAllowed, NotFound, Refusal
from linocut.model.records import PolicyRule, Tag
from linocut.model.states import ImageState, InstanceState, OperationState

Act = Callable[[Bench, Any, str], Any]

ON_INSTANCES: dict[str, tuple[Act, set[InstanceState]]] = {
    "start": (
        lambda bench, caller, name: instances.start_instances(bench.cloud, caller, [name]),
        {InstanceState.STOPPED},
    ),
    "stop": (
        lambda bench, caller, name: instances.stop_instances(bench.cloud, caller, [name], how=StopHow.SOFT),
        {InstanceState.RUNNING},
    ),
    "reboot": (
        lambda bench, caller, name: instances.reboot_instances(bench.cloud, caller, [name], how=StopHow.SOFT),
        {InstanceState.RUNNING},
    ),
    "terminate": (
        lambda bench, caller, name: instances.terminate_instances(bench.cloud, caller, [name]),
        {InstanceState.RUNNING, InstanceState.STOPPED},
    ),
    "reset": (
        lambda bench, caller, name: reinstalling.reset_instance(bench.cloud, caller, ResetOrder(name)),
        {InstanceState.RUNNING, InstanceState.STOPPED},
    ),
    "image": (
        lambda bench, caller, name: imaging.create_image(bench.cloud, caller, CreateOrder("golden", name)),
        {InstanceState.RUNNING, InstanceState.STOPPED},
    ),
}
CHANGES: dict[str, tuple[Act, set[InstanceState]]] = {
    "modify_instances": (
        lambda bench, caller, name: instance_changes.modify_instances(bench.cloud, caller, [name], Attributes(name="new")),
        {InstanceState.RUNNING, InstanceState.STOPPED},
    ),
    "move_to_project": (
        lambda bench, caller, name: instance_changes.move_to_project(bench.cloud, caller, [name], 0),
        {InstanceState.RUNNING, InstanceState.STOPPED},
    ),
    "reset_passwords": (
        lambda bench, caller, name: logins.reset_passwords(bench.cloud, caller, [name], "Passw0rd-2"),
        {InstanceState.STOPPED},
    ),
    "bind_keys": (
        lambda bench, caller, name: logins.bind_keys(bench.cloud, caller, [name], [_pair(bench, caller)], force_stop=False),
        {InstanceState.STOPPED},
    ),
    "unbind_keys": (
        lambda bench, caller, name: logins.unbind_keys(bench.cloud, caller, [name], [_pair(bench, caller)], force_stop=False),
        {InstanceState.STOPPED},
    ),
}
"""What changes an instance at once, without a workflow."""
ON_IMAGES: dict[str, tuple[Act, set[ImageState]]] = {
    "run": (
        lambda bench, caller, name: launches.run_instances(bench.cloud, caller, run_order(name)),
        {ImageState.NORMAL, ImageState.SYNCING, ImageState.EXPORTING},
    ),
    "modify": (
        lambda bench, caller, name: images.modify_image(
            bench.cloud, caller, name, name="new", description="", family="", deprecated=True
        ),
        {ImageState.NORMAL, ImageState.CREATEFAILED, ImageState.IMPORTFAILED},
    ),
    "delete": (
        lambda bench, caller, name: images.delete_images(bench.cloud, caller, [name], delete_snapshots=True, dry_run=False),
        {ImageState.NORMAL, ImageState.CREATEFAILED, ImageState.IMPORTFAILED},
    ),
    "share": (
        lambda bench, caller, name: sharing.share_image(bench.cloud, caller, name, [bench.operator.account.uin]),
        {ImageState.NORMAL},
    ),
    "export": (
        lambda bench, caller, name: exports.export_images(
            bench.cloud, caller, ExportOrder((name,), f"golden-{caller.account.app_id}")
        ),
        {ImageState.NORMAL},
    ),
    "unshare": (
        lambda bench, caller, name: sharing.unshare_image(bench.cloud, caller, name, [bench.operator.account.uin]),
        {ImageState.NORMAL, ImageState.SYNCING, ImageState.EXPORTING},
    ),
}
FOREIGN_IMAGE: dict[str, Act] = {
    "run_instances": ON_IMAGES["run"][0],
    "modify_image": ON_IMAGES["modify"][0],
    "delete_images": ON_IMAGES["delete"][0],
    "share_image": ON_IMAGES["share"][0],
    "unshare_image": ON_IMAGES["unshare"][0],
    "export_images": ON_IMAGES["export"][0],
    "list_shares": lambda bench, caller, name: sharing.list_shares(bench.cloud, caller, name),
    "image_usage": lambda bench, caller, name: images.image_usage(bench.cloud, caller, [name]),
    "publish_image": lambda bench, caller, name: publishing.publish_image(bench.cloud, caller, name, public=True),
    "own_image": lambda bench, caller, name: _in_transaction(bench, lambda tx: images.own_image(tx, caller, name)),
    "visible_image": lambda bench, caller, name: _in_transaction(bench, lambda tx: images.visible_image(tx, caller, name)),
}
FOREIGN_INSTANCE: dict[str, Act] = {
    "start_instances": ON_INSTANCES["start"][0],
    "stop_instances": ON_INSTANCES["stop"][0],
    "reboot_instances": ON_INSTANCES["reboot"][0],
    "terminate_instances": ON_INSTANCES["terminate"][0],
    "create_image": ON_INSTANCES["image"][0],
    "console": lambda bench, caller, name: instances.console(bench.cloud, caller, name, offset=0, limit=1),
}
FOREIGN_INSTANCE |= {name: act for name, (act, _) in CHANGES.items()}
for binding in (logins.bind_keys, logins.unbind_keys):
    FOREIGN_INSTANCE[binding.__name__] = lambda bench, caller, name, binding=binding: binding(
        bench.cloud, caller, [name], ["skey-00000000"], force_stop=False
    )
FOREIGN_INSTANCE["reset_instance"] = ON_INSTANCES["reset"][0]
FOREIGN_INSTANCE["user_data_of"] = lambda bench, caller, name: instance_changes.user_data_of(bench.cloud, caller, [name])
FOREIGN_IMAGE["price_of_launch"] = lambda bench, caller, name: prices.price_of_launch(bench.cloud, caller, run_order(name))
FOREIGN_INSTANCE["price_of_reset"] = lambda bench, caller, name: prices.price_of_reset(bench.cloud, caller, ResetOrder(name))
FOREIGN_INSTANCE["offer_display"] = lambda bench, caller, name: displays.offer_display(bench.cloud, caller, name)
FOREIGN_IMAGE["sync_image"] = lambda bench, by, name: syncing.sync_image(bench.cloud, by, SyncOrder((name,), ("ap-shanghai",)))
FOREIGN_IMAGE["delete_held"] = lambda bench, by, name: _in_transaction(
    bench, lambda tx: images.delete_held(tx, by, [name], delete_snapshots=True)
)
FOREIGN_IMAGE["modify_tags"] = lambda bench, caller, name: tags.modify_tags(
    bench.cloud, caller, f"qcs::cvm:ap-guangzhou:uin/:image/{name}", replace=[Tag("a", "b")], delete=[]
)
FOREIGN_INSTANCE["attach_disks"] = lambda bench, by, name: attaching.attach_disks(bench.cloud, by, name, ["disk-00000000"])
FOREIGN_INSTANCE["instance_for_disks"] = lambda bench, by, name: _in_transaction(
    bench, lambda tx: attaching.instance_for_disks(tx, by, name)
)
FOREIGN_INSTANCE["resize_instance_disk"] = lambda bench, by, name: resizing.resize_instance_disk(
    bench.cloud, by, name, InstanceDiskSize(100, is_system=True)
)
FOREIGN_INSTANCE["disk_counts"] = lambda bench, by, name: disk_offers.disk_counts(bench.cloud, by, [name])
FOREIGN_DISK: dict[str, Act] = {
    "detach_disks": lambda bench, by, name: attaching.detach_disks(bench.cloud, by, [name]),
    "resize_disk": lambda bench, by, name: resizing.resize_disk(bench.cloud, by, name, 1000),
    "modify_disks": lambda bench, by, name: disk_changes.modify_disks(bench.cloud, by, [name], DiskAttributes(name="new")),
    "terminate_disks": lambda bench, by, name: disk_changes.terminate_disks(bench.cloud, by, [name]),
    "initialize_disks": lambda bench, by, name: disk_changes.initialize_disks(bench.cloud, by, [name]),
    "price_of_growth": lambda bench, by, name: disk_offers.price_of_growth(bench.cloud, by, [name], 1000),
    "owned_disks": lambda bench, by, name: _in_transaction(bench, lambda tx: disks.owned_disks(tx, by, [name], most=1)),
}
FOREIGN_TASK: dict[str, Act] = {"cancel_task": lambda bench, by, name: tasks.cancel_task(bench.cloud, by, int(name))}
FOREIGN_KEY: dict[str, Act] = {
    "delete_key_pairs": lambda bench, caller, name: keys.delete_key_pairs(bench.cloud, caller, [name]),
    "modify_key_pair": lambda bench, caller, name: keys.modify_key_pair(bench.cloud, caller, name, name="new", description=None),
}
FOREIGN_SNAPSHOT: dict[str, Act] = {
    "apply_snapshot": lambda bench, by, name: rollbacks.apply_snapshot(bench.cloud, by, name, "disk-00000000", Power()),
    "own_snapshots": lambda bench, by, name: snapshots.own_snapshots(bench.cloud, by, [name]),
    "modify_snapshot": lambda bench, by, name: snapshots.modify_snapshot(bench.cloud, by, name, SnapshotAttributes("new")),
    "delete_within": lambda bench, by, name: _in_transaction(
        bench, lambda tx: snapshots.delete_within(tx, by, [name], delete_images=True)
    ),
    "delete_snapshots": lambda bench, by, name: snapshots.delete_snapshots(bench.cloud, by, [name], delete_images=True),
    "copy_snapshot": lambda bench, by, name: snapshot_copies.copy_snapshot(bench.cloud, by, name, ["ap-shanghai"]),
    "share_snapshots": lambda bench, by, name: snapshot_sharing.share_snapshots(
        bench.cloud, by, [name], [bench.operator.account.uin]
    ),
    "unshare_snapshots": lambda bench, by, name: snapshot_sharing.unshare_snapshots(
        bench.cloud, by, [name], [bench.operator.account.uin]
    ),
    "list_snapshot_shares": lambda bench, by, name: snapshot_sharing.list_snapshot_shares(bench.cloud, by, name),
    "visible_snapshot": lambda bench, by, name: _in_transaction(
        bench, lambda tx: snapshot_sharing.visible_snapshot(tx, by, name)
    ),
}
FOREIGN_POLICY: dict[str, Act] = {
    "modify_policy": lambda bench, by, name: snapshot_policies.modify_policy(bench.cloud, by, name, PolicyOrder(name="new")),
    "keep_amount": lambda bench, by, name: snapshot_policies.keep_amount(bench.cloud, by, name, 3),
    "delete_policies": lambda bench, by, name: snapshot_policies.delete_policies(bench.cloud, by, [name]),
    "bind_policy": lambda bench, by, name: snapshot_policies.bind_policy(bench.cloud, by, name, ["disk-00000000"]),
    "unbind_policy": lambda bench, by, name: snapshot_policies.unbind_policy(bench.cloud, by, name, ["disk-00000000"]),
}
FOREIGN_DISK["policies_of_disk"] = lambda bench, by, name: snapshot_policies.policies_of_disk(bench.cloud, by, name)
FOREIGN_SNAPSHOT["create_disks"] = lambda bench, by, name: new_disks.create_disks(bench.cloud, by, _of_snapshot(name))
FOREIGN_SNAPSHOT["plan_disk"] = lambda bench, by, name: _in_transaction(
    bench, lambda tx: new_disks.plan_disk(tx, by, _of_snapshot(name))
)
FOREIGN_DISK["begin_snapshot"] = lambda bench, by, name: _in_transaction(
    bench, lambda tx: new_snapshots.begin_snapshot(bench.cloud, tx, by, SnapshotOrder(name))
)
FOREIGN_DISK["begin_snapshot_group"] = lambda bench, by, name: _in_transaction(
    bench, lambda tx: new_snapshots.begin_snapshot_group(bench.cloud, tx, by, GroupOrder((name,)))
)
FOREIGN_DISK["create_snapshot"] = lambda bench, by, name: new_snapshots.create_snapshot(bench.cloud, by, SnapshotOrder(name))
FOREIGN_DISK["create_snapshot_group"] = lambda bench, by, name: new_snapshots.create_snapshot_group(
    bench.cloud, by, GroupOrder((name,))
)
FOREIGN_SNAPSHOT_GROUP: dict[str, Act] = {
    "delete_snapshot_groups": lambda bench, by, name: snapshot_groups.delete_snapshot_groups(
        bench.cloud, by, [name], delete_images=True
    ),
    "apply_snapshot_group": lambda bench, by, name: rollbacks.apply_snapshot_group(
        bench.cloud, by, name, [("disk-00000000", "snap-00000000")], Power()
    ),
}
LISTS: dict[str, Act] = {
    "list_policies": lambda bench, caller, _name: snapshot_policies.list_policies(
        bench.cloud, caller, BlockQuery(None, {}, 0, 100)
    ),
    "list_snapshot_groups": lambda bench, caller, name: snapshot_groups.list_snapshot_groups(
        bench.cloud, caller, BlockQuery(None, {"snapshot-group-name": (name,)}, 0, 100)
    ),
    "list_images": lambda bench, caller, name: images.list_images(
        bench.cloud, caller, ImageQuery((name,) if name.startswith("img") else None, {}, 0, 100, None)
    ),
    "list_instances": lambda bench, caller, name: instances.list_instances(
        bench.cloud, caller, InstanceQuery((name,) if name.startswith("ins") else None, {}, 0, 100)
    ),
    "list_key_pairs": lambda bench, caller, name: keys.list_key_pairs(
        bench.cloud, caller, KeyQuery((name,) if name.startswith("skey") else None, {}, 0, 100)
    ),
    "list_disks": lambda bench, caller, name: disks.list_disks(
        bench.cloud, caller, BlockQuery(None, {"instance-id": (name,)}, 0, 100)
    ),
    "list_snapshots": lambda bench, caller, name: snapshots.list_snapshots(
        bench.cloud, caller, BlockQuery(None, {"snapshot-name": (name,)}, 0, 100)
    ),
    "list_tasks": lambda bench, caller, _name: tasks.list_tasks(bench.cloud, caller, TasksAsked(None, {}, 0, 100)),
    "list_calls": lambda bench, caller, name: audit.list_calls(
        bench.cloud, caller, uin="", actions=(), resources=(name,) if name else (), since="", offset=0, limit=100
    ),
    "tags_of_resources": lambda bench, caller, name: tags.tags_of_resources(
        bench.cloud, caller, ResourceKind("cvm", "image", REGION), [name], offset=0, limit=100
    ),
}
NAMES_NOTHING = {
    *("bill_of", "explain", "forecast", "balance_of", "top_up"),  # test_nobody_but_the_operator_sees_another_account_s_bill
    *("page_of_bill", "snapshot_overview", "prices_of_types"),  # of the caller's own account alone
    *("set_price", "close_now"),  # test_a_price_that_is_set_holds_from_its_date_on and test_cloud_bills: the operator alone
    "storage_usage",  # test_what_an_account_is_told_does_not_depend_on_what_others_store
    "image_of_family",  # test_a_family_is_of_those_who_see_its_images
    "require_own_bucket",  # and the next: test_a_link_leads_to_one_file_of_an_own_bucket_for_an_hour
    "list_files",
    *("create_download", "delete_files"),
    "bucket_url",  # test_nobody_imports_from_another_account_s_bucket
    "import_image",  # its upload: test_an_upload_of_another_account_is_none
    "create_upload",
    *("image_quota", "account_quotas"),
    "create_key_pair",
    "create_policy",
    "import_key_pair",
    "list_zones",
    "find_zone",
    "instance_types",
    "take_quota",
    "take_snapshot_quota",
    "new_snapshot",
    "begin",  # of tasks, which an operation begins for its caller
    "record_call",
    "assume_role",  # of the caller's own account: test_another_accounts_role_does_not_exist
    *("list_offers", "price_of_disks", "prices_of_types", "set_price", "take_disk_quota"),
    *("quiet_instances",),  # as idle_instances
    *("bring", "start_bringing"),  # through launches, which find the image first
    *("idle_instances", "owned_instances", "change_instances"),  # through what changes instances
    *("check_login", "plan_disks"),  # through launches and reinstalling, which find the image first
}


def _of_snapshot(snapshot_id: str) -> NewDisks:
    return NewDisks(ZONE, "CLOUD_SSD", snapshot_id=snapshot_id)


def _pair(bench: Bench, caller: Any) -> str:
    """Return a key pair of the caller's."""
    found = keys.list_key_pairs(bench.cloud, caller, KeyQuery(None, {}, 0, 1)).items
    if found:
        return found[0].pair.key_id
    return keys.create_key_pair(bench.cloud, caller, name="laptop", project_id=0, tags=())[0].key_id


def _disk(bench: Bench, caller: Any) -> str:
    """Return a disk of the caller's."""
    return str(disks.list_disks(bench.cloud, caller, BlockQuery(None, {}, 0, 1)).items[0].disk.disk_id)


def _policy(bench: Bench, owner: Any) -> str:
    order = PolicyOrder(rules=(PolicyRule((7,), days_of_week=(1,)),))
    return str(snapshot_policies.create_policy(bench.cloud, owner, order)[0])


def _in_transaction(bench: Bench, act: Callable[[Any], object]) -> object:
    with bench.cloud.catalog.begin() as tx:
        return act(tx)


def _refusal(act: Callable[[], object]) -> type[Refusal] | None:
    try:
        act()
    except Refusal as refusal:
        return type(refusal)
    return None


def _for_callers() -> set[str]:
    """Return the public functions of the cloud that act for a caller."""
    modules = [import_module(f"linocut.cloud.{found.name}") for found in iter_modules(linocut.cloud.__path__)]
    return {
        name
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
        and {"caller", "_caller"} & set(inspect.signature(function).parameters)
    }


@pytest.mark.parametrize("state", InstanceState)
def test_an_instance_takes_what_its_state_allows_and_nothing_else(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    bench.change(host_vcpus=100, host_memory_mb=100_000)
    for name, (act, allowed) in ON_INSTANCES.items():
        instance_id = bench.instance_in(owner, state)
        before = bench.instance_row(instance_id)
        with bench.holding():
            refusal = _refusal(lambda act=act, name=instance_id: act(bench, owner, name))

        assert refusal is (None if state in allowed else errors.InstanceStateForbids), name
        if refusal is not None:
            assert bench.instance_row(instance_id) == before
        else:
            assert bench.instance_row(instance_id).latest_operation_state is OperationState.OPERATING
            for each, _ in ON_INSTANCES.values():
                assert _refusal(lambda act=each, name=instance_id: act(bench, owner, name)) in {
                    errors.TaskRunning,
                    errors.InstanceStateForbids,
                }


@pytest.mark.parametrize("state", InstanceState)
def test_an_instance_is_changed_where_its_state_allows_it(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    bench.change(host_vcpus=100, host_memory_mb=100_000)
    instance_id = bench.instance_in(owner, state)
    for name, (act, allowed) in CHANGES.items():
        before = bench.instance_row(instance_id)

        refusal = _refusal(lambda act=act: act(bench, owner, instance_id))

        assert refusal is (None if state in allowed else errors.InstanceStateForbids), name
        after = bench.instance_row(instance_id)
        assert after.latest_operation_state is OperationState.SUCCESS
        assert (after == before) == (state not in allowed), name


@pytest.mark.parametrize("state", [InstanceState.RUNNING, InstanceState.STOPPED])
def test_an_instance_does_one_thing_at_a_time(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance_in(owner, state, OperationState.OPERATING)
    for name, (act, allowed) in (ON_INSTANCES | CHANGES).items():
        if state in allowed:
            assert _refusal(lambda act=act: act(bench, owner, instance_id)) is errors.TaskRunning, name


@pytest.mark.parametrize("state", ImageState)
def test_an_image_takes_what_its_state_allows_and_nothing_else(bench: Bench, state: ImageState) -> None:
    owner = bench.caller("owner")
    for name, (act, allowed) in ON_IMAGES.items():
        image_id = bench.image_in(owner, state, f"image-{name}")
        if name == "delete":
            sharing_left = _refusal(lambda image_id=image_id: sharing.unshare_image(bench.cloud, owner, image_id, ["1"]))
            assert sharing_left in {None, errors.ImageStateForbids}
        before = bench.image_row(image_id)

        refusal = _refusal(lambda act=act, name=image_id: act(bench, owner, name))

        assert refusal is (None if state in allowed else errors.ImageStateForbids), name
        if refusal is not None:
            assert bench.image_row(image_id) == before
        for instance in bench.rows()[1]:
            bench.workflows.asked.clear()
            with bench.cloud.catalog.begin() as tx:
                tx.instances.remove(instance.instance_id)


def test_a_protected_instance_is_not_terminated(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, disable_termination=True)
    with pytest.raises(errors.InstanceProtected):
        instances.terminate_instances(bench.cloud, owner, [instance_id])
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_instances_are_operated_on_all_or_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    running, stopped = bench.instance(owner), bench.instance_in(owner, InstanceState.STOPPED)
    with pytest.raises(errors.InstanceStateForbids):
        instances.stop_instances(bench.cloud, owner, [running, stopped], how=StopHow.HARD)
    with pytest.raises(errors.InstanceNotFound):
        instances.stop_instances(bench.cloud, owner, [running, "ins-00000000"], how=StopHow.HARD)
    with pytest.raises(errors.InstanceIdMalformed):
        instances.stop_instances(bench.cloud, owner, [running, "web"], how=StopHow.HARD)
    with pytest.raises(errors.ParameterMissing):
        instances.stop_instances(bench.cloud, owner, [], how=StopHow.HARD)
    assert bench.instance_row(running).state is InstanceState.RUNNING


def test_every_function_that_acts_for_a_caller_is_tried_against_a_foreign_account() -> None:
    tried = {
        *FOREIGN_IMAGE,
        *FOREIGN_INSTANCE,
        *FOREIGN_TASK,
        *FOREIGN_KEY,
        *FOREIGN_SNAPSHOT,
        *FOREIGN_POLICY,
        *FOREIGN_DISK,
        *FOREIGN_SNAPSHOT_GROUP,
        *LISTS,
        *NAMES_NOTHING,
    }
    tried |= {*foreign_networks.REFUSED, *foreign_networks.NAMES_NO_NETWORK}  # in test_cloud_networks
    assert _for_callers() == tried


def test_what_belongs_to_another_account_does_not_exist(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    image_id = bench.image(owner)
    instance_id = bench.instance(owner, image_id)
    pair, _ = keys.create_key_pair(bench.cloud, owner, name="laptop", project_id=0, tags=())
    with bench.cloud.catalog.read() as tx:
        (snapshot,) = tx.images.snapshots_of(image_id)
    policy_id, disk_id = _policy(bench, owner), _disk(bench, owner)
    (disk,) = bench.disks_of(instance_id)
    group_id = new_snapshots.create_snapshot_group(bench.cloud, owner, GroupOrder((disk.disk_id,)))
    before = bench.rows()

    for acts, name, nothing in (
        (FOREIGN_IMAGE, image_id, "img-00000000"),
        (FOREIGN_INSTANCE, instance_id, "ins-00000000"),
        (FOREIGN_TASK, "1", "0"),
        (FOREIGN_KEY, pair.key_id, "skey-00000000"),
        (FOREIGN_SNAPSHOT, snapshot.snapshot_id, "snap-00000000"),
        (FOREIGN_POLICY, policy_id, "asp-00000000"),
        (FOREIGN_DISK, disk_id, "disk-00000000"),
        (FOREIGN_DISK, disk.disk_id, "disk-00000000"),
        (FOREIGN_SNAPSHOT_GROUP, group_id, "csnap-00000000"),
    ):
        for function, act in acts.items():
            refusal = _refusal(lambda act=act, name=name: act(bench, stranger, name))
            assert refusal is not None, function
            assert issubclass(refusal, NotFound | NotAllowed), function
            assert refusal is _refusal(lambda act=act, name=nothing: act(bench, stranger, name)), function
    for function, act in LISTS.items():
        for name in (image_id, instance_id, pair.key_id, ""):
            assert act(bench, stranger, name).items == (), function

    assert bench.rows() == before
    assert bench.image_names(owner) == {"web"}


def test_a_key_pair_of_another_account_logs_nobody_in(bench: Bench) -> None:
    owner, stranger = bench.caller("owner"), bench.caller("stranger")
    pair, _ = keys.create_key_pair(bench.cloud, owner, name="laptop", project_id=0, tags=())
    with pytest.raises(errors.KeyNotFound):
        launches.run_instances(bench.cloud, stranger, run_order(bench.image(stranger), key_ids=(pair.key_id,)))


def test_names_are_of_one_account(bench: Bench) -> None:
    with bench.holding():
        for name in ("owner", "stranger"):
            assert imports.import_image(bench.cloud, bench.caller(name), import_order("web"))
            keys.create_key_pair(bench.cloud, bench.caller(name), name="laptop", project_id=0, tags=())


def test_the_enumeration_sees_functions() -> None:
    assert {"import_image", "share_image", "run_instances"} <= _for_callers()
