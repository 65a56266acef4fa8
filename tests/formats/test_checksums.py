"""Checksums of downloads: as a URL tells them, and as lists of all makers write them."""

import pytest

from linocut.formats import Checksum, SumsFile, checksum_listed, checksum_told

A, B = "a" * 64, "b" * 64
WIDE = "c" * 128


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        ("", None),
        ("#top", None),
        (f"#sha256={A.upper()}", Checksum("sha256", A)),
        (f"#sha512={WIDE}", Checksum("sha512", WIDE)),
        ("#sha512sums=https://host/SHA512SUMS", SumsFile("sha512", "https://host/SHA512SUMS")),
    ],
)
def test_a_url_tells_its_files_checksum(fragment: str, told: object) -> None:
    assert checksum_told(f"https://host/disk.qcow2{fragment}") == told


@pytest.mark.parametrize("fragment", ["sha256=abc", f"sha512={A}", f"sha256={'g' * 64}", "sha256sums=SHA256SUMS", "sha256"])
def test_a_malformed_checksum_is_not_overlooked(fragment: str) -> None:
    with pytest.raises(ValueError, match="no "):
        checksum_told(f"https://host/disk.qcow2#{fragment}")


@pytest.mark.parametrize(
    "text",
    [
        f"{B}  other.qcow2\n{A}  disk.qcow2\n",
        f"{B} *other.qcow2\n{A} *disk.qcow2\n",
        f"# disk.qcow2: 12 bytes\nSHA256 (other.qcow2) = {B}\nSHA256 (disk.qcow2) = {A}\nSHA512 (disk.qcow2) = {WIDE}\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{B}  ./other.qcow2\n{A.upper()}  ./disk.qcow2\n-----END PGP\n",
        f"{A}\n",
        f"{A}  what-the-link-leads-to.qcow2\n",
    ],
    ids=["GNU", "GNU binary", "BSD", "signed", "digest alone", "one file by another name"],
)
def test_a_list_has_a_files_checksum(text: str) -> None:
    assert checksum_listed(text, "disk.qcow2", "sha256") == Checksum("sha256", A)


@pytest.mark.parametrize(
    "text", ["", f"{A}  other.qcow2\n{B}  another.qcow2\n", f"{WIDE}  disk.qcow2\n", "<html>disk.qcow2</html>"]
)
def test_a_list_without_the_file_has_no_checksum(text: str) -> None:
    assert checksum_listed(text, "disk.qcow2", "sha256") is None
