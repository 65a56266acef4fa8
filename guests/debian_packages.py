"""Debian packages as plain files: found, downloaded and unpacked by an ordinary user, nothing installed.

An apt of our own, with its state in one folder, reads Debian's archive: so the packages are the same whether the
machine runs Debian or Ubuntu, and whatever its own apt has seen. Debian's keys decide what is genuine.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MIRROR: Final = "http://deb.debian.org"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def sources(suite: str, mirror: str = MIRROR) -> list[str]:
    """Return the lines of a sources.list for a Debian release with its updates."""
    keyring = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    return [
        f"deb {keyring}{mirror}/debian {suite} main",
        f"deb {keyring}{mirror}/debian {suite}-updates main",
        f"deb {keyring}{mirror}/debian-security {suite}-security main",
    ]


class PackageMissingError(Exception):
    """Debian's archive has no such package, or it cannot be downloaded."""


class PackageArchive:
    """Debian's packages of one release, for x86-64.

    The lists are fetched once and then stay as they are until `refresh`, so that builds stay the same. Not for two
    processes at once; whoever has the folder locks it.
    """

    def __init__(self, folder: Path, suite: str = "bookworm", mirror: str = MIRROR) -> None:
        self._folder = folder
        self._packages = folder / "packages"
        self._state = folder / suite
        self._sources = sources(suite, mirror)

    def edition(self) -> str:
        """Return a name for what the lists say, that changes when they do."""
        self._have_lists()
        digest = hashlib.sha256()
        for path in sorted((self._state / "lists").glob("*Release")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def refresh(self) -> None:
        """Fetch the lists anew."""
        (self._state / "sources.list").unlink(missing_ok=True)
        self._have_lists()

    def newest_kernel(self, metapackage: str = "linux-image-cloud-amd64") -> str:
        """Return the name of the kernel package that the metapackage depends on.

        Raises PackageMissingError when the archive has none.
        """
        self._have_lists()
        listing = self._run_apt("apt-cache", "depends", metapackage)
        if found := re.search(r"Depends: (linux-image-\d\S*)", listing):
            return found[1]
        raise PackageMissingError(f"{metapackage} names no kernel")

    def download(self, names: Iterable[str]) -> dict[str, Path]:
        """Return the files of the newest version of these packages by name, downloaded unless they are here.

        Raises PackageMissingError when one cannot be had; after a `refresh` it may be.
        """
        versions = self._versions(list(names))
        absent = [f"{name}={version}" for name, version in versions.items() if not self._file(name, version)]
        if absent:
            self._run_apt("apt-get", "download", *absent)
        files = {name: self._file(name, version) for name, version in versions.items()}
        if missing := [name for name, path in files.items() if path is None]:
            raise PackageMissingError(f"apt did not download {', '.join(missing)}")
        return {name: path for name, path in files.items() if path is not None}

    def _versions(self, names: list[str]) -> dict[str, str]:
        self._have_lists()
        listing = self._run_apt("apt-cache", "policy", *names)
        found = dict(re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\d\S*)$", listing, re.MULTILINE))
        for name in names:
            if name not in found:
                raise PackageMissingError(f"Debian's archive has no package {name}")
        return found

    def _file(self, name: str, version: str) -> Path | None:
        return next(self._packages.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"), None)

    def _have_lists(self) -> None:
        sources_list = self._state / "sources.list"
        content = "".join(f"{line}\n" for line in self._sources)
        if sources_list.exists() and sources_list.read_text() == content:
            return
        for name in ("lists/partial", "cache/archives/partial"):
            (self._state / name).mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()
        new = sources_list.with_suffix(".new")
        new.write_text(content)
        self._run_apt("apt-get", "update", sources_list=new)
        new.rename(sources_list)

    def _run_apt(self, *command: str, sources_list: Path | None = None) -> str:
        self._packages.mkdir(parents=True, exist_ok=True)
        settings = {
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Dir::Cache": self._state / "cache",
            "Dir::Etc::SourceList": sources_list or self._state / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": self._state,
            "Dir::State::Lists": self._state / "lists",
            "Dir::State::Status": self._state / "status",
        }
        program, *arguments = command
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        try:
            done = subprocess.run(
                [program, *options, *arguments],
                cwd=self._packages,
                env={**os.environ, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise PackageMissingError(f"the program {program} is not installed") from error
        if done.returncode != 0:
            raise PackageMissingError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def unpack(package: Path, folder: Path) -> None:
    """Unpack a package's files below the folder, without running anything of it."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
