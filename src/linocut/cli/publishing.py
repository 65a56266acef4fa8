"""`linocut image publish` and `linocut image withdraw`."""

from typing import Literal

from linocut.cli.images import find_image
from linocut.cli.output import print_json
from linocut.cli.wire import ClientOptions, Wire, connect


def publish(
    image: str,
    /,
    *,
    replaced: Literal["keep", "deprecate", "withdraw"] = "keep",
    options: ClientOptions | None = None,
) -> None:
    """Let every account in every region start instances from an image. Only the operator may.

    Args:
        image: its id, or its name.
        replaced: what becomes of the images that were public in its family.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    image_id = find_image(wire, image)
    wire.call_own("PublishImage", ImageId=image_id, Public=True, Replaced=replaced.upper())
    _print_one(wire, image_id, options)


def withdraw(image: str, /, *, options: ClientOptions | None = None) -> None:
    """Take a public image back; instances that were started from it go on. Only the operator may.

    Args:
        image: its id, or its name.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    image_id = find_image(wire, image, ("PUBLIC_IMAGE",))
    wire.call_own("PublishImage", ImageId=image_id, Public=False)
    _print_one(wire, image_id, options)


def _print_one(wire: Wire, image_id: str, options: ClientOptions) -> None:
    if options.json:
        print_json(wire.call("DescribeImages", ImageIds=[image_id])["ImageSet"])
    else:
        print(image_id)
