"""What a guest with cloud-init does at every boot, so that a login or a name that was changed later reaches it.

cloud-init reads the config drive once: while the instance's id stays the same it goes by what it has cached, vendor data
included. A part of vendor data that is a boothook, though, is run at every boot. Ours never changes; what it applies lies on the
drive, in the folder /linocut, which is made anew at each start:

- `login.conf`: shell variables. `instance` is the id that cloud-init knows; `generation` counts changes of the login; `hostname`;
  `password` is a crypt hash or empty; `password_login` is `yes`, `no`, or empty to leave it to the image; `keep` is `yes` where
  the image's own login stays.
- `authorized_keys`: the public keys that we manage, one a line.

What was applied last is kept in /var/lib/linocut of the guest, and goes with it into its images: an instance of such an image
drops the keys of the one that it was made of. Keys that somebody else put there are left alone.
Source: cloud-init, "User data formats", boothook; CVM AssociateInstancesKeyPairs, ResetInstancesPassword.
"""

import shlex
from typing import Final

from linocut.machines.interface import GuestConfig

_SCRIPT: Final = r"""#cloud-boothook
#!/bin/sh
# Applies the login and the name that the service wants of this machine; see /linocut on the drive labelled config-2.
umask 077
state=/var/lib/linocut
drive=$(blkid -L config-2) || drive=/dev/disk/by-label/config-2
at=$(mktemp -d /run/linocut.XXXXXX) || exit 0
leave() {
	umount "$at" 2>/dev/null
	rmdir "$at"
	exit 0
}
mount -t iso9660 -o ro "$drive" "$at" || leave
[ -f "$at/linocut/login.conf" ] || leave
instance= generation= hostname= password= password_login= keep=
. "$at/linocut/login.conf"
mkdir -p "$state"

# cloud-init names a new machine; later names are ours to give.
if [ "$(cat "$state/instance" 2>/dev/null)" = "$instance" ] && [ "$(cat "$state/hostname" 2>/dev/null)" != "$hostname" ]; then
	echo "${hostname%%.*}" >/etc/hostname
	chmod 644 /etc/hostname
	echo "${hostname%%.*}" >/proc/sys/kernel/hostname
fi
echo "$hostname" >"$state/hostname"
echo "$instance" >"$state/instance"

[ "$(cat "$state/login" 2>/dev/null)" != "$instance $generation" ] || leave
if [ -z "$keep" ]; then
	wanted=$at/linocut/authorized_keys
	managed=$state/authorized_keys
	[ -f "$managed" ] || : >"$managed"
	grep -vxF -f "$wanted" "$managed" >"$at.gone"
	for file in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys; do
		if [ -f "$file" ] && [ -s "$at.gone" ]; then
			grep -vF -f "$at.gone" "$file" >"$at.keys"
			cat "$at.keys" >"$file"
		fi
	done
	mkdir -p /root/.ssh
	while read -r key; do
		grep -qF "$key" /root/.ssh/authorized_keys 2>/dev/null || echo "$key" >>/root/.ssh/authorized_keys
	done <"$wanted"
	cat "$wanted" >"$managed"
	rm -f "$at.gone" "$at.keys"
	[ -z "$password" ] || printf 'root:%s\n' "$password" | chpasswd -e
	sshd=/etc/ssh/sshd_config.d/10-root-password.conf
	case $password_login in
	yes) printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' ;;
	no) printf 'PermitRootLogin prohibit-password\nPasswordAuthentication no\n' ;;
	esac >"$at.sshd"
	if [ -n "$password_login" ] && mkdir -p "${sshd%/*}"; then
		cat "$at.sshd" >"$sshd"
		chmod 644 "$sshd"
	fi
	rm -f "$at.sshd"
	! command -v restorecon >/dev/null || restorecon -R /root/.ssh "${sshd%/*}"
fi
echo "$instance $generation" >"$state/login"
leave
"""


def boothook() -> str:
    """Return the part of vendor data that a guest runs at every boot."""
    return _SCRIPT


def login_conf(guest: GuestConfig, cloud_init_id: str) -> str:
    """Return the variables that the boothook reads."""
    values = {
        "instance": cloud_init_id,
        "generation": str(guest.login_generation),
        "hostname": guest.hostname,
        "password": "" if guest.keeps_login else guest.password_hash or "",
        "password_login": _password_login(guest),
        "keep": "yes" if guest.keeps_login else "",
    }
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())


def authorized_keys(guest: GuestConfig) -> str:
    """Return the public keys that the boothook reads."""
    return "".join(f"{key}\n" for key in guest.public_keys)


def _password_login(guest: GuestConfig) -> str:
    if guest.keeps_login:
        return ""
    if guest.password_hash is not None:
        return "yes"
    return "no" if guest.login_generation else ""
