"""The catalog of well-known cloud images: a TOML file, the shipped one or the one that a setting names."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from linocut.cli.failures import CommandFailed
from linocut.model import rules
from linocut.model.errors import Refusal
from linocut.model.systems import find_system

_TEXTS: Final = frozenset({"title", "family", "os_type", "os_version", "url", "user"})
_SUMS: Final = frozenset({"sha256sums", "sha512sums"})


@dataclass(frozen=True, slots=True)
class WellKnownImage:
    """A cloud image as its makers publish it. `url` tells where its checksum is listed, as imports read it."""

    name: str
    title: str
    family: str
    os_type: str
    os_version: str
    url: str
    user: str


def read_catalog(file: Path | None) -> dict[str, WellKnownImage]:
    """Return the images of a catalog by their names, of the shipped one without a file. Raises CommandFailed."""
    source = "the catalog" if file is None else str(file)
    try:
        text = (files("linocut.cli") / "image_catalog.toml").read_text("utf-8") if file is None else file.read_text("utf-8")
        entries = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandFailed(f"{source} cannot be read: {error}") from error
    return {name: _image(source, name, entry) for name, entry in entries.items()}


def _image(source: str, name: str, entry: object) -> WellKnownImage:
    if not isinstance(entry, dict) or not all(isinstance(value, str) and value for value in entry.values()):
        raise CommandFailed(f"{source}: {name} is not a table of texts")
    lists = entry.keys() & _SUMS
    if entry.keys() != _TEXTS | lists or len(lists) != 1:
        raise CommandFailed(f"{source}: {name} takes {', '.join(sorted(_TEXTS))}, and one of {', '.join(sorted(_SUMS))}")
    (kind,) = lists
    try:
        find_system(entry["os_type"], entry["os_version"])
        rules.image_name(name)
        rules.image_family(entry["family"])
    except Refusal as error:
        raise CommandFailed(f"{source}: {name}: {error}") from error
    texts = {key: entry[key] for key in _TEXTS - {"url"}}
    return WellKnownImage(name, url=f"{entry['url']}#{kind}={entry[kind]}", **texts)
