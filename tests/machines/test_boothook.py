"""The boothook, run by a shell as cloud-init runs it, in a folder that stands for the guest's root."""

import dataclasses
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from machine_hosts import machine_spec

from linocut.machines import GuestConfig
from linocut.machines.boothook import authorized_keys, boothook, login_conf

_PROGRAMS = {
    "blkid": "echo /dev/vdb",
    "mount": 'for last; do :; done; cp -r "$DRIVE/linocut" "$last/"',
    "umount": 'rm -rf "$1/linocut"',
    "chpasswd": 'cat >>"$ROOT/passwords"',
}
_KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{letter * 20}" for letter in "abc"]


class Boots:
    """A guest's root folder, and its drive, which are read and written at each boot."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root-of-guest"
        self._drive = folder / "drive"
        self._programs = folder / "programs"
        for path in ("run", "etc", "proc/sys/kernel", "root/.ssh", "home/user/.ssh"):
            (self.root / path).mkdir(parents=True)
        (self.root / "etc/hostname").write_text("first\n")
        self._programs.mkdir()
        for name, script in _PROGRAMS.items():
            (self._programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (self._programs / name).chmod(0o755)

    def boot(self, number: int = 1, **guest: Any) -> None:
        told = dataclasses.replace(machine_spec(number, ()).guest, **guest)
        (self._drive / "linocut").mkdir(parents=True, exist_ok=True)
        (self._drive / "linocut/login.conf").write_text(login_conf(told, told.uuid))
        (self._drive / "linocut/authorized_keys").write_text(authorized_keys(told))
        script = re.sub(r"(?<=[ =>\"])/(?=(?:var|run|etc|proc|root|home)/)", f"{self.root}/", boothook())
        environment = {"PATH": f"{self._programs}:{os.environ['PATH']}", "DRIVE": str(self._drive), "ROOT": str(self.root)}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert list((self.root / "run").iterdir()) == []

    def read(self, path: str) -> list[str]:
        file = self.root / path
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def boots(tmp_path: Path) -> Boots:
    return Boots(tmp_path)


def keys(*texts: str) -> dict[str, tuple[str, ...]]:
    return {"public_keys": texts}


def test_keys_come_and_go_and_those_of_others_stay(boots: Boots) -> None:
    (boots.root / "root/.ssh/authorized_keys").write_text("ssh-rsa BBBB by hand\n")
    (boots.root / "home/user/.ssh/authorized_keys").write_text(f"{_KEYS[0]} cloud-init\nssh-rsa CCCC mine\n")

    boots.boot(**keys(_KEYS[0], _KEYS[1]))
    assert boots.read("root/.ssh/authorized_keys") == ["ssh-rsa BBBB by hand", _KEYS[0], _KEYS[1]]
    boots.boot(login_generation=1, **keys(_KEYS[1], _KEYS[2]))
    assert boots.read("root/.ssh/authorized_keys") == ["ssh-rsa BBBB by hand", _KEYS[1], _KEYS[2]]
    assert boots.read("home/user/.ssh/authorized_keys") == ["ssh-rsa CCCC mine"]
    boots.boot(login_generation=2)
    assert boots.read("root/.ssh/authorized_keys") == ["ssh-rsa BBBB by hand"]


def test_what_was_applied_is_not_applied_again(boots: Boots) -> None:
    boots.boot(password_hash="$6$salt$one", **keys(_KEYS[0]))
    (boots.root / "root/.ssh/authorized_keys").write_text("")

    boots.boot(password_hash="$6$salt$one", **keys(_KEYS[0]))

    assert boots.read("root/.ssh/authorized_keys") == []
    assert boots.read("passwords") == ["root:$6$salt$one"]


def test_a_password_lets_in_and_a_change_to_keys_lets_it_in_no_more(boots: Boots) -> None:
    boots.boot(**keys(_KEYS[0]))
    assert boots.read("etc/ssh/sshd_config.d/10-root-password.conf") == []

    boots.boot(login_generation=1, password_hash="$6$it's$two")
    assert boots.read("passwords") == ["root:$6$it's$two"]
    assert boots.read("etc/ssh/sshd_config.d/10-root-password.conf") == ["PermitRootLogin yes", "PasswordAuthentication yes"]
    boots.boot(login_generation=2, **keys(_KEYS[0]))
    denied = ["PermitRootLogin prohibit-password", "PasswordAuthentication no"]
    assert boots.read("etc/ssh/sshd_config.d/10-root-password.conf") == denied


def test_a_later_name_is_given_and_the_first_is_left_to_cloud_init(boots: Boots) -> None:
    boots.boot(hostname="told-at-first")
    assert boots.read("etc/hostname") == ["first"]

    boots.boot(hostname="second.example.org")
    assert (boots.read("etc/hostname"), boots.read("proc/sys/kernel/hostname")) == (["second"], ["second"])
    (boots.root / "etc/hostname").write_text("by-hand\n")
    boots.boot(hostname="second.example.org")
    assert boots.read("etc/hostname") == ["by-hand"]


def test_an_instance_of_an_image_drops_the_keys_of_the_one_that_it_was_made_of(boots: Boots) -> None:
    boots.boot(1, hostname="origin", **keys(_KEYS[0]))

    boots.boot(2, hostname="twin", **keys(_KEYS[1]))

    assert boots.read("root/.ssh/authorized_keys") == [_KEYS[1]]
    assert boots.read("etc/hostname") == ["first"]


def test_an_image_s_own_login_stays_where_that_is_asked_for(boots: Boots) -> None:
    (boots.root / "root/.ssh/authorized_keys").write_text(f"{_KEYS[2]}\n")
    boots.boot(keeps_login=True)
    assert boots.read("root/.ssh/authorized_keys") == [_KEYS[2]]
    assert not (boots.root / "etc/ssh").exists()


def test_a_guest_config_says_no_password_in_its_text() -> None:
    assert "secret" not in repr(dataclasses.replace(machine_spec(1, ()).guest, password_hash="secret"))
    assert isinstance(machine_spec(1, ()).guest, GuestConfig)
