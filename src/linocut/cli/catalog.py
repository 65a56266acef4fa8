"""`linocut catalog …`: well-known cloud images, from their makers or made here."""

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed
from linocut.cli.image_catalog import WellKnownImage, read_catalog
from linocut.cli.images import require_operator
from linocut.cli.output import print_json, print_table
from linocut.cli.uploads import upload
from linocut.cli.waiting import await_image
from linocut.cli.wire import ClientOptions, Wire, connect, state_directory
from linocut.settings import load_settings

_BUILT: Final = {"debian-12": "bookworm"}
"""What can be made here, and of which suite of Debian."""

File = Annotated[Path | None, Parameter(name="--file")]


def list_catalog(*, file: File = None, options: ClientOptions | None = None) -> None:
    """List the well-known cloud images, and say which of them are published here.

    Args:
        file: another catalog than the one that the settings name.
        options: where and who.
    """
    options = options or ClientOptions()
    images = read_catalog(_catalog_file(file, options)).values()
    published = _published(connect(options))
    if options.json:
        print_json(
            [
                {
                    "Name": each.name,
                    "Title": each.title,
                    "Family": each.family,
                    "Url": each.url,
                    "Image": published.get(each.family),
                }
                for each in images
            ]
        )
        return
    print_table(
        ("NAME", "TITLE", "FAMILY", "LOGIN", "PUBLISHED"),
        [(each.name, each.title, each.family, each.user, published.get(each.family, "-")) for each in images],
    )


def _published(wire: Wire) -> dict[str, str]:
    """Return the newest public image of each family that is not deprecated."""
    public = wire.pages("DescribeImages", "ImageSet", Filters=[{"Name": "image-type", "Values": ["PUBLIC_IMAGE"]}])
    oldest_first = sorted(public, key=lambda image: str(image["CreatedTime"]))
    return {str(image["ImageFamily"]): str(image["ImageId"]) for image in oldest_first if not image["ImageDeprecated"]}


def pull(name: str, /, *, file: File = None, options: ClientOptions | None = None) -> None:
    """Import a well-known cloud image whose checksum is right, and publish it in its family. Only the operator may.

    Args:
        name: as the catalog says.
        file: another catalog than the one that the settings name.
        options: where and who.
    """
    options = options or ClientOptions()
    image = _named(name, _catalog_file(file, options))
    wire = connect(options)
    require_operator(wire)
    _publish(wire, image, image.url, options)


def build(name: str, /, *, mirror: str | None = None, file: File = None, options: ClientOptions | None = None) -> None:
    """Make an image of Debian from Debian's packages, where nothing can be downloaded, and publish it in its family.

    Needs mmdebstrap, mke2fs and qemu-img, and fakeroot for who is not root.

    Args:
        name: debian-12.
        mirror: where the packages are; Debian's own mirrors by default.
        file: another catalog than the one that the settings name.
        options: where and who.
    """
    options = options or ClientOptions()
    if name not in _BUILT:
        raise CommandFailed(f"{name} cannot be made here, only {', '.join(_BUILT)}")
    image = _named(name, _catalog_file(file, options))
    wire = connect(options)
    require_operator(wire)
    with tempfile.TemporaryDirectory(prefix="linocut-") as folder:
        disk = Path(folder) / f"{name}.qcow2"
        arguments = [str(disk), "--suite", _BUILT[name], *([] if mirror is None else ["--mirror", mirror])]
        environment = {**os.environ, "LINOCUT_GUEST_CACHE": str(Path(folder) / "cache")}
        if subprocess.run([sys.executable, str(_recipe()), *arguments], env=environment, check=False).returncode:
            raise CommandFailed(f"{name} could not be made")
        _publish(wire, image, upload(wire, disk), options)


def _publish(wire: Wire, image: WellKnownImage, url: str, options: ClientOptions) -> None:
    """Import a disk, and publish it in place of what the family had."""
    today = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    ordered = wire.call(
        "ImportImage",
        ImageUrl=url,
        ImageName=f"{image.name}-{today}",
        ImageDescription=f"{image.title}. Log in as {image.user}.",
        ImageFamily=image.family,
        OsType=image.os_type,
        OsVersion=image.os_version,
        Architecture="x86_64",
    )
    image_id = str(ordered["ImageId"])
    await_image(wire, image_id, f"Importing {image_id}")
    wire.call_own("PublishImage", ImageId=image_id, Public=True, Replaced="DEPRECATE")
    if options.json:
        print_json(wire.call("DescribeImages", ImageIds=[image_id])["ImageSet"][0])
    else:
        print(image_id)


def _named(name: str, file: Path | None) -> WellKnownImage:
    images = read_catalog(file)
    if name not in images:
        raise CommandFailed(f"the catalog has no {name}: see `linocut catalog list`")
    return images[name]


def _catalog_file(given: Path | None, options: ClientOptions) -> Path | None:
    """Return the catalog to read: the one given, or else the one of the settings, None for the one that is shipped."""
    if given is not None:
        return given
    set_to = load_settings(state_directory(options.state), None, None, os.environ, remembered=True).image_catalog
    return Path(set_to) if set_to else None


def _recipe() -> Path:
    """Return the program that makes Debian images: beside the installed package, or in the source tree."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "guests", package.parents[1] / "guests"):
        if (folder / "debian.py").is_file():
            return folder / "debian.py"
    raise CommandFailed("this installation lacks the recipe for Debian images")
