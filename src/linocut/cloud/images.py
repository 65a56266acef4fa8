"""Images: import, create from an instance, list, modify, delete, publish."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from linocut.catalog import ImageChanges, Page, Tx, VisibleImage
from linocut.catalog import ImageQuery as CatalogQuery
from linocut.cloud import listing, places
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors, rules
from linocut.model.ids import DiskId, ImageId, InstanceId, SnapshotId, is_id, new_id
from linocut.model.records import Disk, DiskUsage, Image, ImageSource, Instance, Snapshot, Tag
from linocut.model.states import ImageState, InstanceState, OperationState, SnapshotState
from linocut.model.systems import ImportSystems, find_system, import_systems_offered

__all__ = ["CreateOrder", "ImageQuery", "ImageUsage", "ImportOrder", "ImportSystems", "Page", "VisibleImage"]

_FILTERS: Final = frozenset({"image-id", "image-type", "image-name", "platform", "image-state", "tag-key", "tag-value"})
_TYPES: Final = frozenset({"PUBLIC_IMAGE", "PRIVATE_IMAGE", "SHARED_IMAGE", "MARKET_IMAGE"})
_ARCHITECTURES: Final = frozenset({"x86_64", "i386", "arm_64"})
_LICENSES: Final = frozenset({"TencentCloud", "BYOL"})
_BOOT_MODES: Final = frozenset({"Legacy BIOS", "UEFI"})
_URL_CHARACTERS: Final = 4096
_DATA_DISKS: Final = 20
_IDS: Final = 100
_TRANSIENT: Final = frozenset({ImageState.CREATING, ImageState.IMPORTING})


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Which images to list: ids or filters, and a page."""

    ids: tuple[str, ...] | None
    filters: Mapping[str, tuple[str, ...]]
    offset: int
    limit: int
    instance_type: str | None


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


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Which instance to take an image of, and how to name it."""

    name: str
    instance_id: str
    description: str = ""
    force_poweroff: bool = False
    family: str = ""
    tags: tuple[Tag, ...] = ()
    data_disk_ids: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """An image's bytes: logical size, what its chunks take in the store, and what only it takes there.

    `added_bytes` counts the chunks that no older snapshot of the region's caller has.
    """

    image_id: ImageId
    logical_bytes: int
    stored_bytes: int
    added_bytes: int


def list_images(cloud: Cloud, caller: Caller, query: ImageQuery) -> Page[VisibleImage]:
    """Return a page of the images that the caller sees: its own, public ones, and those shared to it in the region.

    Exact matches of a name come first, then the newest. Raises ImageIdMalformed, IdsWithFilters, FilterUnknown,
    TooManyFilterValues, PageOutOfRange, InstanceTypeNotFound. Source: CVM DescribeImages.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS)
    ids = _image_ids(query.ids) if query.ids is not None else None
    _image_ids(filters.get("image-id", ()))
    architectures = None
    if query.instance_type is not None:
        places.find_instance_type(query.instance_type)
        architectures = ("x86_64", "i386")
    with cloud.catalog.read() as tx:
        return tx.images.visible(
            CatalogQuery(
                caller=caller.account.uin,
                region=caller.region,
                ids=ids,
                image_ids=tuple(ImageId(text) for text in filters.get("image-id", ())),
                types=_known("image-type", filters.get("image-type", ()), _TYPES),
                names=filters.get("image-name", ()),
                platforms=filters.get("platform", ()),
                states=filters.get("image-state", ()),
                tag_keys=filters.get("tag-key", ()),
                tag_values=filters.get("tag-value", ()),
                tags=listing.tag_filters(filters),
                architectures=architectures,
                offset=query.offset,
                limit=query.limit,
            )
        )


def import_image(cloud: Cloud, caller: Caller, order: ImportOrder) -> ImageId | None:
    """Import an image from a URL; return its id at once, or None on a dry run.

    Raises InvalidValue, ValueTooLong, ImageNameTaken, ImageQuotaExceeded, OsTypeUnsupported, OsVersionUnsupported, UrlInvalid,
    LicenseTypeInvalid, BootModeInvalid, ImageFamilyInvalid, UploadNotFound, UploadIncomplete. Source: CVM ImportImage.
    """
    urls = (order.url, *order.data_disk_urls)
    image = _image_to_import(cloud, caller, order, urls)
    snapshots = tuple(
        _snapshot(cloud, caller, image, usage=DiskUsage.DATA_DISK if position else DiskUsage.SYSTEM_DISK, size_bytes=0)
        for position in range(len(urls))
    )
    with suppress(_DryRunPassed), cloud.catalog.begin() as tx:
        _take_quota(cloud, caller, tx)
        for url in urls:
            _check_upload(cloud, caller, tx, url)
        _add(tx, image, snapshots)
        _end_dry_run(order.dry_run)
    if order.dry_run:
        return None
    cloud.workflows.start("import-image", image.image_id)
    return image.image_id


def create_image(cloud: Cloud, caller: Caller, order: CreateOrder) -> ImageId | None:
    """Take an image of an instance, which may go on running; return its id at once, or None on a dry run.

    The system disk is taken, and those data disks that are named. Raises InvalidValue, ValueTooLong, InstanceIdMalformed,
    InstanceNotFound, InstanceStateForbids, TaskRunning, ImageNameTaken, ImageQuotaExceeded, ImageFamilyInvalid, InvalidValue.
    Source: CVM CreateImage.
    """
    name, description = rules.image_name(order.name), rules.description(order.description)
    family, tags = rules.image_family(order.family), rules.tags(order.tags)
    if not is_id("ins", order.instance_id):
        raise errors.InstanceNotFound(f"There is no instance {order.instance_id!r}.")
    with suppress(_DryRunPassed), cloud.catalog.begin() as tx:
        instance = _instance_to_image(tx, caller, order.instance_id)
        disks = _disks_to_image(tx, instance, order.data_disk_ids)
        _take_quota(cloud, caller, tx)
        origin = tx.images.find(instance.image_id)
        image = Image(
            image_id=ImageId(new_id("img", cloud.randomness)),
            owner=caller.account.uin,
            region=caller.region,
            name=name,
            description=description,
            state=ImageState.CREATING,
            source=ImageSource.CREATE_IMAGE,
            is_public=False,
            platform=origin.platform if origin else "Other Linux",
            os_name=instance.os_name,
            architecture=origin.architecture if origin else "x86_64",
            size_gb=disks[0].size_gb,
            license_type=origin.license_type if origin else "TencentCloud",
            boot_mode=origin.boot_mode if origin else "Legacy BIOS",
            family=family,
            deprecated=False,
            supports_cloud_init=origin.supports_cloud_init if origin else True,
            percent=0,
            failure="",
            source_url="",
            source_instance=instance.instance_id,
            force_poweroff=order.force_poweroff,
            request_id=caller.request_id,
            created_at=cloud.now(),
            tags=tags,
        )
        snapshots = tuple(
            replace(_snapshot(cloud, caller, image, usage=disk.usage, size_bytes=disk.size_gb * 1024**3), disk_id=disk.disk_id)
            for disk in disks
        )
        _add(tx, image, snapshots)
        tx.instances.update(
            instance,
            latest_operation="CreateImage",
            latest_operation_state=OperationState.OPERATING,
            latest_operation_error="",
            latest_request_id=caller.request_id,
        )
        _end_dry_run(order.dry_run)
    if order.dry_run:
        return None
    cloud.workflows.start("create-image", image.image_id)
    return image.image_id


def modify_image(
    cloud: Cloud,
    caller: Caller,
    image_id: str,
    *,
    name: str | None,
    description: str | None,
    family: str | None,
    deprecated: bool | None,
) -> None:
    """Change an own image's name, description, family (empty for none) or deprecation; None leaves a field as it is.

    Raises ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic, ImageStateForbids, ImageNameTaken, InvalidValue,
    ValueTooLong, ImageFamilyInvalid. Source: CVM ModifyImageAttribute.
    """
    changes: ImageChanges = {}
    if name is not None:
        changes["name"] = rules.image_name(name)
    if description is not None:
        changes["description"] = rules.description(description)
    if family is not None:
        changes["family"] = rules.image_family(family)
    if deprecated is not None:
        changes["deprecated"] = deprecated
    with cloud.catalog.begin() as tx:
        image = own_image(tx, caller, image_id)
        if image.state in _TRANSIENT:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        if changes:
            tx.images.update(image, **changes)


def delete_images(cloud: Cloud, caller: Caller, image_ids: Sequence[str], *, delete_snapshots: bool, dry_run: bool) -> None:
    """Delete own images, all or none of them; their snapshots stay unless `delete_snapshots`.

    Instances started from them go on. Raises ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic, ImageStateForbids,
    ImageInShared, TooManyValues. Source: CVM DeleteImages.
    """
    listing.check_count("ImageIds", image_ids, _IDS)
    with cloud.catalog.begin() as tx:
        for image_id in dict.fromkeys(image_ids):
            image = own_image(tx, caller, image_id)
            if image.state in _TRANSIENT:
                raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
            tx.images.hold(image)
            if tx.shares.count(image.image_id):
                raise errors.ImageInShared(f"Image {image_id} is shared: cancel its shares first.")
            if dry_run:
                continue
            snapshots = tx.images.snapshots_of(image.image_id)
            tx.images.remove(image)
            if delete_snapshots or image.state is not ImageState.NORMAL:
                tx.snapshots.remove([snapshot.snapshot_id for snapshot in snapshots])


def image_quota(cloud: Cloud, _caller: Caller) -> int:
    """Return how many custom images an account may have in a region. Source: CVM DescribeImageQuota."""
    return cloud.settings.image_quota


def publish_image(cloud: Cloud, caller: Caller, image_id: str, *, public: bool) -> None:
    """Make an own image public in its region, or private again.

    Raises OperatorOnly, ImageIdMalformed, ImageNotFound, ImageStateForbids, ImageQuotaExceeded.
    """
    if not caller.account.is_operator:
        raise errors.OperatorOnly("Only the operator may publish images.")
    if not is_id("img", image_id):
        raise errors.ImageIdMalformed(f"{image_id!r} is no image id.")
    with cloud.catalog.begin() as tx:
        image = tx.images.get(caller.region, ImageId(image_id))
        if image is None or image.owner != caller.account.uin:
            raise errors.ImageNotFound(f"There is no image {image_id}.")
        if image.state is not ImageState.NORMAL:
            raise errors.ImageStateForbids(f"Image {image_id} is {image.state}.")
        if image.is_public and not public:
            _take_quota(cloud, caller, tx)
        tx.images.update(image, is_public=public)


def image_usage(cloud: Cloud, caller: Caller, image_ids: Sequence[str]) -> tuple[ImageUsage, ...]:
    """Return the bytes of own images. Raises ImageIdMalformed, ImageNotFound, TooManyValues."""
    listing.check_count("ImageIds", image_ids, _IDS)
    with cloud.catalog.read() as tx:
        images = [_owned(tx, caller, image_id) for image_id in image_ids]
        snapshots = [tx.images.snapshots_of(image.image_id) for image in images]
        owned = tx.snapshots.owned(caller.account.uin, caller.region)
    return tuple(_usage(cloud, caller, image, mine, owned) for image, mine in zip(images, snapshots, strict=True))


def import_systems(_cloud: Cloud) -> ImportSystems:
    """Return the operating systems that can be imported. Source: CVM DescribeImportImageOs."""
    return import_systems_offered()


def own_image(tx: Tx, caller: Caller, image_id: str) -> Image:
    """Return a custom image of the caller's. Raises ImageIdMalformed, ImageNotFound, ImageIsShared, ImageIsPublic."""
    image = visible_image(tx, caller, image_id)
    if image.is_public:
        raise errors.ImageIsPublic(f"Image {image_id} is public.")
    if image.owner != caller.account.uin:
        raise errors.ImageIsShared(f"Image {image_id} is only shared to you.")
    return image


def visible_image(tx: Tx, caller: Caller, image_id: str) -> Image:
    """Return an image that the caller may see. Raises ImageIdMalformed, ImageNotFound."""
    if not is_id("img", image_id):
        raise errors.ImageIdMalformed(f"{image_id!r} is no image id.")
    image = tx.images.get(caller.region, ImageId(image_id))
    if image is None or not (
        image.is_public or image.owner == caller.account.uin or tx.shares.is_shared(image.image_id, caller.account.uin)
    ):
        raise errors.ImageNotFound(f"There is no image {image_id}.")
    return image


def _owned(tx: Tx, caller: Caller, image_id: str) -> Image:
    image = visible_image(tx, caller, image_id)
    if image.owner != caller.account.uin:
        raise errors.ImageNotFound(f"There is no image {image_id} of yours.")
    return image


def _image_ids(texts: Sequence[str]) -> tuple[ImageId, ...]:
    for text in texts:
        if not is_id("img", text):
            raise errors.ImageIdMalformed(f"{text!r} is no image id.")
    return tuple(ImageId(text) for text in texts)


def _known(filter_name: str, values: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise errors.InvalidValue(f"Filter {filter_name} takes {', '.join(sorted(known))}.")
    return values


def _image_to_import(cloud: Cloud, caller: Caller, order: ImportOrder, urls: tuple[str, ...]) -> Image:
    system = find_system(order.os_type, order.os_version)
    if order.architecture not in _ARCHITECTURES:
        raise errors.InvalidValue(f"Architecture takes {', '.join(sorted(_ARCHITECTURES))}.")
    if order.license_type not in _LICENSES:
        raise errors.LicenseTypeInvalid(f"LicenseType takes {', '.join(sorted(_LICENSES))}.")
    if order.boot_mode not in _BOOT_MODES:
        raise errors.BootModeInvalid(f"BootMode takes {', '.join(sorted(_BOOT_MODES))}.")
    if order.boot_mode == "UEFI" or order.architecture == "arm_64":
        raise errors.ParameterUnsupported(
            "BootMode UEFI and Architecture arm_64 are not supported: hosts start x86 machines by BIOS."
        )
    if len(urls) > _DATA_DISKS + 1:
        raise errors.TooManyValues(f"ImportImageDataDiskList takes up to {_DATA_DISKS} disks.")
    for url in urls:
        _check_url(url)
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


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise errors.UrlInvalid("ImageUrl is no URL.") from error
    printable = url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https", "upload"} or not parts.netloc or not printable or len(url) > _URL_CHARACTERS:
        raise errors.UrlInvalid("ImageUrl takes an http or https URL.")


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


def _snapshot(cloud: Cloud, caller: Caller, image: Image, *, usage: DiskUsage, size_bytes: int) -> Snapshot:
    return Snapshot(
        snapshot_id=SnapshotId(new_id("snap", cloud.randomness)),
        owner=caller.account.uin,
        region=caller.region,
        name=image.name,
        usage=usage,
        state=SnapshotState.CREATING,
        size_bytes=size_bytes,
        root=None,
        disk_id=None,
        percent=0,
        created_at=image.created_at,
    )


def _add(tx: Tx, image: Image, snapshots: tuple[Snapshot, ...]) -> None:
    for snapshot in snapshots:
        tx.snapshots.add(snapshot)
    tx.images.add(image, [snapshot.snapshot_id for snapshot in snapshots])


class _DryRunPassed(Exception):
    """Everything but the commit would have been done."""


def _end_dry_run(dry_run: bool) -> None:  # noqa: FBT001
    if dry_run:
        raise _DryRunPassed


def _take_quota(cloud: Cloud, caller: Caller, tx: Tx) -> None:
    tx.images.lock_quota(caller.account.uin, caller.region)
    if tx.images.count_owned(caller.account.uin, caller.region) >= cloud.settings.image_quota:
        raise errors.ImageQuotaExceeded(f"You have {cloud.settings.image_quota} images in {caller.region} already.")


def _instance_to_image(tx: Tx, caller: Caller, instance_id: str) -> Instance:
    found = tx.instances.owned(caller.account.uin, caller.region, [InstanceId(instance_id)])
    if not found:
        raise errors.InstanceNotFound(f"There is no instance {instance_id}.")
    instance = found[0]
    if instance.latest_operation_state is OperationState.OPERATING:
        raise errors.TaskRunning(f"{instance.latest_operation} is under way on instance {instance_id}.")
    if instance.state not in {InstanceState.RUNNING, InstanceState.STOPPED}:
        raise errors.InstanceStateForbids(f"Instance {instance_id} is {instance.state}.", state=instance.state)
    return instance


def _disks_to_image(tx: Tx, instance: Instance, data_disk_ids: tuple[str, ...]) -> tuple[Disk, ...]:
    disks = {disk.disk_id: disk for disk in tx.disks.of([instance.instance_id])[instance.instance_id]}
    system = next(disk for disk in disks.values() if disk.usage is DiskUsage.SYSTEM_DISK)
    if system.disk_id in data_disk_ids:
        raise errors.DiskIsSystemDisk(f"{system.disk_id} is the system disk.")
    for disk_id in data_disk_ids:
        if DiskId(disk_id) not in disks:
            raise errors.DiskNotOfInstance(f"Disk {disk_id} is not attached to instance {instance.instance_id}.")
    return (system, *(disks[DiskId(disk_id)] for disk_id in dict.fromkeys(data_disk_ids)))


def _usage(cloud: Cloud, caller: Caller, image: Image, mine: tuple[Snapshot, ...], owned: tuple[Snapshot, ...]) -> ImageUsage:
    store = cloud.stores.store(caller.region)
    roots = [snapshot.root for snapshot in mine if snapshot.root is not None]
    mine_ids = {snapshot.snapshot_id for snapshot in mine}
    older = [
        snapshot.root
        for snapshot in owned
        if snapshot.root is not None and snapshot.snapshot_id not in mine_ids and snapshot.created_at <= image.created_at
    ]
    usage = store.usage(roots)
    return ImageUsage(
        image.image_id,
        logical_bytes=sum(snapshot.size_bytes for snapshot in mine),
        stored_bytes=usage.stored_bytes,
        added_bytes=sum(store.added_bytes(root, older) for root in dict.fromkeys(roots)),
    )
