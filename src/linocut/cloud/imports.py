"""Importing images from files elsewhere."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from linocut.catalog import Tx
from linocut.cloud import tasks
from linocut.cloud.buckets import bucket_url
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.new_images import DryRunPassed, add_new_image, end_dry_run, new_snapshot, take_quota
from linocut.formats import checksum_told
from linocut.model import errors, rules
from linocut.model.ids import ImageId, new_id
from linocut.model.records import DiskUsage, Image, ImageSource, Tag
from linocut.model.states import ImageState
from linocut.model.systems import ImportSystems, find_system, import_systems_offered

__all__ = ["ImportOrder", "ImportSystems", "import_image", "import_systems"]

_ARCHITECTURES: Final = frozenset({"x86_64", "i386", "arm_64"})
_LICENSES: Final = frozenset({"TencentCloud", "BYOL"})
_BOOT_MODES: Final = frozenset({"Legacy BIOS", "UEFI"})
_SCHEMES: Final = frozenset({"http", "https", "s3", "upload"})
_URL_CHARACTERS: Final = 4096
_DATA_DISKS: Final = 20


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to import, and as what."""

    name: str
    url: str
    architecture: str
    os_type: str
    os_version: str
    description: str = ""
    force: bool = False
    license_type: str = "TencentCloud"
    boot_mode: str = "Legacy BIOS"
    family: str = ""
    tags: tuple[Tag, ...] = ()
    data_disk_urls: tuple[str, ...] = ()
    dry_run: bool = False


def import_image(cloud: Cloud, caller: Caller, order: ImportOrder) -> ImageId | None:
    """Import an image from a URL; return its id at once, or None on a dry run.

    Raises InvalidValue, ValueTooLong, ImageNameTaken, ImageQuotaExceeded, OsTypeUnsupported, OsVersionUnsupported, UrlInvalid,
    LicenseTypeInvalid, BootModeInvalid, ImageFamilyInvalid, UploadNotFound, UploadIncomplete, IsoNeedsForce,
    ParameterUnsupported. Source: CVM ImportImage.
    """
    _require_no_iso(order)
    urls = tuple(_source(cloud, caller, url) for url in (order.url, *order.data_disk_urls))
    image = _image_to_import(cloud, caller, order, urls)
    snapshots = tuple(
        new_snapshot(cloud, caller, image, usage=DiskUsage.DATA_DISK if position else DiskUsage.SYSTEM_DISK, size_bytes=0)
        for position in range(len(urls))
    )
    with suppress(DryRunPassed), cloud.catalog.begin() as tx:
        take_quota(cloud, caller, tx)
        for url in urls:
            _check_upload(cloud, caller, tx, url)
        add_new_image(tx, image, snapshots)
        tasks.begin(cloud, tx, caller, "ImportImage", [image.image_id])
        end_dry_run(dry_run=order.dry_run)
    if order.dry_run:
        return None
    cloud.workflows.start("import-image", image.image_id)
    return image.image_id


def import_systems(_cloud: Cloud) -> ImportSystems:
    """Return the operating systems that can be imported. Source: CVM DescribeImportImageOs."""
    return import_systems_offered()


def _image_to_import(cloud: Cloud, caller: Caller, order: ImportOrder, urls: tuple[str, ...]) -> Image:
    system = find_system(order.os_type, order.os_version)
    if order.architecture not in _ARCHITECTURES:
        raise errors.InvalidValue(f"Architecture takes {', '.join(sorted(_ARCHITECTURES))}.")
    if order.license_type not in _LICENSES:
        raise errors.LicenseTypeInvalid(f"LicenseType takes {', '.join(sorted(_LICENSES))}.")
    if order.boot_mode not in _BOOT_MODES:
        raise errors.BootModeInvalid(f"BootMode takes {', '.join(sorted(_BOOT_MODES))}.")
    if order.architecture == "arm_64":
        raise errors.ParameterUnsupported("Architecture arm_64 is not supported: hosts start x86 machines.")
    if order.architecture == "i386" and order.boot_mode == "UEFI":
        raise errors.ParameterUnsupported("BootMode UEFI is not supported for Architecture i386: firmware here is of 64 bits.")
    if len(urls) > _DATA_DISKS + 1:
        raise errors.TooManyValues(f"ImportImageDataDiskList takes up to {_DATA_DISKS} disks.")
    return Image(
        image_id=ImageId(new_id("img", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=rules.image_name(order.name),
        description=rules.description(order.description),
        state=ImageState.IMPORTING,
        source=ImageSource.EXTERNAL_IMPORT,
        is_public=False,
        platform=system.platform,
        os_name=f"{system.title} {order.os_version} {'32bit' if order.architecture == 'i386' else '64bit'}",
        architecture=order.architecture,
        size_gb=0,
        license_type=order.license_type,
        boot_mode=order.boot_mode,
        family=rules.image_family(order.family),
        deprecated=False,
        supports_cloud_init=not order.force,
        percent=0,
        failure="",
        source_url="\n".join(urls),
        source_instance=None,
        force_poweroff=False,
        request_id=caller.request_id,
        created_at=cloud.now(),
        tags=rules.tags(order.tags),
    )


def _require_no_iso(order: ImportOrder) -> None:
    """Refuse the URL of an ISO image by its name. Raises IsoNeedsForce, ParameterUnsupported."""
    if not order.url.partition("?")[0].lower().endswith(".iso"):
        return
    if not order.force:
        raise errors.IsoNeedsForce("An ISO image is imported with Force alone.")
    raise errors.ParameterUnsupported("ISO images are not supported: import the disk of an installed system.")


def _source(cloud: Cloud, caller: Caller, url: str) -> str:
    """Return where to get a file from: an http, https, upload or `s3://bucket/key` URL. Raises UrlInvalid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        checksum = checksum_told(url)
    except ValueError as error:
        raise errors.UrlInvalid("ImageUrl is no URL, or tells a checksum that is none.") from error
    printable = url.isprintable() and " " not in url
    if parts.scheme not in _SCHEMES or not parts.netloc or not printable or len(url) > _URL_CHARACTERS:
        raise errors.UrlInvalid("ImageUrl takes an http or https URL, or s3://BUCKET/KEY.")
    source = url if parts.scheme == "upload" else bucket_url(cloud, caller, url)
    if checksum is not None and urlsplit(source).scheme not in {"http", "https"}:
        raise errors.UrlInvalid("ImageUrl tells a checksum, which is for http and https URLs.")
    return source


def _check_upload(cloud: Cloud, caller: Caller, tx: Tx, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "upload":
        return
    upload = tx.uploads.get(parts.netloc)
    if upload is None or upload.owner != caller.account.uin:
        raise errors.UploadNotFound("There is no such upload.")
    arrived = cloud.settings.state / "uploads" / upload.upload_id
    if not arrived.is_file() or arrived.stat().st_size != upload.size_bytes:
        raise errors.UploadIncomplete(f"Upload {upload.upload_id} has not arrived whole.")
