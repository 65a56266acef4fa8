"""The command line.

Client commands (`image`, `run`, `instance`, `key`) speak the wire API that every other client speaks, so nothing they do
is out of another client's reach. The operator's commands (`serve`, `account`, `store`, `env`) work on a state directory.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that these arguments (by default the program's own) name, and return the exit code.

    0 is success, 1 a failure, 2 a mistake in the arguments; 130 an interruption.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["blockd"]:
        from linocut.blocks.server import main as blockd  # a block server starts quickest without a command line

        return blockd(given[1:])
    from linocut.cli.commands import run

    return run(given)
