"""Records of machines that earlier releases wrote: whoever has such machines loses them if one is not understood any more."""

import json
from pathlib import Path
from typing import Any, Final

from linocut.machines import Firmware
from linocut.machines.confinement import Confinement
from linocut.machines.folder import MachineFolder

_FIRST: Final[dict[str, Any]] = {
    "format": 1,
    "spec": {
        "instance_id": "ins-00000001",
        "uuid": "7f3b1c5e-0000-4000-8000-000000000001",
        "vcpus": 1,
        "memory_mb": 1024,
        "disks": [
            {
                "disk_id": "disk-00000001",
                "size_bytes": 1073741824,
                "base": {"socket_path": "/run/blocks.sock", "export": f"tree/{'a' * 64}"},
            }
        ],
        "guest": {
            "hostname": "web",
            "instance_id": "ins-00000001",
            "uuid": "7f3b1c5e-0000-4000-8000-000000000001",
            "region": "ap-guangzhou",
            "zone": "ap-guangzhou-3",
            "app_id": 1250000001,
            "image_id": "img-00000001",
            "instance_type": "S5.SMALL1",
            "instance_name": "web",
            "public_keys": ["ssh-ed25519 AAAA"],
            "password_hash": "$6$x",
            "user_data": "IyEvYmluL3No",
            "local_ipv4": "127.0.31.7",
        },
        "address": "127.0.31.7",
        "forwarded_ports": [22, 80],
        "mac": "52:54:00:00:00:01",
    },
}
"""As the first release wrote it."""


def test_a_record_of_the_first_release_is_understood(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps(_FIRST))

    spec = MachineFolder(tmp_path, Confinement(None)).spec()

    assert (spec.instance_id, spec.vcpus, spec.address, spec.forwarded_ports) == ("ins-00000001", 1, "127.0.31.7", (22, 80))
    assert (spec.firmware, spec.forwarded_udp_ports) == (Firmware.BIOS, ())
    assert [(disk.disk_id, disk.generation, disk.base and disk.base.export) for disk in spec.disks] == [
        ("disk-00000001", 0, f"tree/{'a' * 64}")
    ]
    assert (spec.guest.user_data, spec.guest.password_hash, spec.guest.metadata) == (b"#!/bin/sh", "$6$x", {})
    assert (spec.guest.login_generation, spec.guest.reinstalls, spec.guest.keeps_login) == (0, 0, False)
