"""Builds a tiny guest: a bootable disk with Debian's kernel, busybox and an SSH server.

It is for tests and benchmarks. Under software emulation it answers a few seconds after QEMU starts. It boots
by BIOS from its own disk, reads the config drive as a cloud image would, keeps what it writes, and answers on

- TCP 80: ``POST /cgi-bin/sh`` runs the body as root and returns its output, with the exit code in the header
  ``X-Exit-Code``; ``GET /cgi-bin/meta`` returns the meta data of the config drive;
- TCP 22: SSH for root, with the public keys and the password of the config drive, read at every boot;
- the serial console: a line ``linocut-guest ready hostname=NAME boots=N``, then a shell after Enter;
- the power button, at once.

The disk: a master boot record, a FAT partition with the kernel and an initramfs of one program, and the ext4 root. With `--uefi`
it has a GUID partition table instead, and boots by UEFI alone: the FAT partition holds systemd-boot. With `--agent` QEMU's guest
agent runs in it.
Needs no root and no loop device. What it is made of is in tiny_root/.

    python guests/tiny.py OUT.qcow2 [--size-gb N] [--fill-mb N] [--raw] [--uefi] [--agent]
"""

import argparse
import hashlib
import lzma
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import debian_packages
import disk_image
from debian_packages import PackageArchive, PackageMissingError
from disk_image import MIB, BuildError, Partition, run

_HERE: Final = Path(__file__).resolve().parent
_CACHE: Final = _HERE.parent / ".cache"
_ROOT_FILES: Final = _HERE / "tiny_root"
_PROGRAMS: Final = (Path(__file__), Path(disk_image.__file__), Path(debian_packages.__file__))

_BOOT_CODE: Final = Path("/usr/lib/syslinux/mbr/mbr.bin")
_BOOT: Final = Partition(disk_image.FAT16, MIB, 24 * MIB)
_SIGNATURE: Final = 0x4C494E4F

_KERNEL_ARGUMENTS: Final = (
    "console=ttyS0 quiet loglevel=3 mitigations=off nokaslr random.trust_cpu=on no_timer_check panic=5 "
    "rcupdate.rcu_expedited=1 audit=0 apparmor=0 selinux=0 8250.nr_uarts=1 cryptomgr.notests"
)
_SYSLINUX_CONFIG: Final = f"""\
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
LINUX vmlinuz
INITRD initrd
APPEND {_KERNEL_ARGUMENTS}
"""

_UEFI_LOADER: Final = "systemd-boot-efi"
_LOADER_ENTRY: Final = f"""\
linux /vmlinuz
initrd /initrd
options {_KERNEL_ARGUMENTS}
"""

_MODULES: Final = {
    "boot": ("virtio_pci", "virtio_blk"),
    "net": ("virtio_net",),
    "late": ("virtio-rng", "isofs", "button", "evdev"),
    "cdrom": ("ata_piix", "virtio_scsi", "sr_mod"),
    "agent": ("virtio_console",),
}
"""What /etc/rc and the initramfs load, by the moment at which they do; a kernel may have some built in."""

_USERLAND: Final = (
    "busybox-static",
    "dropbear-bin",
    "libc6",
    "libcrypt1",
    "libgmp10",
    "libtomcrypt1",
    "libtommath1",
    "zlib1g",
)
_SSH_PROGRAMS: Final = ("usr/sbin/dropbear", "usr/bin/dropbearkey")
_SSH_LIBRARIES: Final = (
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libcrypt.so.1",
    "libgmp.so.10",
    "libtomcrypt.so.1",
    "libtommath.so.1",
    "libz.so.1",
)
_AGENT_PACKAGES: Final = ("qemu-guest-agent", "libglib2.0-0", "liburing2", "libnuma1", "libpcre2-8-0", "libudev1")
_AGENT_PROGRAM: Final = "usr/sbin/qemu-ga"
_AGENT_LIBRARIES: Final = (
    "libglib-2.0.so.0",
    "libgmodule-2.0.so.0",
    "libm.so.6",
    "libnuma.so.1",
    "libpcre2-8.so.0",
    "libudev.so.1",
    "liburing.so.2",
)
"""What a guest with QEMU's agent has more: 4 MB."""
_FOLDERS: Final = (
    *("bin", "config", "dev", "etc/dropbear", "lib/modules", "lib64", "proc", "root", "run", "state", "sys", "tmp"),
    *("var/log", "var/run"),
)


@dataclass(frozen=True, slots=True)
class TinyGuest:
    """What may differ between two tiny guests."""

    size_gb: int = 1
    """The disk's virtual size."""
    fill_mb: int = 0
    """How much pseudo-random data, the same every time, lies in /state/fill."""
    raw: bool = False
    """A sparse raw file in place of a qcow2."""
    uefi: bool = False
    """Boots by UEFI, and not by BIOS."""
    agent: bool = False
    """Runs QEMU's guest agent."""


def build_tiny_guest(guest: TinyGuest | None = None) -> Path:
    """Return the disk of such a guest in the cache, made now unless an equal one is there.

    The file is shared: read it or put an overlay on it, and do not write to it.
    Raises PackageMissingError when a package it is made of cannot be had, BuildError when a program fails.
    """
    guest = guest or TinyGuest()
    folder = _CACHE / "tiny"
    with disk_image.sole_builder(folder):
        archive = PackageArchive(_CACHE / "apt")
        disk = folder / f"{_fingerprint(guest, archive)}.{'raw' if guest.raw else 'qcow2'}"
        if not disk.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as work:
                _make_disk(guest, *_packages(archive, guest), Path(work)).rename(disk)
        return disk


def _fingerprint(guest: TinyGuest, archive: PackageArchive) -> str:
    digest = hashlib.sha256(f"{guest} {archive.edition()}\n".encode())
    for path in [*_PROGRAMS, *sorted(_ROOT_FILES.rglob("*"))]:
        if path.is_file():
            digest.update(f"{path.relative_to(_HERE)} {path.stat().st_mode & 0o100:o}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _packages(archive: PackageArchive, guest: TinyGuest) -> tuple[str, dict[str, Path]]:
    """Return the name of the kernel's package, and the files of all packages by name."""
    others = [*_USERLAND, *([_UEFI_LOADER] if guest.uefi else []), *(_AGENT_PACKAGES if guest.agent else [])]
    try:
        kernel = archive.newest_kernel()
        return kernel, archive.download([kernel, *others])
    except PackageMissingError:
        # Debian drops what it has replaced; newer lists name what is there now.
        archive.refresh()
        kernel = archive.newest_kernel()
        return kernel, archive.download([kernel, *others])


def _make_disk(guest: TinyGuest, kernel: str, packages: dict[str, Path], work: Path) -> Path:
    unpacked = work / "packages"
    for name, package in packages.items():
        debian_packages.unpack(package, unpacked / ("kernel" if name == kernel else "userland"))
    modules = _Modules(unpacked / "kernel")
    initramfs = work / "initrd"
    initramfs.write_bytes(b"".join(_initramfs(unpacked / "userland", modules)))
    root = work / "root"
    _fill_root(root, unpacked / "userland", modules, has_agent=guest.agent)
    _write_random_files(root / "state" / "fill", guest.fill_mb)

    disk = work / "disk.raw"
    size = guest.size_gb << 30
    after_boot = _BOOT.start + _BOOT.size
    after_root = size - (MIB if guest.uefi else 0)
    root_partition = Partition(disk_image.LINUX, after_boot, after_root - after_boot)
    disk_image.make_empty(disk, size)
    vmlinuz = next((unpacked / "kernel/boot").glob("vmlinuz-*"))
    if guest.uefi:
        system = Partition(disk_image.EFI_SYSTEM, _BOOT.start, _BOOT.size)
        disk_image.write_gpt(disk, _SIGNATURE, (system, root_partition))
        _write_efi_partition(disk, next((unpacked / "userland").rglob("systemd-bootx64.efi")), vmlinuz, initramfs)
    else:
        disk_image.write_boot_record(disk, _BOOT_CODE.read_bytes(), _SIGNATURE, (_BOOT, root_partition))
        _write_boot_partition(disk, vmlinuz, initramfs)
    options = ("-L", "linocut-tiny", "-m", "0", "-J", "size=4", "-N", "8192")
    disk_image.make_ext4(disk, root_partition, root, *options)
    if guest.raw:
        return disk
    image = work / "disk.qcow2"
    disk_image.to_qcow2(disk, image)
    return image


class _Modules:
    """The loadable modules of an unpacked kernel package."""

    def __init__(self, unpacked_kernel: Path) -> None:
        self._files = {path.name.partition(".")[0].replace("-", "_"): path for path in unpacked_kernel.rglob("*.ko*")}

    def in_load_order(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return these modules and all they depend on, as file names and contents, dependencies first."""
        ordered: dict[str, bytes] = {}
        for name in names:
            path = self._files.get(name.replace("-", "_"))
            if path is None:
                continue  # built into the kernel
            content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
            depends = re.search(rb"\0depends=([^\0]+)\0", content)
            if depends:
                ordered |= self.in_load_order(depends[1].decode().split(","))
            ordered[f"{name}.ko"] = content
        return ordered


def _initramfs(userland: Path, modules: _Modules) -> Iterator[bytes]:
    boot = modules.in_load_order(_MODULES["boot"])
    for folder in ("bin", "dev", "modules", "root"):
        yield _cpio_entry(folder, 0o040755, b"")
    yield _cpio_entry("bin/busybox", 0o100755, (userland / "bin/busybox").read_bytes())
    yield _cpio_entry("init", 0o100755, (_ROOT_FILES / "initramfs-init").read_bytes())
    for name, content in boot.items():
        yield _cpio_entry(f"modules/{name}", 0o100644, content)
    yield _cpio_entry("modules/boot.list", 0o100644, "\n".join(boot).encode())
    yield _cpio_entry("TRAILER!!!", 0, b"")


def _cpio_entry(name: str, mode: int, content: bytes) -> bytes:
    """Return one entry of a "newc" archive, the form in which the kernel takes its initramfs.

    Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
    """
    name_bytes = name.encode() + b"\0"
    inode = int.from_bytes(hashlib.sha256(name_bytes).digest()[:4])
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name_bytes), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name_bytes
    return _pad(header, 4) + _pad(content, 4)


def _pad(content: bytes, multiple: int) -> bytes:
    return content + b"\0" * (-len(content) % multiple)


def _fill_root(root: Path, userland: Path, modules: _Modules, *, has_agent: bool) -> None:
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copytree(_ROOT_FILES, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("initramfs-init"))
    busybox = userland / "bin/busybox"
    shutil.copy2(busybox, root / "bin/busybox")
    for applet in run(busybox, "--list-full").split():
        link = root / applet
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to("/bin/busybox")
    for name in ("reboot", "halt"):
        (root / "sbin" / name).unlink()
        (root / "sbin" / name).symlink_to("poweroff")
    for program in (*_SSH_PROGRAMS, *([_AGENT_PROGRAM] if has_agent else [])):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(userland / program, root / program)
    for library in (*_SSH_LIBRARIES, *(_AGENT_LIBRARIES if has_agent else [])):
        found = next(path for path in sorted(userland.rglob(library)) if path.exists())
        shutil.copy(found, root / ("lib64" if library.startswith("ld-") else "lib") / library)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    (root / "etc/os-release").write_text('NAME="Linocut tiny guest"\nID=linocut-tiny\nVERSION_ID=1\n')
    for moment, names in _MODULES.items():
        ordered = modules.in_load_order(names) if moment != "boot" else {}
        for name, content in ordered.items():
            (root / "lib/modules" / name).write_bytes(content)
        (root / "lib/modules" / f"{moment}.list").write_text("".join(f"{name}\n" for name in ordered))


def _write_random_files(folder: Path, size_mb: int) -> None:
    source = random.Random(size_mb)  # noqa: S311  # the same bytes every time is the point
    for number in range(0, size_mb, 64):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{number:06}").open("wb") as file:
            for _ in range(number, min(number + 64, size_mb)):
                file.write(source.randbytes(MIB))


def _write_efi_partition(disk: Path, loader: Path, kernel: Path, initramfs: Path) -> None:
    entry, config = initramfs.with_name("linux.conf"), initramfs.with_name("loader.conf")
    entry.write_text(_LOADER_ENTRY)
    config.write_text("timeout 0\ndefault linux.conf\n")
    image = _format_boot_partition(disk)
    run("mmd", "-i", image, "::EFI", "::EFI/BOOT", "::loader", "::loader/entries")
    files = {loader: "EFI/BOOT/BOOTX64.EFI", config: "loader/loader.conf", entry: "loader/entries/linux.conf"}
    for file, name in (files | {kernel: "vmlinuz", initramfs: "initrd"}).items():
        run("mcopy", "-i", image, file, f"::{name}", MTOOLS_SKIP_CHECK="1")


def _format_boot_partition(disk: Path) -> str:
    """Make an empty FAT file system in the first partition, and return it as mtools name it."""
    image = f"{disk}@@{_BOOT.start}"
    sectors, hidden = (str(size // disk_image.SECTOR) for size in (_BOOT.size, _BOOT.start))
    run("mformat", "-i", image, "-T", sectors, "-h", "16", "-s", "63", "-H", hidden, "::")
    return image


def _write_boot_partition(disk: Path, kernel: Path, initramfs: Path) -> None:
    config = initramfs.with_name("syslinux.cfg")
    config.write_text(_SYSLINUX_CONFIG)
    image = _format_boot_partition(disk)
    run("syslinux", "--install", "--offset", str(_BOOT.start), disk)
    for file, name in ((kernel, "vmlinuz"), (initramfs, "initrd"), (config, "syslinux.cfg")):
        run("mcopy", "-i", image, file, f"::{name}", MTOOLS_SKIP_CHECK="1")


def main() -> int:
    """Build the guest that the command line asks for, and say where it is."""
    arguments = argparse.ArgumentParser(description="Build a tiny bootable guest disk.")
    arguments.add_argument("out", nargs="?", type=Path, help="where to put a copy; else only the cache is filled")
    arguments.add_argument("--size-gb", type=int, default=1, help="virtual size in GiB (default 1)")
    arguments.add_argument("--fill-mb", type=int, default=0, help="MiB of pseudo-random data on its disk")
    arguments.add_argument("--raw", action="store_true", help="a sparse raw file in place of a qcow2")
    arguments.add_argument("--uefi", action="store_true", help="a guest that boots by UEFI, and not by BIOS")
    arguments.add_argument("--agent", action="store_true", help="a guest that runs QEMU's guest agent")
    chosen = arguments.parse_args()
    try:
        disk = build_tiny_guest(TinyGuest(chosen.size_gb, chosen.fill_mb, chosen.raw, chosen.uefi, chosen.agent))
    except (PackageMissingError, BuildError) as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.out is not None:
        subprocess.run(["cp", "--sparse=always", disk, chosen.out], check=True)
    print(chosen.out or disk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
