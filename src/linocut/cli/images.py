"""`linocut image …` and `linocut instance create-image`."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused, WireError
from linocut.cli.output import print_json, print_table
from linocut.cli.uploads import upload
from linocut.cli.waiting import await_image
from linocut.cli.wire import ClientOptions, JsonObject, Wire, connect
from linocut.model.ids import is_id

_IMAGE_PREFIX: Final = "img"
_NO_IMAGE: Final = "img-00000000"
_ANY_URL: Final = "https://upload.invalid/"
"""Stands for an upload that is not there yet, where the rest of an order is tried."""
_OWN: Final = "PRIVATE_IMAGE"
_PUBLIC: Final = "PUBLIC_IMAGE"
_NAMED: Final = (_OWN, _PUBLIC)
"""The types of image that may be meant by name, the preferred first. Who shares an image chooses its name, so never that."""


def import_image(
    source: str,
    /,
    *,
    name: str,
    os_type: str,
    os_version: str,
    architecture: str = "x86_64",
    description: str | None = None,
    public: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
    uefi: Annotated[bool, Parameter(negative="")] = False,
    family: str | None = None,
    wait: bool = True,
    options: ClientOptions | None = None,
) -> None:
    """Import a disk file (qcow2, raw, vmdk, vhd, vhdx, vdi) as an image, and wait until it is ready.

    Args:
        source: a local file, which is uploaded, or a URL (http, https, s3://BUCKET/KEY), which the service fetches.
        name: the image's name.
        os_type: such as Debian; DescribeImportImageOs lists them.
        os_version: such as 12.
        architecture: x86_64, i386 or arm_64.
        description: anything.
        public: let every account use it. Only the operator may.
        force: import it even if the guest lacks what instances need.
        uefi: boot it by UEFI.
        family: what it is a version of, such as debian-12.
        wait: do not end before the image is ready.
        options: where and who.
    """
    if public and not wait:
        raise Misused("--public needs the image to be ready: leave out --no-wait")
    options = options or ClientOptions()
    wire = connect(options)
    order = {
        "ImageName": name,
        "ImageDescription": description,
        "OsType": os_type,
        "OsVersion": os_version,
        "Architecture": architecture,
        "Force": force or None,
        "BootMode": "UEFI" if uefi else None,
        "ImageFamily": family,
    }
    if public:
        require_operator(wire)
    if urlsplit(source).scheme in {"http", "https", "s3"}:
        url = source
    else:
        file = _existing(source)
        wire.call("ImportImage", ImageUrl=_ANY_URL, DryRun=True, **order)  # before anything is sent
        url = upload(wire, file)
    ordered = wire.call("ImportImage", ImageUrl=url, **order)
    image_id = str(ordered["ImageId"])
    if wait:
        await_image(wire, image_id, f"Importing {image_id}")
    if public:
        wire.call_own("PublishImage", ImageId=image_id, Public=True)
    _print_one(wire, image_id, options)


def require_operator(wire: Wire) -> None:
    """Find out before anything is imported whether this account may publish. Raises WireError if not."""
    try:
        wire.call_own("PublishImage", ImageId=_NO_IMAGE, Public=True)
    except WireError as error:
        if not error.code.startswith("InvalidImageId"):
            raise


def create_image(
    instance_id: str,
    /,
    *,
    name: str,
    description: str | None = None,
    force_poweroff: Annotated[bool, Parameter(negative="")] = False,
    wait: bool = True,
    options: ClientOptions | None = None,
) -> None:
    """Make an image of an instance, which goes on running, and wait until it is ready.

    Args:
        instance_id: the instance.
        name: the image's name.
        description: anything.
        force_poweroff: power the instance off first.
        wait: do not end before the image is ready.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    ordered = wire.call(
        "CreateImage",
        InstanceId=instance_id,
        ImageName=name,
        ImageDescription=description,
        ForcePoweroff="true" if force_poweroff else None,
    )
    image_id = str(ordered["ImageId"])
    if wait:
        await_image(wire, image_id, f"Creating {image_id}")
    _print_one(wire, image_id, options)


def list_images(*, options: ClientOptions | None = None) -> None:
    """List the images that you may use: your own, public ones, and those shared with you."""
    options = options or ClientOptions()
    images = list(connect(options).pages("DescribeImages", "ImageSet"))
    if options.json:
        print_json(images)
        return
    headings = ("ID", "NAME", "STATE", "TYPE", "OS", "GIB", "CREATED")
    print_table(
        headings,
        [
            (
                image["ImageId"],
                image["ImageName"],
                _progress(image),
                image["ImageType"].removesuffix("_IMAGE").lower(),
                image["OsName"],
                image["ImageSize"],
                image["CreatedTime"],
            )
            for image in images
        ],
    )


def share(
    image: str,
    /,
    *accounts: str,
    cancel: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Let other accounts start instances from an image of yours; without accounts, list who may.

    Args:
        image: its id, or its name.
        accounts: the Uin of each account.
        cancel: end it instead.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    image_id = find_image(wire, image, (_OWN,))
    if accounts:
        permission = "CANCEL" if cancel else "SHARE"
        wire.call("ModifyImageSharePermission", ImageId=image_id, AccountIds=list(accounts), Permission=permission)
    elif cancel:
        raise Misused("--cancel needs the accounts that it is for")
    shares = wire.call("DescribeImageSharePermission", ImageId=image_id)["SharePermissionSet"]
    if options.json:
        print_json(shares)
        return
    print_table(("ACCOUNT", "SINCE"), [(held["AccountId"], held["CreatedTime"]) for held in shares])


def delete(*images: str, options: ClientOptions | None = None) -> None:
    """Delete images of yours, and the snapshots in them. Instances started from them run on.

    Args:
        images: the id or name of each.
        options: where and who.
    """
    if not images:
        raise Misused("name at least one image")
    options = options or ClientOptions()
    wire = connect(options)
    image_ids = [find_image(wire, image, (_OWN, _PUBLIC)) for image in images]
    wire.call("DeleteImages", ImageIds=image_ids, DeleteBindedSnap=True)
    if options.json:
        print_json(image_ids)
        return
    print("\n".join(image_ids))


def find_image_to_start(wire: Wire, image: str) -> str:
    """Return the id of the image with this id or name, or of the newest in the family of this name.

    Raises CommandFailed when there is neither.
    """
    try:
        return find_image(wire, image)
    except CommandFailed:
        newest = wire.call("DescribeImageFromFamily", ImageFamily=image).get("Image")
        if newest is None:
            raise
        return str(newest["ImageId"])


def find_image(wire: Wire, image: str, types: tuple[str, ...] = _NAMED) -> str:
    """Return the id of the image with this id or exactly this name, of the first of these types that has one.

    Raises CommandFailed when no image has that name.
    """
    if is_id(_IMAGE_PREFIX, image):
        return image
    by_name = [{"Name": "image-name", "Values": [image]}]
    found = [held for held in wire.pages("DescribeImages", "ImageSet", Filters=by_name) if held["ImageName"] == image]
    for image_type in types:
        ids = [str(held["ImageId"]) for held in found if held["ImageType"] == image_type]
        if len(ids) > 1:
            raise CommandFailed(f"several images are named {image}: name one by its id, of {', '.join(ids)}")
        if ids:
            return ids[0]
    shared = [str(held["ImageId"]) for held in found if held["ImageType"] == "SHARED_IMAGE"]
    hint = f"; if you mean the one shared with you, name it by its id {' or '.join(shared)}" if shared else ""
    raise CommandFailed(f"there is no image named {image}{hint}")


def _existing(source: str) -> Path:
    file = Path(source)
    if not file.is_file():
        raise CommandFailed(f"{source} is neither a file nor an http(s) URL")
    return file


def _progress(image: JsonObject) -> str:
    percent = image.get("SyncPercent")
    state = str(image["ImageState"])
    return f"{state} {percent}%" if state in {"CREATING", "IMPORTING"} and percent is not None else state


def _print_one(wire: Wire, image_id: str, options: ClientOptions) -> None:
    if options.json:
        print_json(wire.call("DescribeImages", ImageIds=[image_id])["ImageSet"][0])
    else:
        print(image_id)
