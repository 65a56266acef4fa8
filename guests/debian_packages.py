"""Debian packages as plain files: found, downloaded and unpacked by an ordinary user, nothing installed.

Works on what the machine's own apt lists know, so it honours the mirror and the keys that are set up there.
"""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path


class PackageMissingError(Exception):
    """The machine's apt lists have no such package, or it cannot be downloaded."""


def newest_kernel(metapackages: Iterable[str] = ("linux-image-cloud-amd64", "linux-image-virtual")) -> str:
    """Return the name of the kernel package that the first known metapackage depends on.

    Raises PackageMissingError when the apt lists know none of them.
    """
    for metapackage in metapackages:
        listing = _run_apt("apt-cache", "depends", "--no-recommends", "--no-suggests", metapackage)
        if found := re.search(r"Depends: (linux-image-\d\S*)", listing):
            return found[1]
    raise PackageMissingError(f"apt knows none of {', '.join(metapackages)}; try: apt-get update")


def candidate_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each package that apt would install, by name.

    Raises PackageMissingError when the apt lists do not know one of them.
    """
    wanted = list(names)
    listing = _run_apt("apt-cache", "policy", *wanted)
    versions = dict(re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\d\S*)$", listing, re.MULTILINE))
    for name in wanted:
        if name not in versions:
            raise PackageMissingError(f"apt does not know the package {name}; try: apt-get update")
    return versions


def download(names_and_versions: dict[str, str], folder: Path) -> dict[str, Path]:
    """Bring these packages into the folder, those already there excepted; returns their files by name.

    Raises PackageMissingError when a package cannot be downloaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {name: _downloaded(folder, name, version) for name, version in names_and_versions.items()}
    absent = [f"{name}={names_and_versions[name]}" for name, path in found.items() if path is None]
    if absent:
        # Run as root, apt drops its privileges when the folder allows it, and says so when it does not.
        _run_apt("apt-get", "-o", "APT::Sandbox::User=root", "download", *absent, folder=folder)
    files = {name: _downloaded(folder, name, version) for name, version in names_and_versions.items()}
    if missing := [name for name, path in files.items() if path is None]:
        raise PackageMissingError(f"apt did not download {', '.join(missing)}")
    return {name: path for name, path in files.items() if path is not None}


def unpack(package: Path, folder: Path) -> None:
    """Unpack a package's files below the folder, without running anything of it."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)


def _downloaded(folder: Path, name: str, version: str) -> Path | None:
    return next(folder.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"), None)


def _run_apt(*command: str, folder: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackageMissingError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
