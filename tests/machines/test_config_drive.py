import dataclasses
import email
import io
import json
import shlex
from typing import Any

import pycdlib
import pytest
from machine_hosts import machine_spec

from linocut.machines import GuestConfig
from linocut.machines.config_drive import LABEL, config_drive

_GUEST = machine_spec(1, ()).guest
_MAC = "52:54:00:00:00:01"
_HASH = "$6$salt$it's a hash"


def _files(guest: GuestConfig) -> dict[str, bytes]:
    """Return the drive's files as a guest sees them, by Rock Ridge and by Joliet, which agree."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(config_drive(guest, _MAC)))
    seen: list[dict[str, bytes]] = []
    for how in ("rr_path", "joliet_path"):
        found: dict[str, bytes] = {}
        for folder, _, names in iso.walk(**{how: "/"}):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                content = io.BytesIO()
                iso.get_file_from_iso_fp(content, **{how: path})
                found[path] = content.getvalue()
        seen.append(found)
    iso.close()
    assert seen[0] == seen[1]
    return seen[0]


def _vendor_parts(guest: GuestConfig) -> dict[str, str]:
    """Return the parts of vendor data by their kind."""
    text = json.loads(_files(guest)["/openstack/latest/vendor_data.json"])["cloud-init"]
    parts = email.message_from_string(text).get_payload()
    assert isinstance(parts, list)
    return {part.get_content_type(): part.get_payload(decode=True).decode() for part in parts}


def _vendor(guest: GuestConfig) -> dict[str, Any]:
    header, _, config = _vendor_parts(guest)["text/cloud-config"].partition("\n")
    assert header == "#cloud-config"
    return json.loads(config)


def _login(guest: GuestConfig) -> dict[str, str]:
    """Return the variables that the boothook reads, as a shell reads them."""
    text = _files(guest)["/linocut/login.conf"].decode()
    return dict(word.split("=", 1) for line in text.splitlines() for word in shlex.split(line))


def test_a_guest_finds_the_drive_by_its_label() -> None:
    volume_name = config_drive(_GUEST, _MAC)[32808 : 32808 + 32]

    assert volume_name.decode().rstrip() == LABEL


def test_a_guest_learns_its_name_its_keys_and_what_it_is() -> None:
    guest = dataclasses.replace(_GUEST, public_keys=("ssh-ed25519 AAAA one", "ssh-rsa BBBB two"))

    meta = json.loads(_files(guest)["/openstack/latest/meta_data.json"])

    assert (meta["hostname"], meta["uuid"]) == ("host-1", guest.uuid)
    assert list(meta["public_keys"].values()) == list(guest.public_keys)
    assert meta["meta"]["instance-id"] == "ins-00000001"


@pytest.mark.parametrize("user_data", [None, b"", b"#!/bin/sh\necho \xff\x00\n"])
def test_user_data_arrives_byte_for_byte(user_data: bytes | None) -> None:
    files = _files(dataclasses.replace(_GUEST, user_data=user_data))

    assert files.get("/openstack/latest/user_data") == user_data


def test_root_may_log_in_with_a_key_and_without_a_password() -> None:
    config = _vendor(_GUEST)

    assert config == {"disable_root": False, "ssh_pwauth": False}


def test_a_password_travels_as_a_hash_and_lets_root_in() -> None:
    config = _vendor(dataclasses.replace(_GUEST, password_hash=_HASH))

    assert config["chpasswd"]["users"] == [{"name": "root", "password": _HASH, "type": "hash"}]
    assert config["ssh_pwauth"]
    assert "PermitRootLogin yes" in config["write_files"][0]["content"]


def test_an_image_that_keeps_its_login_is_told_nothing_of_another() -> None:
    guest = dataclasses.replace(_GUEST, keeps_login=True)

    assert _vendor(guest) == {"users": [], "ssh_pwauth": "unchanged"}
    assert (_login(guest)["keep"], _login(guest)["password"], _login(guest)["password_login"]) == ("yes", "", "")


def test_a_guest_reads_its_login_at_every_boot() -> None:
    guest = dataclasses.replace(_GUEST, password_hash=_HASH, public_keys=("ssh-ed25519 AAAA",), login_generation=7)

    hook = _vendor_parts(guest)["text/cloud-boothook"]
    assert hook.startswith("#cloud-boothook\n#!/bin/sh\n")
    assert hook == _vendor_parts(_GUEST)["text/cloud-boothook"], "it is cached, so it may never differ"
    assert _files(guest)["/linocut/authorized_keys"] == b"ssh-ed25519 AAAA\n"
    assert _login(guest) == {
        "instance": guest.uuid,
        "generation": "7",
        "hostname": "host-1",
        "password": _HASH,
        "password_login": "yes",
        "keep": "",
    }


@pytest.mark.parametrize(
    ("generation", "password", "allowed"), [(0, None, ""), (0, _HASH, "yes"), (1, None, "no"), (1, _HASH, "yes")]
)
def test_passwords_are_refused_once_the_login_was_changed_to_keys(generation: int, password: str | None, allowed: str) -> None:
    guest = dataclasses.replace(_GUEST, login_generation=generation, password_hash=password)

    assert _login(guest)["password_login"] == allowed


def test_a_new_system_disk_is_a_new_machine_to_cloud_init() -> None:
    told = [
        json.loads(_files(dataclasses.replace(_GUEST, reinstalls=count))["/openstack/latest/meta_data.json"])["uuid"]
        for count in (0, 1, 1, 2)
    ]

    assert told[0] == _GUEST.uuid
    assert told[1] == told[2]
    assert len(set(told)) == 3


def test_a_guest_is_told_what_its_user_wants() -> None:
    guest = dataclasses.replace(_GUEST, metadata={"colour": "red"})

    meta = json.loads(_files(guest)["/openstack/latest/meta_data.json"])["meta"]
    assert (meta["colour"], meta["instance-id"]) == ("red", "ins-00000001")


def test_a_guest_without_cloud_init_reads_a_shell_file() -> None:
    text = _files(dataclasses.replace(_GUEST, password_hash=_HASH))["/qcloud_action/os.conf"].decode()

    values = dict(word.split("=", 1) for line in text.splitlines() for word in shlex.split(line))
    assert values["hostname"] == "host-1"
    assert values["password"] == _HASH
    assert values["eth0_mac_addr"] == _MAC
