"""The operating systems that an import may name.

Source: CVM DescribeImportImageOs, and the OsType and OsVersion lists of ImportImage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from linocut.model import errors


@dataclass(frozen=True, slots=True)
class System:
    """An operating system: its title as users see it, the platform that images are filtered by, its versions.

    An empty tuple of versions takes any version.
    """

    title: str
    platform: str
    versions: tuple[str, ...]
    architectures: tuple[str, ...] = ("x86_64", "i386")


@dataclass(frozen=True, slots=True)
class ImportSystems:
    """The names to show: Linux and Windows systems, and of each (name, versions, architectures)."""

    linux: tuple[str, ...]
    windows: tuple[str, ...]
    versions: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]


_X86_64: Final = ("x86_64",)
_LINUX: Final[Mapping[str, System]] = {
    "CentOS": System("CentOS", "CentOS", ("5", "6", "7", "8")),
    "CentOS Stream": System("CentOS Stream", "CentOS Stream", ("8", "9", "10"), _X86_64),
    "Ubuntu": System(
        "Ubuntu Server",
        "Ubuntu",
        ("10", "12", "14", "16", "18", "20", "22", "24", "25", "26", "20.04", "22.04", "24.04", "26.04"),
    ),
    "Debian": System("Debian", "Debian", ("6", "7", "8", "9", "10", "11", "12", "13")),
    "OpenSUSE": System("openSUSE", "openSUSE", ("11", "12", "13", "15", "16")),
    "SUSE": System("SUSE Linux Enterprise Server", "SUSE", ("10", "11", "12", "15")),
    "CoreOS": System("CoreOS", "CoreOS", ()),
    "FreeBSD": System("FreeBSD", "FreeBSD", ("10", "11", "12", "13", "14", "15")),
    "Fedora": System("Fedora", "Fedora", ()),
    "AlmaLinux": System("AlmaLinux", "AlmaLinux", ("8", "9", "10"), _X86_64),
    "Rocky Linux": System("Rocky Linux", "Rocky Linux", ("8", "9", "10"), _X86_64),
    "TencentOS": System("TencentOS Server", "TencentOS", ("2", "3", "4"), _X86_64),
    "OpenCloudOS": System("OpenCloudOS", "OpenCloudOS", ("8", "9"), _X86_64),
    "Redhat": System("Red Hat Enterprise Linux", "RedHat", ("5", "6", "7", "8", "9", "10")),
    "Kylin": System("Kylin", "Kylin", ("V10", "V11"), _X86_64),
    "UnionTech": System("UnionTech OS", "UnionTech", ("20", "25"), _X86_64),
    "Other Linux": System("Other Linux", "Other Linux", ()),
}
_WINDOWS: Final[Mapping[str, System]] = {
    f"Windows Server {year}": System(f"Windows Server {year}", "Windows", ("-", "9"), _X86_64)
    for year in (2008, 2012, 2016, 2019, 2022, 2025)
}
_BY_LOWER_NAME: Final = {name.lower(): system for name, system in {**_LINUX, **_WINDOWS}.items()}


def find_system(os_type: str, os_version: str) -> System:
    """Return an operating system by its name, in any case. Raises OsTypeUnsupported, OsVersionUnsupported."""
    system = _BY_LOWER_NAME.get(os_type.lower())
    if system is None:
        raise errors.OsTypeUnsupported(f"OsType {os_type} cannot be imported; see DescribeImportImageOs.")
    if not os_version or len(os_version) > 16 or (system.versions and os_version not in system.versions):  # noqa: PLR2004
        raise errors.OsVersionUnsupported(f"OsVersion {os_version} of {os_type} cannot be imported; see DescribeImportImageOs.")
    return system


def platform_of(os_name: str) -> str:
    """Return the platform of an operating system by the name that users see, such as `Debian 12 64bit`."""
    fitting = [system for system in _BY_LOWER_NAME.values() if os_name.startswith(f"{system.title} ")]
    return max(fitting, key=lambda system: len(system.title)).platform if fitting else "Other Linux"


def import_systems_offered() -> ImportSystems:
    """Return the systems by kind."""
    return ImportSystems(
        linux=tuple(_LINUX),
        windows=tuple(_WINDOWS),
        versions=tuple((name, system.versions, system.architectures) for name, system in {**_LINUX, **_WINDOWS}.items()),
    )
