"""A real guest that is broken and reinstalled, and whose login and name are changed, over the wire of a real service."""

from typing import Final

import pytest
from served_guests import Cloud, until

_PASSWORD: Final = "Passw0rd-1"

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


def test_a_broken_guest_comes_back_and_its_data_disk_has_what_it_had(cloud: Cloud) -> None:
    instance_id = cloud.run(DataDisks=[{"DiskSize": 10}], HostName="first")
    guest = cloud.guest(instance_id)
    guest.run("mke2fs -q /dev/vdb 2>/dev/null; mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data; echo kept >/run/data/file")
    before = guest.run("cat /state/instance")
    guest.run("umount /run/data; sync")
    guest.run("(sleep 1; dd if=/dev/zero of=/dev/vda bs=1M count=60; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    until("it is broken", lambda: None if guest.answers() else True)

    cloud.wire.call("ResetInstance", InstanceId=instance_id, SystemDisk={"DiskSize": 60}, HostName="again")
    guest = cloud.guest(instance_id)

    assert guest.run("hostname; cat /state/boots").split() == ["again", "1"]
    assert guest.run("cat /state/instance") != before
    assert guest.run("mkdir -p /run/data; mount -t ext2 /dev/vdb /run/data; cat /run/data/file") == "kept"
    assert guest.run("cat /sys/block/vda/size") == str((60 << 30) // 512)
    cloud.wire.call("TerminateInstances", InstanceIds=[instance_id])


def test_a_guest_takes_another_login_and_another_name_and_keeps_what_it_wrote(cloud: Cloud) -> None:
    first, second = cloud.new_key("first"), cloud.new_key("second")
    instance_id = cloud.run(LoginSettings={"KeyIds": [first]}, HostName="first")
    guest = cloud.guest(instance_id)
    guest.run("echo kept >/state/work; sync")
    host_key = "md5sum </etc/dropbear/dropbear_ed25519_host_key"
    is_known_by = guest.run(host_key)
    assert guest.lets_in(key="first")

    cloud.call("AssociateInstancesKeyPairs", instance_id, KeyIds=[second], ForceStop=True)
    guest = cloud.guest(instance_id)
    assert (guest.lets_in(key="first"), guest.lets_in(key="second")) == (False, True)

    cloud.call("ResetInstancesPassword", instance_id, Password=_PASSWORD, ForceStop=True)
    guest = cloud.guest(instance_id)
    assert (guest.lets_in(key="second"), guest.lets_in(password=_PASSWORD)) == (True, True)
    assert not guest.lets_in(password="Wr0ng-word")

    cloud.call("ModifyInstancesAttribute", instance_id, HostName="second")
    guest = cloud.guest(instance_id)
    assert guest.run("hostname") == "second"
    assert guest.run("cat /state/work") == "kept"
    assert guest.run(host_key) == is_known_by
    cloud.wire.call("TerminateInstances", InstanceIds=[instance_id])
