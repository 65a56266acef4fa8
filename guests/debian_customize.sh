#!/bin/sh
# Runs inside the new system once its packages are there: makes it boot from its disk, and be nobody yet.
set -eu
root_uuid=$1

# Work that would run at the first boots and wait for its turn on an emulated processor; all of it can be enabled.
systemctl disable -q apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service fstrim.timer
systemctl enable -q systemd-networkd.service

cat >/etc/fstab <<END
UUID=$root_uuid / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1
END

# What grub-install does, except for writing to a disk; the builder copies core.img behind the boot record.
modules=/usr/lib/grub/i386-pc
mkdir -p /boot/grub/i386-pc
cp "$modules"/*.mod "$modules"/*.lst "$modules/boot.img" /boot/grub/i386-pc/
grub-mkimage -O i386-pc -p '(,msdos1)/boot/grub' -o /boot/grub/i386-pc/core.img biosdisk part_msdos ext2

# The first grub.cfg; update-grub writes the next one when a kernel comes or goes.
. /etc/default/grub.d/50-linocut.cfg
kernel=$(basename /boot/vmlinuz-*)
cat >/boot/grub/grub.cfg <<END
set timeout=$GRUB_TIMEOUT
$GRUB_SERIAL_COMMAND
terminal_input $GRUB_TERMINAL
terminal_output $GRUB_TERMINAL
search --no-floppy --fs-uuid --set=root $root_uuid
menuentry "Debian GNU/Linux" {
	linux /boot/$kernel root=UUID=$root_uuid ro $GRUB_CMDLINE_LINUX quiet
	initrd /boot/initrd.img-${kernel#vmlinuz-}
}
END

# One instance's own: made at its first boot.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /var/lib/systemd/random-seed
: >/etc/machine-id
echo debian >/etc/hostname
rm -rf /var/lib/cloud /var/cache/apt/*.bin /var/log/apt /var/log/*.log
