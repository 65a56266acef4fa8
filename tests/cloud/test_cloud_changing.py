"""Changing instances that are there: logins, names, user data, protection."""

import base64
from typing import Any

import pytest
from cloud_bench import Bench

from linocut.cloud import instance_changes, instances, keys, logins
from linocut.cloud.instance_changes import Attributes
from linocut.machines import GuestConfig, StartFailed
from linocut.model import errors
from linocut.model.states import InstanceState, OperationState

PUBLIC_KEYS = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbSOsoTyfKEV0aDBOzVo0Glaf2tZ0TeK7j4hLL8sVqS",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQ9r7tdSCqXGqvGXjKbcd2BFZWlZBB5pEVe3c3UDPDp",
]


def pairs(bench: Bench, owner: Any) -> list[str]:
    """Return two key pairs of the owner's."""
    found = enumerate(PUBLIC_KEYS)
    return [
        keys.import_key_pair(bench.cloud, owner, name=f"key{number}", project_id=0, public_key=text, tags=())
        for number, text in found
    ]


def guest(bench: Bench, instance_id: str) -> GuestConfig:
    """Return what an instance's machine was last told."""
    return next(spec.guest for spec in bench.machines.prepared() if spec.instance_id == instance_id)


def stopped(bench: Bench, owner: Any, **order: Any) -> str:
    instance_id = bench.instance(owner, **order)
    instances.stop_instances(bench.cloud, owner, [instance_id], how=instances.StopHow.HARD)
    return instance_id


def test_a_running_instance_is_restarted_for_a_password_and_only_when_forced(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, password="Passw0rd-1")
    first = guest(bench, instance_id)
    with pytest.raises(errors.InstanceStateForbids):
        logins.reset_passwords(bench.cloud, owner, [instance_id], "Passw0rd-2")

    with bench.holding():
        logins.reset_passwords(bench.cloud, owner, [instance_id], "Passw0rd-2", force_stop=True)
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == (InstanceState.REBOOTING, OperationState.OPERATING)
    assert guest(bench, instance_id) == first

    bench.workflows.run(bench.workflows.asked[-1])
    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation, row.latest_operation_state) == ("RUNNING", "ResetInstancesPassword", "SUCCESS")
    second = guest(bench, instance_id)
    assert second.password_hash not in {None, first.password_hash}
    assert second.login_generation == first.login_generation + 1
    assert "Passw0rd-2" not in str(bench.rows())


def test_what_changes_while_an_instance_is_off_reaches_it_when_it_starts(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = stopped(bench, owner, password="Passw0rd-1")
    before = guest(bench, instance_id)

    logins.reset_passwords(bench.cloud, owner, [instance_id], "Passw0rd-2")
    instance_changes.modify_instances(bench.cloud, owner, [instance_id], Attributes(host_name="renamed"))

    assert bench.instance_row(instance_id).state is InstanceState.STOPPED
    assert bench.instance_row(instance_id).latest_operation_state is OperationState.SUCCESS
    instances.start_instances(bench.cloud, owner, [instance_id])
    after = guest(bench, instance_id)
    assert after.hostname == "renamed"
    assert after.password_hash != before.password_hash


def test_keys_that_are_bound_replace_others_and_put_the_password_to_sleep(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, second = pairs(bench, owner)
    instance_id = bench.instance(owner, password="Passw0rd-1")
    hashed = guest(bench, instance_id).password_hash
    assert hashed is not None

    logins.bind_keys(bench.cloud, owner, [instance_id], [first], force_stop=True)
    told = guest(bench, instance_id)
    assert (told.public_keys, told.password_hash) == ((PUBLIC_KEYS[0],), None)

    logins.bind_keys(bench.cloud, bench.caller("owner"), [instance_id], [second, second], force_stop=True)
    assert guest(bench, instance_id).public_keys == (PUBLIC_KEYS[1],)

    logins.unbind_keys(bench.cloud, bench.caller("owner"), [instance_id], [second], force_stop=True)
    told = guest(bench, instance_id)
    assert (told.public_keys, told.password_hash) == ((), hashed)
    assert told.login_generation == 3


def test_a_new_password_is_of_use_beside_keys(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, _ = pairs(bench, owner)
    instance_id = stopped(bench, owner, key_ids=(first,))

    logins.reset_passwords(bench.cloud, owner, [instance_id], "Passw0rd-2")
    instances.start_instances(bench.cloud, owner, [instance_id])

    told = guest(bench, instance_id)
    assert told.public_keys == (PUBLIC_KEYS[0],)
    assert told.password_hash is not None


def test_keys_are_unbound_one_by_one_and_one_that_is_not_bound_is_no_error(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, second = pairs(bench, owner)
    instance_id = stopped(bench, owner, key_ids=(first, second))

    logins.unbind_keys(bench.cloud, owner, [instance_id], [first], force_stop=False)
    logins.unbind_keys(bench.cloud, owner, [instance_id], [first], force_stop=False)

    assert bench.instance_row(instance_id).key_ids == (second,)
    keys.delete_key_pairs(bench.cloud, owner, [first])
    with pytest.raises(errors.KeyInUse):
        keys.delete_key_pairs(bench.cloud, owner, [second])


def test_an_image_s_own_login_ends_where_another_one_is_asked_for(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = stopped(bench, owner, keep_image_login=True)
    assert guest(bench, instance_id).keeps_login

    logins.reset_passwords(bench.cloud, owner, [instance_id], "Passw0rd-2", user_name="root")
    instances.start_instances(bench.cloud, owner, [instance_id])

    assert not guest(bench, instance_id).keeps_login


def test_logins_change_for_all_or_for_none(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, _ = pairs(bench, owner)
    one, other = stopped(bench, owner), bench.instance(owner)
    before = bench.rows()
    windows = stopped(bench, owner, image_id=bench.image(owner, "windows", os_type="Windows Server 2022", os_version="-"))
    rows = bench.rows()
    for ids, refusal in (([one, other], errors.InstanceStateForbids), ([one, "ins-00000000"], errors.InstanceNotFound)):
        with pytest.raises(refusal):
            logins.bind_keys(bench.cloud, owner, ids, [first], force_stop=False)
    with pytest.raises(errors.KeyPairOnWindows):
        logins.bind_keys(bench.cloud, owner, [one, windows], [first], force_stop=False)
    with pytest.raises(errors.KeyNotFound):
        logins.bind_keys(bench.cloud, owner, [one], [first, "skey-00000000"], force_stop=False)
    with pytest.raises(errors.PasswordInvalid):
        logins.reset_passwords(bench.cloud, owner, [one, windows], "Passw0rd-2")
    with pytest.raises(errors.InvalidValue):
        logins.reset_passwords(bench.cloud, owner, [one, windows], "Passw0rd-2-Long", user_name="root")
    with pytest.raises(errors.TooManyValues):
        logins.reset_passwords(bench.cloud, owner, [f"ins-{number:08}" for number in range(101)], "Passw0rd-2")
    assert bench.rows() == rows != before


def test_a_running_instance_is_restarted_for_its_host_name_unless_it_is_not_to_be(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner, host_name="first")

    instance_changes.modify_instances(bench.cloud, owner, [instance_id], Attributes(host_name="second"), auto_reboot=False)
    assert bench.instance_row(instance_id).host_name == "second"
    assert guest(bench, instance_id).hostname == "first"

    instance_changes.modify_instances(bench.cloud, owner, [instance_id], Attributes(host_name="third"))
    assert guest(bench, instance_id).hostname == "third"
    assert bench.instance_row(instance_id).state is InstanceState.RUNNING


def test_one_attribute_is_changed_in_a_call(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)

    def modify(**new: Any) -> None:
        instance_changes.modify_instances(bench.cloud, owner, [instance_id], Attributes(**new))

    modify(name="web")
    modify(user_data=base64.b64encode(b"#!/bin/sh").decode())
    modify(disable_termination=True)
    row = bench.instance_row(instance_id)
    assert (row.name, row.user_data, row.disable_termination) == ("web", b"#!/bin/sh", True)
    assert instance_changes.user_data_of(bench.cloud, owner, [instance_id]) == ((instance_id, b"#!/bin/sh"),)
    for new in ({}, {"name": "a", "disable_termination": False}):
        with pytest.raises(errors.OneParameterNeeded):
            modify(**new)
    for name, value, refusal in (
        ("name", "n" * 129, errors.InstanceNameTooLong),
        ("user_data", "?", errors.UserDataInvalid),
        ("host_name", "-", errors.HostNameInvalid),
    ):
        with pytest.raises(refusal):
            modify(**{name: value})
    assert bench.instance_row(instance_id) == row


def test_there_is_one_project(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)
    instance_changes.move_to_project(bench.cloud, owner, [instance_id], 0)
    with pytest.raises(errors.ProjectNotFound):
        instance_changes.move_to_project(bench.cloud, owner, [instance_id], 7)


def test_a_restart_that_fails_says_so(bench: Bench) -> None:
    owner = bench.caller("owner")
    instance_id = bench.instance(owner)

    def refuse(verb: str, _instance_id: str) -> None:
        if verb == "start":
            raise StartFailed("The machine does not start.")

    bench.machines.refused = refuse
    logins.reset_passwords(bench.cloud, owner, [instance_id], "Passw0rd-2", force_stop=True)

    row = bench.instance_row(instance_id)
    assert (row.state, row.latest_operation_state) == ("STOPPED", "FAILED")
    assert row.latest_operation_error == "The machine does not start."


def test_a_key_pair_is_renamed_and_described(bench: Bench) -> None:
    owner = bench.caller("owner")
    first, _ = pairs(bench, owner)

    keys.modify_key_pair(bench.cloud, owner, first, name="laptop", description=None)
    keys.modify_key_pair(bench.cloud, owner, first, name=None, description="mine")

    found = keys.list_key_pairs(bench.cloud, owner, keys.KeyQuery((first,), {}, 0, 1)).items[0].pair
    assert (found.name, found.description) == ("laptop", "mine")
    for name, description, refusal in (
        ("key1", None, errors.KeyNameTaken),
        ("no spaces", None, errors.KeyNameIllegal),
        (None, "d" * 61, errors.ValueTooLong),
        (None, None, errors.ParameterMissing),
    ):
        with pytest.raises(refusal):
            keys.modify_key_pair(bench.cloud, owner, first, name=name, description=description)
