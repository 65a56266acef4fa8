"""A thousand trees, each on the one before: none costs more to read than another, and none needs another."""

from pathlib import Path
from typing import Final

from linocut.blocks import RegionStore

_TREES: Final = 1000
_LEAF_BYTES: Final = 512 << 20
_PIECE: Final = 4096


def _where(number: int) -> int:
    """Return where the tree of this number differs from the one before."""
    return number * _PIECE + (number % 7) * _LEAF_BYTES


def _piece(number: int) -> bytes:
    return number.to_bytes(4, "big") * (_PIECE // 4)


def test_of_a_thousand_trees_in_a_chain_each_is_what_it_was_and_needs_no_other(tmp_path: Path) -> None:
    with RegionStore.open(f"file://{tmp_path}/store") as store:
        parent, roots = None, []
        for number in range(_TREES):
            ingest = store.ingest(8 * _LEAF_BYTES, parent)
            ingest.write(_where(number), _piece(number))
            parent = ingest.seal()
            roots.append(parent)

        def is_right(number: int) -> bool:
            """Tell whether a tree has what it and those before it changed, as far as a few of them show, and no more."""
            tree = store.tree(roots[number])
            before = [one for one in (0, number // 2, number) if tree.read(_where(one), _PIECE) != _piece(one)]
            after = [one for one in (number + 1, _TREES - 1) if one > number and tree.read(_where(one), _PIECE) != bytes(_PIECE)]
            return before == after == []

        assert all(is_right(number) for number in range(1, _TREES))

        kept = range(99, _TREES, 100)
        report = store.collect([roots[number] for number in kept], grace_s=0)

        assert report.deleted_trees >= _TREES - len(kept)
        assert store.verify([roots[number] for number in kept]).is_sound
        assert all(is_right(number) for number in kept)
