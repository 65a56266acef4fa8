"""Checksums of files to download: told with the URL, or found in a list beside the file.

A URL's fragment, which no server sees, may tell what the file must be:

    #sha256=<hex>              its digest
    #sha256sums=<URL>          where a list of digests is; of the file's name, or of one file alone

and the same with sha512. Lists are as ``sha256sum`` writes them (``<hex>  name``, ``<hex> *name``), as BSD does
(``SHA256 (name) = <hex>``), or a digest alone; other lines, such as those of a signature around them, mean nothing.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_DIGITS: Final = {"sha256": 64, "sha512": 128}
_FRAGMENT: Final = re.compile(r"(sha256|sha512)(sums)?=(.+)")
_GNU: Final = re.compile(r"([0-9A-Fa-f]+)(?:\s+\*?(\S.*))?")
_BSD: Final = re.compile(r"(\w+) \((.+)\) = ([0-9A-Fa-f]+)")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file's bytes must have: an algorithm of hashlib, and a digest in lower-case hexadecimal."""

    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class SumsFile:
    """Where a list of digests is, and what kind they are."""

    algorithm: str
    url: str


def checksum_told(url: str) -> Checksum | SumsFile | None:
    """Return what a URL tells of its file's checksum, None where it tells nothing. Raises ValueError for a malformed one."""
    fragment = urlsplit(url).fragment
    told = _FRAGMENT.fullmatch(fragment)
    if told is None:
        if fragment.startswith(tuple(_DIGITS)):
            raise ValueError(f"no checksum: {fragment}")
        return None
    algorithm, in_list, value = told.groups()
    if in_list:
        if urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc:
            raise ValueError(f"no URL of checksums: {value}")
        return SumsFile(algorithm, value)
    if len(value) != _DIGITS[algorithm] or set(value.lower()) - set("0123456789abcdef"):
        raise ValueError(f"no {algorithm} digest: {value}")
    return Checksum(algorithm, value.lower())


def checksum_listed(text: str, name: str, algorithm: str) -> Checksum | None:
    """Return the checksum of a file in a list, or None where it is not there.

    A list of one file alone is that file's by whatever name, for it may be listed by the name that a link leads to.
    """
    entries = [entry for line in text.splitlines() if (entry := _entry(line.strip(), algorithm)) is not None]
    if len({digest for _, digest in entries}) == 1:
        return Checksum(algorithm, entries[0][1])
    return next((Checksum(algorithm, digest) for listed, digest in entries if listed.rpartition("/")[2] == name), None)


def _entry(line: str, algorithm: str) -> tuple[str, str] | None:
    if found := _BSD.fullmatch(line):
        kind, name, digest = found.groups()
        fits = kind.lower() == algorithm
    elif found := _GNU.fullmatch(line):
        digest, name = found[1], found[2] or ""
        fits = True
    else:
        return None
    return (name, digest.lower()) if fits and len(digest) == _DIGITS[algorithm] else None
