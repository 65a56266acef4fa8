"""`linocut instance console` and `linocut instance display`."""

import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import unquote

from cyclopts import Parameter

from linocut.cli.failures import Misused
from linocut.cli.output import print_json
from linocut.cli.wire import ClientOptions, Wire, connect

_PIECE_BYTES: Final = 1 << 16
_POLL_S: Final = 0.5


def console(
    instance_id: str,
    /,
    *,
    follow: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Print what an instance has written to its serial console so far.

    Args:
        instance_id: the instance.
        follow: go on with what it writes from now on, until interrupted.
        options: where and who.
    """
    options = options or ClientOptions()
    if follow and options.json:
        raise Misused("--follow and --json exclude each other")
    pieces = _pieces(connect(options), instance_id, follow=follow)
    if options.json:
        print_json({"InstanceId": instance_id, "Output": b"".join(pieces).decode(errors="replace")})
        return
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def display(instance_id: str, /, *, options: ClientOptions | None = None) -> None:
    """Print a URL that opens the screen of a running instance, once, within 15 seconds, in noVNC.

    Args:
        instance_id: the instance.
        options: where and who.
    """
    options = options or ClientOptions()
    url = unquote(connect(options).call("DescribeInstanceVncUrl", InstanceId=instance_id)["InstanceVncUrl"])
    if options.json:
        print_json({"InstanceId": instance_id, "InstanceVncUrl": url})
        return
    print(url)


def _pieces(wire: Wire, instance_id: str, *, follow: bool) -> Iterator[bytes]:
    offset = 0
    while True:
        held = wire.call_own("DescribeInstanceConsole", InstanceId=instance_id, Offset=offset, Limit=_PIECE_BYTES)
        piece = b64decode(held["Output"])
        if piece:
            yield piece
        offset = held["NextOffset"]
        if offset < held["Size"]:
            continue
        if not follow:
            return
        time.sleep(_POLL_S)
