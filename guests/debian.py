"""Builds a real Debian image from Debian's packages: kernel, cloud-init, OpenSSH server.

The image is what a cloud would offer: it boots by BIOS from its own disk, takes host name, keys and user data from a
config drive, lets root log in with the instance's key, grows its root to the size of the disk, speaks on the serial
console, and upgrades itself from Debian's archive. Nothing in it is specific to Linocut. It departs from Debian's
defaults only in what the files of debian_root/ and debian_customize.sh say.

Runs as root, or as a user where user namespaces are allowed. Needs mmdebstrap, mke2fs, qemu-img; fakeroot when not root.

    python guests/debian.py OUT.qcow2 [--suite bookworm] [--raw]
"""

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import debian_packages
import disk_image
from debian_packages import MIRROR
from disk_image import MIB, SECTOR, Partition, run

_HERE: Final = Path(__file__).resolve().parent
_CACHE: Final = Path(os.environ.get("LINOCUT_GUEST_CACHE") or _HERE.parent / ".cache")
_OVERLAY: Final = _HERE / "debian_root"
_CUSTOMIZE: Final = _HERE / "debian_customize.sh"

_SIZE: Final = 10 << 30
_ROOT: Final = Partition(disk_image.LINUX, MIB, _SIZE - MIB)

_PACKAGES: Final = (
    *("linux-image-cloud-amd64", "grub-pc", "initramfs-tools", "lz4"),
    *("systemd-sysv", "systemd-resolved", "systemd-timesyncd", "udev", "dbus", "libpam-systemd"),
    *("cloud-init", "cloud-guest-utils", "fdisk", "e2fsprogs", "qemu-guest-agent"),
    *("openssh-server", "openssh-sftp-server", "sudo"),
    *("ca-certificates", "curl", "iproute2", "iputils-ping", "netbase", "tzdata"),
    *("less", "procps", "psmisc", "vim-tiny", "bash-completion"),
)


@dataclass(frozen=True, slots=True)
class DebianImage:
    """What may differ between two Debian images."""

    suite: str = "bookworm"
    raw: bool = False
    """A sparse raw file in place of a compressed qcow2."""


def build_debian_image(image: DebianImage | None = None, mirror: str = MIRROR) -> Path:
    """Return such an image from the cache, built now (about two minutes) unless it is there.

    The image is as new as the day it was built; remove it from the cache to have today's packages. The file is
    shared: read it or put an overlay on it, and do not write to it. Raises BuildError with what went wrong.
    """
    image = image or DebianImage()
    folder = _CACHE / "debian"
    stem = f"{image.suite}-{_fingerprint(image.suite, mirror)}"
    wanted = folder / f"{stem}.{'raw' if image.raw else 'qcow2'}"
    if wanted.exists():
        return wanted
    with disk_image.sole_builder(folder), tempfile.TemporaryDirectory(dir=folder, prefix="making-") as name:
        if not wanted.exists():
            _make(image, mirror, Path(name), folder / f"{stem}.qcow2").rename(wanted)
    return wanted


def _make(image: DebianImage, mirror: str, work: Path, cached_qcow2: Path) -> Path:
    raw, qcow2 = work / "disk.raw", work / "disk.qcow2"
    if image.raw and cached_qcow2.exists():
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", cached_qcow2, raw)
        return raw
    _make_raw(image.suite, mirror, raw)
    if image.raw:
        return raw
    disk_image.to_qcow2(raw, qcow2, "-c")
    return qcow2


def _fingerprint(suite: str, mirror: str) -> str:
    digest = hashlib.sha256(f"{suite} {mirror}\n".encode())
    sources = (Path(__file__), Path(disk_image.__file__), _CUSTOMIZE, *sorted(_OVERLAY.rglob("*")))
    for path in sources:
        if path.is_file():
            digest.update(f"{path.relative_to(_HERE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make_raw(suite: str, mirror: str, disk: Path) -> None:
    work = disk.parent
    root_uuid = uuid.uuid4()
    archive = work / "root.tar"
    _install(suite, mirror, root_uuid, archive)
    root = work / "root"
    root.mkdir()
    disk_image.make_empty(disk, _SIZE)
    # Both in one fakeroot, so that the second sees the owners that the first has set.
    wrapper: tuple[str, ...] = () if os.geteuid() == 0 else ("fakeroot", "-i", str(work / "owners"), "-s", str(work / "owners"))
    (work / "owners").touch()
    attributes = ("--xattrs", "--xattrs-include=*") if os.geteuid() == 0 else ()
    run(*wrapper, "tar", "-x", "--numeric-owner", "-p", *attributes, "-C", str(root), "-f", str(archive))
    archive.unlink()
    disk_image.make_ext4(disk, _ROOT, root, "-U", str(root_uuid), "-L", "root", wrapper=wrapper)
    _write_boot_loader(disk, root / "boot/grub/i386-pc", root_uuid)
    run("rm", "-rf", root)


def _install(suite: str, mirror: str, root_uuid: uuid.UUID, archive: Path) -> None:
    overlay = archive.with_name("overlay.tar")
    _pack_overlay(overlay)
    no_disk_yet = "grub-pc grub-pc/install_devices_empty boolean true"
    run(
        *("mmdebstrap", "--variant=minbase", "--format=tar", "--architectures=amd64"),
        *("--aptopt=APT::Install-Recommends false", f"--include={','.join(_PACKAGES)}"),
        f"--essential-hook=tar-in {shlex.quote(str(overlay))} /",
        f'--essential-hook=echo {no_disk_yet} | chroot "$1" debconf-set-selections',
        f"--customize-hook=upload {shlex.quote(str(_CUSTOMIZE))} /root/customize.sh",
        f'--customize-hook=chroot "$1" sh /root/customize.sh {root_uuid}',
        '--customize-hook=rm "$1/root/customize.sh" "$1/etc/apt/apt.conf.d/99mmdebstrap"',
        '--customize-hook=ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"',
        *(suite, str(archive), *debian_packages.sources(suite, mirror)),
    )


def _pack_overlay(archive: Path) -> None:
    """Pack our files with the owner and the modes that a system wants, whatever the checkout's are."""
    with tarfile.open(archive, "w") as packed:
        for path in sorted(_OVERLAY.rglob("*")):
            if path.is_file():
                entry = packed.gettarinfo(path, str(path.relative_to(_OVERLAY)))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = "root"
                entry.mode = 0o644
                with path.open("rb") as file:
                    packed.addfile(entry, file)


def _write_boot_loader(disk: Path, grub: Path, root_uuid: uuid.UUID) -> None:
    """Write GRUB where BIOS looks: boot.img in the boot record, core.img in the sectors right behind it.

    As they come from grub-mkimage, boot.img loads sector 1 and that one loads what follows it.
    """
    core = (grub / "core.img").read_bytes()
    if SECTOR + len(core) > _ROOT.start:
        raise disk_image.BuildError(f"GRUB's core.img of {len(core)} bytes does not fit before the first partition")
    signature = root_uuid.int & 0xFFFFFFFF
    disk_image.write_boot_record(disk, (grub / "boot.img").read_bytes(), signature, (_ROOT,))
    with disk.open("r+b") as file:
        file.seek(SECTOR)
        file.write(core)


def main() -> int:
    """Build the image that the command line asks for, and say where it is."""
    arguments = argparse.ArgumentParser(description="Build a Debian image from Debian's packages.")
    arguments.add_argument("out", nargs="?", type=Path, help="where to put a copy; else only the cache is filled")
    arguments.add_argument("--suite", default="bookworm", help="Debian's release (default bookworm)")
    arguments.add_argument("--raw", action="store_true", help="a sparse raw file in place of a qcow2")
    arguments.add_argument("--mirror", default=MIRROR, help=f"where Debian is fetched from (default {MIRROR})")
    chosen = arguments.parse_args()
    try:
        disk = build_debian_image(DebianImage(chosen.suite, chosen.raw), chosen.mirror)
    except disk_image.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.out is not None:
        subprocess.run(["cp", "--sparse=always", disk, chosen.out], check=True)
    print(chosen.out or disk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
