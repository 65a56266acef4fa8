import json
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_disks import MIB, VARIANTS, MakeDisk, qemu_img, with_footer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linocut.formats import (
    DiskFormat,
    DiskLimits,
    DiskTooLarge,
    FormatError,
    RunAs,
    UnsafeDisk,
    UnsupportedDisk,
    inspect_disk,
)

DISK_BYTES = 12 * MIB


def patched(source: Path, target: Path, *patches: tuple[int, bytes]) -> Path:
    content = bytearray(source.read_bytes())
    for offset, new in patches:
        at = offset if offset >= 0 else len(content) + offset
        content[at : at + len(new)] = new
    target.write_bytes(content)
    return target


def refusal(path: Path, limits: DiskLimits) -> FormatError:
    with pytest.raises(FormatError) as caught:
        inspect_disk(path, limits=limits)
    assert caught.value.reason.endswith(".")
    assert str(path) not in caught.value.reason
    return caught.value


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_disk_is_recognised_in_every_variant(variant: str, make_disk: MakeDisk, limits: DiskLimits) -> None:
    path = make_disk(variant)

    found = inspect_disk(path, limits=limits)

    assert found.format is DiskFormat(variant.split(maxsplit=1)[0])
    assert found.virtual_size_bytes == DISK_BYTES
    assert found.file_size_bytes == path.stat().st_size


def test_a_raw_disk_is_recognised_by_its_partition_table(raw_disk: Path, limits: DiskLimits) -> None:
    found = inspect_disk(raw_disk, limits=limits)

    assert (found.format, found.virtual_size_bytes) == (DiskFormat.RAW, DISK_BYTES)


def test_a_gpt_without_an_mbr_is_a_raw_disk(tmp_path: Path, limits: DiskLimits) -> None:
    path = tmp_path / "gpt"
    path.write_bytes(bytes(512) + b"EFI PART" + bytes(MIB - 520))

    assert inspect_disk(path, limits=limits).format is DiskFormat.RAW


def test_a_raw_disk_cut_short_is_told_by_its_partitions(raw_disk: Path, tmp_path: Path, limits: DiskLimits) -> None:
    mbr, gpt = tmp_path / "mbr", tmp_path / "gpt"
    mbr.write_bytes(raw_disk.read_bytes()[: 11 * MIB])
    gpt.write_bytes(bytes(512) + b"EFI PART".ljust(32, b"\0") + struct.pack("<Q", 2 * 2048 - 1) + bytes(MIB - 552))

    assert isinstance(refusal(mbr, limits), UnsafeDisk)
    assert isinstance(refusal(gpt, limits), UnsafeDisk)


def test_a_file_system_without_partitions_is_a_raw_disk(tmp_path: Path, limits: DiskLimits) -> None:
    path = tmp_path / "fat"
    path.write_bytes((b"\xeb\x3c\x90" + b"boot code " * 60)[:510] + b"\x55\xaa" + bytes(MIB - 512))

    assert inspect_disk(path, limits=limits).format is DiskFormat.RAW


def test_the_driver_of_a_vhd_is_named_as_qemu_names_it() -> None:
    assert [disk_format.qemu_driver for disk_format in DiskFormat] == ["raw", "qcow2", "vmdk", "vpc", "vhdx", "vdi"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_a_file_that_only_root_reads_is_inspected_as_an_unprivileged_user(
    make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits
) -> None:
    path = patched(make_disk("qcow2 version 3"), tmp_path / "private.qcow2")
    path.chmod(0o600)
    tmp_path.chmod(0o700)

    found = inspect_disk(path, limits=DiskLimits(run_as=RunAs(65534, 65534), inspect_timeout_s=limits.inspect_timeout_s))

    assert found.format is DiskFormat.QCOW2


def test_snapshots_inside_a_qcow2_are_harmless(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    path = patched(make_disk("qcow2 version 3"), tmp_path / "disk")
    qemu_img("snapshot", "-c", "before", path)

    assert inspect_disk(path, limits=limits).virtual_size_bytes == DISK_BYTES


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_cut_short_is_refused(variant: str, make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    whole = make_disk(variant).read_bytes()
    path = tmp_path / "short"
    for kept in (len(whole) * 9 // 10, len(whole) // 2, 70_000, 600, 512, 100):
        path.write_bytes(whole[:kept])
        assert isinstance(refusal(path, limits), UnsafeDisk | UnsupportedDisk)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * MIB,
        b"<!DOCTYPE html><html><body>" + b"not here " * 10_000,
        b"plain text\n" * 1000,
        b"\x1f\x8b\x08" + bytes(4096),
        b"QED\0" + bytes(4096),
        b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 1 FLAT "/etc/shadow" 0\n' + b"\n" * 512,
        bytes(0x8000) + b"\x01CD001\x01" + bytes(4096),
        bytes(510) + b"\x55\xaa" + bytes(0x8000 - 512) + b"\x01CD001\x01" + bytes(4096),
    ],
    ids=["nothing", "zeros", "page", "text", "gzip", "qed", "vmdk descriptor", "iso", "iso that boots from a stick"],
)
def test_what_is_not_a_disk_is_refused(content: bytes, tmp_path: Path, limits: DiskLimits) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert isinstance(refusal(path, limits), UnsafeDisk | UnsupportedDisk)


def test_an_iso_is_named_as_such(tmp_path: Path, limits: DiskLimits) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(510) + b"\x55\xaa" + bytes(0x8000 - 512) + b"\x01CD001\x01" + bytes(4096))

    assert "ISO" in refusal(path, limits).reason


def test_a_folder_and_a_device_are_not_disks(tmp_path: Path, limits: DiskLimits) -> None:
    assert isinstance(refusal(tmp_path, limits), UnsupportedDisk)
    assert isinstance(refusal(Path("/dev/zero"), limits), UnsupportedDisk)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["-F", "raw", "-b", "base"], "backing"),
        (["-o", "data_file=data"], "data file"),
        (["-o", "extended_l2=on"], "features"),
    ],
    ids=["backing file", "data file", "extended L2"],
)
def test_a_qcow2_that_is_not_plain_is_refused(options: list[str], word: str, tmp_path: Path, limits: DiskLimits) -> None:
    (tmp_path / "base").write_bytes(bytes(MIB))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, "disk", "1M"], cwd=tmp_path, check=True)

    error = refusal(tmp_path / "disk", limits)

    assert word in error.reason


@pytest.mark.parametrize("version", [1, 2])
def test_a_luks_volume_is_refused(version: int, tmp_path: Path, limits: DiskLimits) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"LUKS\xba\xbe\0" + bytes([version]) + bytes(MIB))

    assert "encrypted" in refusal(path, limits).reason


QCOW2_LIES = {
    "version 1": (4, struct.pack(">I", 1)),
    "version 4": (4, struct.pack(">I", 4)),
    "clusters of 2 GiB": (20, struct.pack(">I", 31)),
    "no size": (24, struct.pack(">Q", 0)),
    "half a sector": (24, struct.pack(">Q", DISK_BYTES - 256)),
    "larger than its L1 table": (24, struct.pack(">Q", 400 * 2**30)),
    "encryption method": (32, struct.pack(">I", 1)),
    "a gigantic L1 table": (36, struct.pack(">I", 2**32 - 1)),
    "no L1 table": (36, struct.pack(">I", 0)),
    "an L1 table behind the end": (40, struct.pack(">Q", 2**40)),
    "an L1 table that wraps": (40, struct.pack(">Q", 2**64 - 65536)),
    "an unaligned L1 table": (40, struct.pack(">Q", 65536 + 8)),
    "a refcount table behind the end": (48, struct.pack(">Q", 2**40)),
    "no refcount table": (48, struct.pack(">Q", 0)),
    "a gigantic refcount table": (56, struct.pack(">I", 2**31)),
    "marked corrupt": (72, struct.pack(">Q", 2)),
    "external data": (72, struct.pack(">Q", 4)),
    "unknown feature": (72, struct.pack(">Q", 1 << 63)),
    "refcounts of 2^7 bits": (96, struct.pack(">I", 7)),
    "a header longer than a cluster": (100, struct.pack(">I", 2**20)),
    "unknown compression": (72, struct.pack(">QQQII", 8, 0, 0, 4, 112) + b"\x09"),
}


@pytest.mark.parametrize("lie", QCOW2_LIES)
def test_a_qcow2_whose_header_lies_is_refused(lie: str, make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    path = patched(make_disk("qcow2 version 3"), tmp_path / "disk", QCOW2_LIES[lie])

    assert isinstance(refusal(path, limits), UnsafeDisk | UnsupportedDisk)


def test_a_qcow2_whose_tables_point_outside_the_file_is_refused(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    source = make_disk("qcow2 version 3")
    (l1_at,) = struct.unpack(">Q", source.read_bytes()[40:48])
    (l2_at,) = struct.unpack(">Q", source.read_bytes()[l1_at : l1_at + 8])
    outside = struct.pack(">Q", 1 << 63 | 2**40)

    for table in (l1_at, (l2_at & (2**56 - 1))):
        assert isinstance(refusal(patched(source, tmp_path / "disk", (table, outside)), limits), UnsafeDisk)


VMDK_LIES = {
    "a parent": (b"parentCID=ffffffff", b"parentCID=12345678"),
    "a parent's name": (b"# The Disk Data Base", b'parentFileNameHint="x'),
    "a second type": (b"# The Disk Data Base", b'createType="vmfs"\n###'),
    "a type in another spelling": (b'createType="monolithicSparse"', b'CreateType="monolithicFlat"  '),
    "an extent by path": (b'SPARSE "', b'SPARSE "/etc/'),
    "a flat extent": (b"SPARSE", b"FLAT  "),
    "a second extent": (b"# The Disk Data Base", b'RW 1 SPARSE "b.vmdk"'),
    "an extent of another size": (b"RW 24576 ", b"RW 14576 "),
    "unknown lines": (b"# The Disk Data Base", b"load everything here"),
    "encryption": (b"# The Disk Data Base", b'encryption.keys="abc'),
}


@pytest.mark.parametrize("lie", VMDK_LIES)
def test_a_vmdk_whose_descriptor_points_elsewhere_is_refused(
    lie: str, make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits
) -> None:
    content = make_disk("vmdk sparse").read_bytes()
    old, new = VMDK_LIES[lie]
    start, length = 512, 20 * 512
    descriptor = content[start : start + length]
    assert old in descriptor
    descriptor = descriptor.replace(old, new)[:length].ljust(length, b"\0")
    path = tmp_path / "disk"
    path.write_bytes(content[:start] + descriptor + content[start + length :])

    assert isinstance(refusal(path, limits), UnsafeDisk)


@pytest.mark.parametrize(
    "patch",
    [
        (12, struct.pack("<Q", 0)),
        (12, struct.pack("<Q", 2**52)),
        (20, struct.pack("<Q", 0)),
        (28, struct.pack("<Q", 2)),
        (44, struct.pack("<I", 2**31)),
        (56, struct.pack("<Q", 2**40)),
        (56, struct.pack("<Q", 2**64 - 1)),
    ],
    ids=[
        "no capacity",
        "a gigantic one",
        "no grain",
        "descriptor moved",
        "gigantic tables",
        "directory outside",
        "footer missing",
    ],
)
def test_a_vmdk_whose_header_lies_is_refused(
    patch: tuple[int, bytes], make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits
) -> None:
    refusal(patched(make_disk("vmdk sparse"), tmp_path / "disk", patch), limits)


def test_a_vmdk_with_a_footer_is_recognised(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    path = with_footer(make_disk("vmdk stream-optimised"), tmp_path / "disk")

    assert inspect_disk(path, limits=limits).virtual_size_bytes == DISK_BYTES


@pytest.mark.parametrize(
    "patch",
    [
        (-1024, b"XXXX"),
        (-1024 + 12, struct.pack("<Q", DISK_BYTES // 512 + 128)),
        (-1024 + 28, struct.pack("<Q", 3)),
        (-1024 + 56, b"\xff" * 8),
        (-1024 + 56, struct.pack("<Q", 2**40)),
        (-1536 + 12, struct.pack("<I", 2)),
        (-512, b"\1"),
    ],
    ids=["no header", "another size", "another descriptor", "another footer", "directory outside", "no marker", "no end"],
)
def test_a_vmdk_whose_footer_lies_is_refused(
    patch: tuple[int, bytes], make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits
) -> None:
    whole = with_footer(make_disk("vmdk stream-optimised"), tmp_path / "whole")

    refusal(patched(whole, tmp_path / "disk", patch), limits)


def with_vhd_footers(source: Path, target: Path, *patches: tuple[int, bytes]) -> Path:
    """Patch every footer of a VHD, and make its checksum right."""
    content = bytearray(source.read_bytes())
    for start in {0, len(content) - 512}:
        footer = content[start : start + 512]
        if not footer.startswith(b"conectix"):
            continue
        for offset, new in patches:
            footer[offset : offset + len(new)] = new
        footer[64:68] = bytes(4)
        footer[64:68] = struct.pack(">I", ~sum(footer) & 0xFFFF_FFFF)
        content[start : start + 512] = footer
    target.write_bytes(content)
    return target


@pytest.mark.parametrize("variant", ["vhd dynamic", "vhd fixed"])
@pytest.mark.parametrize(
    "patch",
    [(60, struct.pack(">I", 4)), (60, struct.pack(">I", 9)), (48, struct.pack(">Q", 2**38)), (48, struct.pack(">Q", 2**40))],
    ids=["differencing", "unknown type", "larger than it is", "gigantic"],
)
def test_a_vhd_whose_footer_lies_is_refused(
    variant: str, patch: tuple[int, bytes], make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits
) -> None:
    refusal(with_vhd_footers(make_disk(variant), tmp_path / "disk", patch), limits)


def test_a_vhd_with_a_damaged_footer_is_not_taken_for_a_raw_disk(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    path = patched(make_disk("vhd fixed"), tmp_path / "disk", (-400, b"\xff"))

    assert isinstance(refusal(path, limits), UnsafeDisk)


def test_a_vhd_from_a_tool_that_rounds_geometry_keeps_its_size(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    path = with_vhd_footers(make_disk("vhd fixed"), tmp_path / "disk", (28, b"vpc "))

    assert inspect_disk(path, limits=limits).virtual_size_bytes == DISK_BYTES


def test_a_vhdx_with_a_parent_is_refused(make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits) -> None:
    source = make_disk("vhdx dynamic")
    content = source.read_bytes()
    parameters = content.index(bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b"))
    region = content.index(b"metadata")
    (offset,) = struct.unpack("<I", content[parameters + 16 : parameters + 20])
    path = patched(source, tmp_path / "disk", (region + offset + 4, struct.pack("<I", 2)))

    assert "parent" in refusal(path, limits).reason


@pytest.mark.parametrize(
    "patch",
    [
        (0x40 + 4, struct.pack("<I", 2)),
        (0x40 + 12, struct.pack("<I", 4)),
        (0x154, struct.pack("<I", 2**31)),
        (0x158, struct.pack("<I", 2**31)),
        (0x170, struct.pack("<Q", 2**38)),
        (0x180, struct.pack("<I", 2**31)),
        (0x184, struct.pack("<I", 2**30)),
        (0x1A8, b"a parent's name."),
    ],
    ids=["version", "differencing", "map outside", "data outside", "larger", "blocks", "allocated", "parent"],
)
def test_a_vdi_whose_header_lies_is_refused(
    patch: tuple[int, bytes], make_disk: MakeDisk, tmp_path: Path, limits: DiskLimits
) -> None:
    refusal(patched(make_disk("vdi dynamic"), tmp_path / "disk", patch), limits)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_disk_above_the_limit_is_refused_and_one_at_it_is_not(variant: str, make_disk: MakeDisk) -> None:
    path = make_disk(variant)

    inspect_disk(path, limits=DiskLimits(virtual_size_bytes=DISK_BYTES, file_size_bytes=path.stat().st_size))

    assert isinstance(refusal(path, DiskLimits(virtual_size_bytes=DISK_BYTES - 1)), DiskTooLarge)
    assert isinstance(refusal(path, DiskLimits(file_size_bytes=path.stat().st_size - 1)), DiskTooLarge)


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A secret beside the disks, which no disk may ever show."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "secret").write_bytes(b"the secret".ljust(MIB, b"!"))
    yield folder
    assert json.dumps(sorted(path.name for path in folder.iterdir())) == '["disk", "secret"]'


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    damage=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 1024), st.integers(-1024, -1), st.integers(0, 4 * MIB)),
            st.one_of(
                st.binary(min_size=1, max_size=16),
                st.integers(0, 2**64 - 1).map(lambda number: number.to_bytes(8, "big")),
                st.sampled_from([b"\xff" * 8, b"\0" * 8, b"/secret", b"\x7f" + b"\xff" * 7]),
            ),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_a_damaged_file_is_taken_or_refused_and_nothing_else(
    variant: str, damage: list[tuple[int, bytes]], make_disk: MakeDisk, canary: Path
) -> None:
    limits = DiskLimits(virtual_size_bytes=64 * MIB, inspect_timeout_s=20)
    source = make_disk(variant)
    inside = [(at, new) for at, new in damage if at + len(new) <= source.stat().st_size]
    path = patched(source, canary / "disk", *inside)

    try:
        found = inspect_disk(path, limits=limits)
    except FormatError:
        return
    assert 0 < found.virtual_size_bytes <= limits.virtual_size_bytes


@pytest.mark.parametrize(
    ("at", "magic"), [(1080, b"\x53\xef"), (0, b"XFSB"), (65600, b"_BHRfS_M"), (512, b"LABELONE"), (4086, b"SWAPSPACE2")]
)
def test_a_raw_data_disk_with_a_file_system_and_no_partitions_is_taken(tmp_path: Path, at: int, magic: bytes) -> None:
    disk = tmp_path / "data.raw"
    with disk.open("wb") as out:
        out.truncate(1 << 20)
        with pytest.raises(UnsupportedDisk):
            inspect_disk(disk, limits=DiskLimits())
        out.seek(at)
        out.write(magic)

    assert inspect_disk(disk, limits=DiskLimits()).format is DiskFormat.RAW


def test_a_disk_that_mke2fs_made_is_taken(tmp_path: Path) -> None:
    disk = tmp_path / "data.raw"
    with disk.open("wb") as out:
        out.truncate(8 << 20)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", disk], check=True)
    assert inspect_disk(disk, limits=DiskLimits()).format is DiskFormat.RAW
