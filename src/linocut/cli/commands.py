"""The tree of commands, and what becomes of their errors.

Commands are named by where they are, not imported: a command's module is read only when the arguments name that command.
"""

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cyclopts import App, CycloptsError, MissingArgumentError

from linocut.cli.failures import CommandFailed, Misused
from linocut.model.errors import Refusal
from linocut.settings import SettingsError

_INTERRUPTED: Final = 130

_SINGLE: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("serving:serve", "Run the service on a state directory."),
    "blockd": ("serving:blockd", "Serve the trees of a region store over NBD (started by the service itself)."),
    "run": ("launching:run_instances", "Start instances from an image."),
    "env": ("environment:print_environment", "Print what makes tccli and the SDKs use a service."),
}
# A member without a name is what the group does where none is named.
_GROUPS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "account": (
        "Create and list accounts, on the state directory; top up their balances.",
        {"create": "accounts:create", "list": "accounts:list_all", "top-up": "accounts:top_up"},
    ),
    "audit": (
        "Show who changed what.",
        {"list": "audit:list_entries"},
    ),
    "image": (
        "Import, list, share, export and delete images.",
        {
            "import": "images:import_image",
            "list": "images:list_images",
            "share": "images:share",
            "export": "exports:export_image",
            "delete": "images:delete",
            "publish": "publishing:publish",
            "withdraw": "publishing:withdraw",
        },
    ),
    "bill": (
        "Show what was used and what it cost, why, and what the month will come to.",
        {"": "bills:show", "explain": "bills:explain", "forecast": "bills:forecast", "close": "bills:close"},
    ),
    "price": (
        "Show and set what things cost.",
        {"show": "prices:show", "set": "prices:set_price"},
    ),
    "snapshot": (
        "Take snapshots of disks, list, keep, share, copy and delete them, and roll disks back to them.",
        {
            "create": "snapshots:create",
            "list": "snapshots:list_snapshots",
            "show": "snapshots:show",
            "apply": "snapshots:apply",
            "rename": "snapshots:rename",
            "keep": "snapshots:keep",
            "delete": "snapshots:delete",
            "share": "snapshot_sharing:share",
            "unshare": "snapshot_sharing:unshare",
            "copy": "snapshot_sharing:copy",
        },
    ),
    "policy": (
        "Have snapshots of disks taken by schedule.",
        {
            "create": "policies:create",
            "list": "policies:list_policies",
            "show": "policies:show",
            "bind": "policies:bind",
            "unbind": "policies:unbind",
            "delete": "policies:delete",
        },
    ),
    "disk": (
        "Create and list disks, attach and detach them, make them larger, rename and delete them.",
        {
            "create": "disks:create",
            "list": "disks:list_disks",
            "attach": "disks:attach",
            "detach": "disks:detach",
            "resize": "disks:resize",
            "rename": "disks:rename",
            "delete": "disks:delete",
        },
    ),
    "bucket": (
        "List, get and delete the files that exports left in a bucket.",
        {"list": "buckets:list_files", "get": "buckets:get", "delete": "buckets:delete"},
    ),
    "catalog": (
        "List well-known cloud images, and import and publish them.",
        {"list": "catalog:list_catalog", "pull": "catalog:pull", "build": "catalog:build"},
    ),
    "task": (
        "List, show, cancel and await asynchronous operations.",
        {"list": "tasks:list_tasks", "show": "tasks:show", "cancel": "tasks:cancel", "wait": "tasks:wait"},
    ),
    "instance": (
        "List instances, read their consoles, start, stop, reinstall and terminate them, make images of them.",
        {
            "list": "instances:list_instances",
            "console": "consoles:console",
            "display": "consoles:display",
            "start": "instances:start",
            "stop": "instances:stop",
            "reboot": "instances:reboot",
            "terminate": "instances:terminate",
            "reset": "instances:reset",
            "set-password": "instances:set_password",
            "create-image": "images:create_image",
        },
    ),
    "key": (
        "Create, import, list and delete SSH key pairs; bind them to instances.",
        {
            "create": "keys:create",
            "import": "keys:import_key",
            "list": "keys:list_keys",
            "delete": "keys:delete",
            "bind": "keys:bind",
            "unbind": "keys:unbind",
        },
    ),
    "store": (
        "Verify, sweep and measure a region store, on the state directory.",
        {"verify": "stores:verify", "gc": "stores:collect", "stat": "stores:stat"},
    ),
}
_INNER_GROUPS: Final[Mapping[str, Mapping[str, tuple[str, Mapping[str, str]]]]] = {
    "snapshot": {
        "group": (
            "Take snapshots of several disks of an instance at one moment, list and delete them, and roll the disks back.",
            {
                "create": "snapshot_groups:create",
                "list": "snapshot_groups:list_groups",
                "apply": "snapshot_groups:apply",
                "delete": "snapshot_groups:delete",
            },
        ),
    },
}
"""Groups within a group."""


def run(arguments: Sequence[str]) -> int:
    """Run the command that these arguments name, print its error in one line if it fails, and return the exit code."""
    try:
        code = _tree(arguments)(
            arguments or ["--help"],
            result_action="return_value",
            exit_on_error=False,
            print_error=False,
            verbose=False,
        )
        sys.stdout.flush()
    except (CycloptsError, Misused) as error:
        return _complain(_worded(error), 2)
    except (CommandFailed, Refusal, SettingsError) as error:
        return _complain(error, 1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output has gone, and needs no complaint
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


def _worded(error: Exception) -> Exception:
    """Return the error, in words of our own where what is missing is a whole option, not what belongs behind it."""
    if (
        not isinstance(error, MissingArgumentError)
        or error.argument is None
        or error.keyword is not None
        or error.argument.tokens
    ):
        return error
    return Misused(f"{error.argument.name} is missing")


def _complain(error: Exception, code: int) -> int:
    print(f"linocut: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _tree(arguments: Sequence[str]) -> App:
    def version() -> str:
        from importlib.metadata import version

        return version("linocut")

    tree = App(
        name="linocut",
        help="Keep machine images, and start virtual machines from them.",
        help_format="plaintext",
        version=version,
        suppress_keyboard_interrupt=False,
    )
    for name, (place, purpose) in _SINGLE.items():
        if name in arguments:
            tree.command(_command(place), name=name)
        else:
            tree.command(f"linocut.cli.{place}", name=name, help=purpose)
    for name, (purpose, members) in _GROUPS.items():
        group = tree.command(App(name=name, help=purpose))
        for member, place in members.items() if name in arguments else ():
            if member:
                group.command(_command(place), name=member)
            else:
                group.default(_command(place))
        for inner_name, (inner_purpose, inner_members) in _INNER_GROUPS.get(name, {}).items() if name in arguments else ():
            inner = group.command(App(name=inner_name, help=inner_purpose))
            for member, place in inner_members.items() if inner_name in arguments else ():
                inner.command(_command(place), name=member)
    return tree


def _command(place: str) -> Callable[..., int | None]:
    module, _, function = place.partition(":")
    found: Callable[..., int | None] = getattr(importlib.import_module(f"linocut.cli.{module}"), function)
    return found
