"""`linocut snapshot …`."""

from typing import Annotated

from cyclopts import Parameter

from linocut.cli.failures import Misused
from linocut.cli.output import print_json, print_table
from linocut.cli.wire import CBS, ClientOptions, connect


def list_snapshots(*, options: ClientOptions | None = None) -> None:
    """List your snapshots, and the images that are made of each."""
    options = options or ClientOptions()
    snapshots = list(connect(options).pages("DescribeSnapshots", "SnapshotSet", of=CBS))
    if options.json:
        print_json(snapshots)
        return
    print_table(
        ("ID", "NAME", "USAGE", "GIB", "STATE", "IMAGES"),
        [
            (
                snapshot["SnapshotId"],
                snapshot["SnapshotName"],
                snapshot["DiskUsage"].removesuffix("_DISK").lower(),
                snapshot["DiskSize"],
                snapshot["SnapshotState"],
                " ".join(image["ImageId"] for image in snapshot["Images"]),
            )
            for snapshot in snapshots
        ],
    )


def delete(
    *snapshots: str, with_images: Annotated[bool, Parameter(negative="")] = False, options: ClientOptions | None = None
) -> None:
    """Delete snapshots of yours, all or none.

    Args:
        snapshots: the id of each.
        with_images: delete the images that are made of them, too; without it such a snapshot is refused.
        options: where and who.
    """
    if not snapshots:
        raise Misused("name at least one snapshot")
    options = options or ClientOptions()
    connect(options).call_cbs("DeleteSnapshots", SnapshotIds=list(snapshots), DeleteBindImages=True if with_images else None)
    if options.json:
        print_json(list(snapshots))
    else:
        print("\n".join(snapshots))
