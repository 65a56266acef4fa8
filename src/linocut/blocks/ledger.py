"""Storage truth: who holds which bytes of a store, alone or with whom, and what deleting would free.

Holders are whatever the caller names trees by: snapshots, images, accounts. Each object has the set of the holders that reach
it, an integer with a bit for each. All objects with the same set make one class, so that whatever is asked is a sum over classes:
what only I reach, what one of us reaches, what nobody else does. Every object is in one class, so the parts add up, to the byte.

A class is found without looking at any object once for each holder: the holders of a leaf are known before it is read, every
distinct leaf is read once, and chunks that had the same holders before a leaf have the same holders after it.
"""

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final, Generic, TypeVar

from linocut.blocks.ahead import ahead
from linocut.blocks.nodes import CHUNK_BYTES, decode_root, leaf_entries
from linocut.blocks.shelf import Shelf
from linocut.model.ids import RootDigest

H = TypeVar("H", bound=Hashable)
K = TypeVar("K", bound=Hashable)

_FIELD_BITS: Final = 64
_FIELD: Final = (1 << _FIELD_BITS) - 1
_CHUNK: Final = 1
_NODE: Final = 1 << 2 * _FIELD_BITS
_MASKS_KEPT: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Weight:
    """Some distinct objects of a store, each counted once."""

    chunks: int = 0
    """Those that are not holes, for holes are not stored."""
    chunk_bytes: int = 0
    """What their frames take."""
    nodes: int = 0
    """Leaves and roots."""
    node_bytes: int = 0

    @property
    def plain_bytes(self) -> int:
        """What the chunks hold, before compression."""
        return self.chunks * CHUNK_BYTES

    @property
    def stored_bytes(self) -> int:
        """What chunks and nodes take."""
        return self.chunk_bytes + self.node_bytes

    def __add__(self, other: "Weight") -> "Weight":
        return _unpacked(_packed(self) + _packed(other))

    def __sub__(self, other: "Weight") -> "Weight":
        return _unpacked(_packed(self) - _packed(other))


@dataclass(frozen=True, slots=True)
class Holding:
    """What one holder holds."""

    logical_bytes: int
    """The sizes of its disks."""
    held: Weight
    """All that its trees reach."""
    freed: Weight
    """What nobody else reaches: unique to it, and free once it alone is deleted."""

    @property
    def shared(self) -> Weight:
        """What others reach too."""
        return self.held - self.freed


class Ledger(Generic[H]):
    """Who reaches what, at one moment. Reads nothing any more."""

    def __init__(self, logical_bytes: Mapping[H, int], classes: Mapping[int, int]) -> None:
        """Know the holders in the order that counts, and the packed weight of each class; bit 0 is the first holder's."""
        self._logical_bytes = logical_bytes
        self._holders = tuple(logical_bytes)
        self._classes = classes

    def total(self) -> Weight:
        """Return what all of them reach together."""
        return _unpacked(sum(self._classes.values()))

    def shared(self) -> Weight:
        """Return what more than one of them reaches: the total without what is unique to one."""
        return _unpacked(sum(weight for mask, weight in self._classes.items() if mask & (mask - 1)))

    def holdings(self) -> dict[H, Holding]:
        """Return what each holds."""
        held = _sum_by_bit(self._classes)
        return {
            holder: Holding(self._logical_bytes[holder], _unpacked(held.get(bit, 0)), _unpacked(self._classes.get(1 << bit, 0)))
            for bit, holder in enumerate(self._holders)
        }

    def freed(self, deleted: Iterable[H]) -> Weight:
        """Return what deleting these holders together would free."""
        bits = {holder: bit for bit, holder in enumerate(self._holders)}
        gone = sum(1 << bits[holder] for holder in set(deleted))
        return _unpacked(sum(weight for mask, weight in self._classes.items() if not mask & ~gone))

    def attribute(self) -> dict[H, Weight]:
        """Return the objects for which each holder is the first that has them, in the order given; they sum to the total."""
        first: dict[int, int] = {}
        for mask, weight in self._classes.items():
            bit = (mask & -mask).bit_length() - 1
            first[bit] = first.get(bit, 0) + weight
        return {holder: _unpacked(first.get(bit, 0)) for bit, holder in enumerate(self._holders)}

    def grouped(self, groups_of: Callable[[H], Iterable[K]]) -> "Ledger[K]":
        """Return the same from the view of groups, such as the accounts of snapshots; a holder may be in several, or in none.

        Groups stand in the order in which the holders name them. What only holders without a group reach is left out.
        """
        logical_bytes: dict[K, int] = {}
        bits: dict[K, int] = {}
        masks: list[int] = []
        for holder in self._holders:
            groups = set(groups_of(holder))
            for group in groups:
                bits.setdefault(group, len(bits))
                logical_bytes[group] = logical_bytes.get(group, 0) + self._logical_bytes[holder]
            masks.append(sum(1 << bits[group] for group in groups))
        joined = _Joined(masks)
        classes: dict[int, int] = {}
        for mask, weight in self._classes.items():
            of_groups = joined.of(mask)
            if of_groups:
                classes[of_groups] = classes.get(of_groups, 0) + weight
        return Ledger(logical_bytes, classes)


class Walk(Generic[H]):
    """Which holders reach each node and each chunk of a store."""

    def __init__(self, shelf: Shelf, workers: Executor, holders: Mapping[H, Iterable[RootDigest]]) -> None:
        """Walk the trees of all holders. Raises ObjectUnreadable, StoreUnavailable."""
        self._shelf = shelf
        self.nodes: dict[bytes, int] = {}
        """The holders of each node: one of them, or more."""
        self.chunks: dict[bytes, int] = {}
        """The place of each chunk in the lists of what is known of chunks."""
        self._node_sizes: dict[bytes, int] = {}
        self._chunk_masks: list[int] = []
        self._chunk_sizes = array("I")
        self._logical_bytes: dict[H, int] = dict.fromkeys(holders, 0)
        self._masks: dict[int, int] = {}
        leaves = self._read_roots(workers, holders)
        self.nodes.update(leaves)
        for (leaf, mask), data in zip(leaves.items(), ahead(workers, shelf.read_node, leaves), strict=True):
            self._node_sizes[leaf] = len(data)
            self._note_chunks(leaf_entries(data), mask)

    def ledger(self) -> Ledger[H]:
        """Return who reaches what by what the nodes say: a chunk weighs the most that a leaf says."""
        classes: dict[int, int] = {}
        for digest, mask in self.nodes.items():
            classes[mask] = classes.get(mask, 0) + _NODE * _object(self._node_sizes[digest])
        for mask, size_bytes in zip(self._chunk_masks, self._chunk_sizes, strict=True):
            classes[mask] = classes.get(mask, 0) + _CHUNK * _object(size_bytes)
        return Ledger(self._logical_bytes, classes)

    def weighed(self, nodes: Iterable[tuple[bytes, int]], chunks: Iterable[tuple[bytes, int]]) -> Ledger[H]:
        """Return who reaches what by what these live nodes and chunks weigh."""
        classes: dict[int, int] = {}
        for digest, size_bytes in nodes:
            mask = self.nodes[digest]
            classes[mask] = classes.get(mask, 0) + _NODE * _object(size_bytes)
        for digest, size_bytes in chunks:
            mask = self._chunk_masks[self.chunks[digest]]
            classes[mask] = classes.get(mask, 0) + _CHUNK * _object(size_bytes)
        return Ledger(self._logical_bytes, classes)

    def _read_roots(self, workers: Executor, holders: Mapping[H, Iterable[RootDigest]]) -> dict[bytes, int]:
        """Note the roots, and return the holders of each leaf."""
        for bit, roots in enumerate(holders.values()):
            for root in set(roots):
                digest = bytes.fromhex(root)
                self.nodes[digest] = self.nodes.get(digest, 0) | 1 << bit
        leaves: dict[bytes, int] = {}
        names = tuple(holders)
        for (digest, mask), data in zip(self.nodes.items(), ahead(workers, self._shelf.read_node, self.nodes), strict=True):
            node = decode_root(data)
            self._node_sizes[digest] = len(data)
            for bit in _bits_of(mask):
                self._logical_bytes[names[bit]] += node.size_bytes
            for leaf in node.leaves:
                if leaf is not None:
                    leaves[leaf] = leaves.get(leaf, 0) | mask
        return leaves

    def _note_chunks(self, entries: Iterable[tuple[bytes, int]], mask: int) -> None:
        """Add the holders of a leaf to those of its chunks. Millions pass through here.

        A chunk's place in the lists costs the one look-up; chunks that came together lie together there.
        """
        chunks, masks, sizes = self.chunks, self._chunk_masks, self._chunk_sizes
        joined: dict[int, int] = {}
        for digest, size_bytes in entries:
            place = chunks.setdefault(digest, len(masks))
            if place == len(masks):
                masks.append(0)
                sizes.append(0)
            before = masks[place]
            after = joined.get(before)
            if after is None:
                after = joined[before] = self._shared(before | mask)
            masks[place] = after
            if size_bytes > sizes[place]:  # noqa: PLR1730 - a call would cost as much as all the rest
                sizes[place] = size_bytes

    def _shared(self, mask: int) -> int:
        """Return the same number, as one object for many chunks; those of late are known, which is nearly all."""
        if len(self._masks) >= _MASKS_KEPT:
            self._masks.clear()
        return self._masks.setdefault(mask, mask)


class _Joined:
    """Replaces each bit of a mask by a mask, eight bits at once."""

    def __init__(self, masks: list[int]) -> None:
        self._masks = masks
        self._known: dict[tuple[int, int], int] = {}

    def of(self, mask: int) -> int:
        joined = 0
        for octet in _octets(mask):
            known = self._known.get(octet)
            if known is None:
                known = self._known[octet] = self._of_octet(*octet)
            joined |= known
        return joined

    def _of_octet(self, position: int, value: int) -> int:
        return reduce(or_, (self._masks[8 * position + bit] for bit in _bits_of(value)))


def _sum_by_bit(weights: Mapping[int, int]) -> dict[int, int]:
    """Return, for each bit, the sum of the weights of the masks in which it is set."""
    by_octet: dict[tuple[int, int], int] = {}
    for mask, weight in weights.items():
        for octet in _octets(mask):
            by_octet[octet] = by_octet.get(octet, 0) + weight
    sums: dict[int, int] = {}
    for (position, value), weight in by_octet.items():
        for bit in _bits_of(value):
            sums[8 * position + bit] = sums.get(8 * position + bit, 0) + weight
    return sums


def _octets(mask: int) -> Iterator[tuple[int, int]]:
    """Yield the bytes of a mask that are not zero, with their positions."""
    return ((position, value) for position, value in enumerate(mask.to_bytes(-(-mask.bit_length() // 8), "little")) if value)


def _bits_of(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _object(size_bytes: int) -> int:
    """Return the packed weight of one object, to be multiplied by its kind."""
    return 1 + (size_bytes << _FIELD_BITS)


def _packed(weight: Weight) -> int:
    """Return the four counts as one number, so that many weights are summed by adding one number each."""
    return _CHUNK * (weight.chunks + (weight.chunk_bytes << _FIELD_BITS)) + _NODE * (
        weight.nodes + (weight.node_bytes << _FIELD_BITS)
    )


def _unpacked(packed: int) -> Weight:
    return Weight(*(packed >> field * _FIELD_BITS & _FIELD for field in range(4)))
