"""The config drive: the read-only disk from which a guest learns its name, its keys and its user data.

It is an ISO 9660 image labelled `config-2` in OpenStack's layout, which cloud-init and Cloudbase-Init read from any disk. Two
things differ from a plain OpenStack drive, so that stock images behave as a Tencent Cloud guest does:

- root logs in, with the key pair or the password. Stock images forbid it, so vendor data allows it. A user's cloud-config is
  merged over vendor data and wins. An image that is to keep its own login is left alone.
- a boothook in vendor data brings later changes of the login and the name; see `boothook`.
- `qcloud_action/os.conf` repeats name, password and network for images that were imported by force and carry no cloud-init.

A password travels as a crypt hash only. There is no network_data.json: without one cloud-init asks DHCP on the first card,
which user networking answers at once.
"""

import io
import json
import shlex
from collections.abc import Iterator
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import PurePosixPath
from typing import Any, Final
from uuid import UUID, uuid5

import pycdlib

from linocut.machines.boothook import authorized_keys, boothook, login_conf
from linocut.machines.interface import GuestConfig

LABEL: Final = "config-2"
GUEST_ADDRESS: Final = "10.0.2.15"
"""The address that user networking gives to every guest, which it alone sees."""
_GATEWAY: Final = "10.0.2.2"
_NETMASK: Final = "255.255.255.0"
_NAME_SERVER: Final = "10.0.2.3"
_ROOT_PASSWORD_LOGIN: Final = {
    "path": "/etc/ssh/sshd_config.d/10-root-password.conf",
    "content": "PermitRootLogin yes\nPasswordAuthentication yes\n",
}


def config_drive(guest: GuestConfig, mac: str) -> bytes:
    """Return the image of a guest's config drive; a whole number of 2 KiB sectors."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    made: set[PurePosixPath] = {PurePosixPath("/")}
    for number, (path, content) in enumerate(_files(guest, mac)):
        for parent in reversed(path.parents):
            if parent not in made:
                made.add(parent)
                iso.add_directory(_iso_name(parent), rr_name=parent.name, joliet_path=str(parent))
        short = f"{_iso_name(path.parent)}/F{number}.;1"
        iso.add_fp(io.BytesIO(content), len(content), short, rr_name=path.name, joliet_path=str(path))
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()


def _iso_name(folder: PurePosixPath) -> str:
    return str(folder).upper() if folder.name else ""


def _files(guest: GuestConfig, mac: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    latest = PurePosixPath("/openstack/latest")
    yield latest / "meta_data.json", json.dumps(_meta_data(guest)).encode()
    yield latest / "vendor_data.json", json.dumps({"cloud-init": _vendor_data(guest)}).encode()
    if guest.user_data is not None:
        yield latest / "user_data", guest.user_data
    yield PurePosixPath("/qcloud_action/os.conf"), _os_conf(guest, mac).encode()
    yield PurePosixPath("/linocut/login.conf"), login_conf(guest, _cloud_init_id(guest)).encode()
    yield PurePosixPath("/linocut/authorized_keys"), authorized_keys(guest).encode()


def _cloud_init_id(guest: GuestConfig) -> str:
    """Return the id by which cloud-init tells a new machine: another one on each new system disk."""
    return str(uuid5(UUID(guest.uuid), f"reinstall {guest.reinstalls}")) if guest.reinstalls else guest.uuid


def _meta_data(guest: GuestConfig) -> dict[str, Any]:
    """Source: OpenStack Nova's metadata, of which `meta` is the instance's own key-value part."""
    return {
        "uuid": _cloud_init_id(guest),
        "name": guest.instance_name or guest.hostname,
        "hostname": guest.hostname,
        "availability_zone": guest.zone,
        "launch_index": 0,
        "public_keys": {f"key-{number}": key for number, key in enumerate(guest.public_keys)},
        "meta": {
            "instance-id": guest.instance_id,
            "instance-name": guest.instance_name,
            "region": guest.region,
            "zone": guest.zone,
            "app-id": str(guest.app_id),
            "image-id": guest.image_id,
            "instance-type": guest.instance_type,
            "local-ipv4": guest.local_ipv4,
            **guest.metadata,
        },
    }


def _vendor_data(guest: GuestConfig) -> str:
    """Return what cloud-init takes in parts: a cloud-config, and the boothook."""
    parts = MIMEMultipart(boundary="==linocut==")
    parts.attach(MIMEText(_vendor_cloud_config(guest), "cloud-config", "us-ascii"))
    parts.attach(MIMEText(boothook(), "cloud-boothook", "us-ascii"))
    return parts.as_string()


def _vendor_cloud_config(guest: GuestConfig) -> str:
    """Return a cloud-config in JSON, which is YAML."""
    if guest.keeps_login:
        return "#cloud-config\n" + json.dumps({"users": [], "ssh_pwauth": "unchanged"})
    config: dict[str, Any] = {"disable_root": False, "ssh_pwauth": guest.password_hash is not None}
    if guest.password_hash is not None:
        root = {"name": "root", "password": guest.password_hash, "type": "hash"}
        config["chpasswd"] = {"expire": False, "users": [root]}
        config["write_files"] = [_ROOT_PASSWORD_LOGIN]
    return "#cloud-config\n" + json.dumps(config)


def _os_conf(guest: GuestConfig, mac: str) -> str:
    """Source: CVM, forced import of images."""
    values = {
        "hostname": guest.hostname,
        "password": guest.password_hash or "",
        "eth0_ip_addr": GUEST_ADDRESS,
        "eth0_mac_addr": mac,
        "eth0_netmask": _NETMASK,
        "eth0_gateway": _GATEWAY,
        "dns_nameserver": _NAME_SERVER,
    }
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
