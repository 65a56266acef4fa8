"""Reading everything again, and mending what other stores still have.

Roots are read first, then leaves, then chunks, then what nothing refers to, so that whatever a mended node names is read, too.
What is mended is written in the order of writing: a root comes last, for it promises all that it reaches. Every object that is
written was verified, and takes the place of a damaged one at once.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from typing import Final

from linocut.blocks.ahead import ahead
from linocut.blocks.copying import Progress
from linocut.blocks.errors import ObjectMissing, ObjectUnreadable, RequestInvalid, StoreUnavailable
from linocut.blocks.nodes import CHUNK_BYTES, LEAF_MAGIC, decode_leaf, decode_root, leaf_entries
from linocut.blocks.reach import digest_in
from linocut.blocks.shelf import ARRIVING, CHUNKS, TREES, Shelf, object_name
from linocut.model.ids import RootDigest, is_root_digest

_FOLDERS: Final = (ARRIVING, TREES, CHUNKS)


class Problem(StrEnum):
    """What is the matter with an object."""

    CORRUPT = "corrupt"
    """Its bytes are not what its name promises: flipped, cut off, or something else altogether."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Damage:
    """An object that is not as it should be."""

    name: str
    problem: Problem
    reason: str
    roots: tuple[RootDigest, ...] = ()
    """Those of the trees asked about that need it; none of them does where there is none."""
    repaired_from: str | None = None
    """The source from which it was written again, if it was."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What reading everything again found."""

    objects: int
    stored_bytes: int
    damages: tuple[Damage, ...] = ()
    awaited: int = 0
    """How many chunks have not come yet that arriving trees alone need; they are not missing."""

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is wrong any more."""
        return not self.unrepaired

    @property
    def unrepaired(self) -> tuple[Damage, ...]:
        """What is still wrong."""
        return tuple(damage for damage in self.damages if damage.repaired_from is None)

    @property
    def corrupt(self) -> tuple[str, ...]:
        """Why each object is not sound that is there."""
        return tuple(damage.reason for damage in self.damages if damage.problem is Problem.CORRUPT)

    @property
    def missing(self) -> tuple[str, ...]:
        """Why each object is not there that should be."""
        return tuple(damage.reason for damage in self.damages if damage.problem is Problem.MISSING)


class Verification:
    """One look at everything in a store."""

    def __init__(
        self, shelf: Shelf, workers: Executor, roots: Iterable[RootDigest], arriving: Collection[RootDigest], mender: "Mender"
    ) -> None:
        """Look at a store with these trees, of which some are known to be arriving. Raises RequestInvalid."""
        self._shelf = shelf
        self._workers = workers
        self._mender = mender
        self._roots = list(dict.fromkeys(roots))
        for root in self._roots:
            if not is_root_digest(root):
                raise RequestInvalid(f"not a root digest: {root!r}")
        self._arriving = {root for root in self._roots if root in arriving or shelf.is_arriving(bytes.fromhex(root))}
        self._leaves: dict[bytes, list[RootDigest]] = {}
        self._check = _Check(shelf)
        self._damages: dict[str, Damage] = {}
        self._count = self._stored_bytes = self._awaited = 0

    def run(self, progress: Progress | None) -> VerifyReport:
        """Read everything, and mend what can be mended."""
        listed = {folder: set(_digests(self._shelf, folder)) for folder in _FOLDERS}
        mended_roots = list(self._read_roots())
        needed = self._read_leaves()
        read_nodes = {*map(bytes.fromhex, self._roots), *self._leaves}
        rest = {
            ARRIVING: listed[ARRIVING] - (read_nodes - listed[TREES]),
            TREES: listed[TREES] - read_nodes,
            CHUNKS: listed[CHUNKS] - needed.keys(),
        }
        total = self._count + len(needed) + sum(map(len, rest.values()))
        self._read_chunks(needed, lambda: progress(self._count, total) if progress else None)
        for folder, digests in rest.items():
            self._read_rest(folder, digests, lambda: progress(self._count, total) if progress else None)
        for name, data in mended_roots:
            self._shelf.objects.put(name, data)
        if any(damage.repaired_from for damage in self._damages.values()):
            self._shelf.objects.make_durable()
        damages = sorted(self._with_roots_of_chunks(), key=lambda damage: damage.name)
        return VerifyReport(self._count, self._stored_bytes, tuple(damages), self._awaited)

    def _read_roots(self) -> Iterator[tuple[str, bytes]]:
        """Read the roots and note their leaves; yield the mended ones, which are to be written last."""
        digests = [bytes.fromhex(root) for root in self._roots]
        for root, (data, error) in zip(self._roots, ahead(self._workers, self._check.root, digests), strict=True):
            self._count += 1
            digest, found = bytes.fromhex(root), data
            if error is not None:
                name = self._name_of_node(digest, is_arriving=root in self._arriving)
                found, source = self._mender.node(digest, decode_root)
                self._note(name, error, (root,), source)
                if source is not None:
                    yield name, found
            self._stored_bytes += len(data)
            for leaf in decode_root(found).leaves if found else ():
                if leaf is not None:
                    self._leaves.setdefault(leaf, []).append(root)

    def _read_leaves(self) -> dict[bytes, bool]:
        """Read the leaves, and return the chunks that they name: whether each must be here, for others may be to come."""
        needed: dict[bytes, bool] = {}
        for (leaf, roots), (data, error) in zip(
            self._leaves.items(), ahead(self._workers, self._check.leaf, self._leaves), strict=True
        ):
            self._count += 1
            self._stored_bytes += len(data)
            is_arriving = self._arriving.issuperset(roots)
            found = data
            if error is not None:
                name = self._name_of_node(leaf, is_arriving=is_arriving)
                found, source = self._mender.node(leaf, decode_leaf)
                self._note(name, error, tuple(roots), source)
                if source is not None:
                    self._shelf.objects.put(name, found)
            for digest, _ in leaf_entries(found) if found else ():
                if not is_arriving:
                    needed[digest] = True
                else:
                    needed.setdefault(digest, False)
        return needed

    def _read_chunks(self, needed: Mapping[bytes, bool], tell: Callable[[], None]) -> None:
        for (digest, must_be_here), (size_bytes, error) in zip(
            needed.items(), ahead(self._workers, self._check.chunk, needed), strict=True
        ):
            self._count += 1
            self._stored_bytes += size_bytes
            if isinstance(error, ObjectMissing) and not must_be_here:
                self._awaited += 1
            elif error is not None:
                self._note(object_name(CHUNKS, digest), error, (), self._mender.chunk(self._shelf, digest))
            tell()

    def _read_rest(self, folder: str, digests: Iterable[bytes], tell: Callable[[], None]) -> None:
        """Read what none of the trees needs: what is gone by now is not missed."""
        digests = list(digests)
        check = self._check.chunk if folder == CHUNKS else self._check.node_in(folder)
        for digest, (size_bytes, error) in zip(digests, ahead(self._workers, check, digests), strict=True):
            self._count += 1
            self._stored_bytes += size_bytes
            if error is not None and not isinstance(error, ObjectMissing):
                self._note(object_name(folder, digest), error, (), self._mended_rest(folder, digest))
            tell()

    def _mended_rest(self, folder: str, digest: bytes) -> str | None:
        if folder == CHUNKS:
            return self._mender.chunk(self._shelf, digest)
        found, source = self._mender.node(digest, _decode_node)
        if source is not None and (folder == ARRIVING or found.startswith(LEAF_MAGIC)):  # no root may promise what is not there
            self._shelf.objects.put(object_name(folder, digest), found)
            return source
        return None

    def _note(self, name: str, error: ObjectUnreadable, roots: tuple[RootDigest, ...], source: str | None) -> None:
        problem = Problem.MISSING if isinstance(error, ObjectMissing) else Problem.CORRUPT
        self._damages[name] = Damage(name, problem, str(error), roots, source)

    def _name_of_node(self, digest: bytes, *, is_arriving: bool) -> str:
        """Return the name under which a damaged node lies, or, where it lies nowhere, belongs."""
        in_trees, arriving = object_name(TREES, digest), object_name(ARRIVING, digest)
        if self._shelf.objects.info(in_trees) is not None:
            return in_trees
        return arriving if is_arriving or self._shelf.objects.info(arriving) is not None else in_trees

    def _with_roots_of_chunks(self) -> Iterator[Damage]:
        """Return the damages, and with those of chunks the trees that need them: only now are the leaves read for that."""
        names = {digest_in(CHUNKS, name): name for name in self._damages if name.startswith(CHUNKS)}
        suffering: dict[str, dict[RootDigest, None]] = {}
        leaves = self._leaves if names else {}
        for roots, (data, _) in zip(leaves.values(), ahead(self._workers, self._check.leaf, leaves), strict=True):
            digests = set(map(itemgetter(0), leaf_entries(data))) if data else set()
            for digest in names.keys() & digests:
                suffering.setdefault(names[digest], {}).update(dict.fromkeys(roots))
        for name, damage in self._damages.items():
            yield replace(damage, roots=tuple(suffering[name])) if name in suffering else damage


class Mender:
    """Writes again what is damaged, from other stores. Safe to share between threads."""

    def __init__(self, sources: Mapping[str, Shelf]) -> None:
        """Ask these stores, in this order."""
        self._sources = dict(sources)
        self._scratch = threading.local()

    def chunk(self, shelf: Shelf, digest: bytes) -> str | None:
        """Write a chunk that any source has into a store; return which, or None."""
        scratch = bytearray(CHUNK_BYTES)
        for label, frame in self._each(lambda source: source.read_frame(digest, scratch)):
            shelf.objects.put(object_name(CHUNKS, digest), frame)
            return label
        return None

    def node(self, digest: bytes, decode: Callable[[bytes], object]) -> tuple[bytes, str | None]:
        """Return a node that any source has, and which, or nothing and None."""

        def read(source: Shelf) -> bytes:
            data = source.read_node(digest)
            decode(data)
            return data

        for label, data in self._each(read):
            return data, label
        return b"", None

    def _each(self, read: Callable[[Shelf], bytes]) -> Iterator[tuple[str, bytes]]:
        for label, source in tuple(self._sources.items()):
            try:
                yield label, read(source)
            except ObjectUnreadable:
                continue
            except StoreUnavailable:
                self._sources.pop(label, None)  # asked once more for each object, it would cost minutes each


class _Check:
    """Reads one object and checks it against its name. Safe to share between threads.

    Answers carry what was read, and the error where it is unreadable.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._own = threading.local()

    def root(self, digest: bytes) -> tuple[bytes, ObjectUnreadable | None]:
        return self._node(lambda: self._shelf.read_node(digest), decode_root)

    def leaf(self, digest: bytes) -> tuple[bytes, ObjectUnreadable | None]:
        return self._node(lambda: self._shelf.read_node(digest), decode_leaf)

    def node_in(self, folder: str) -> Callable[[bytes], tuple[int, ObjectUnreadable | None]]:
        """Return a check of any node in this very folder."""

        def check(digest: bytes) -> tuple[int, ObjectUnreadable | None]:
            data, error = self._node(lambda: self._shelf.read_node_in(folder, digest), _decode_node)
            return len(data), error

        return check

    def chunk(self, digest: bytes) -> tuple[int, ObjectUnreadable | None]:
        if not hasattr(self._own, "scratch"):
            self._own.scratch = bytearray(CHUNK_BYTES)
        try:
            return len(self._shelf.read_frame(digest, self._own.scratch)), None
        except ObjectUnreadable as error:
            return 0, error

    def _node(self, read: Callable[[], bytes], decode: Callable[[bytes], object]) -> tuple[bytes, ObjectUnreadable | None]:
        try:
            data = read()
            decode(data)
        except ObjectUnreadable as error:
            return b"", error
        return data, None


def _decode_node(data: bytes) -> object:
    return decode_leaf(data) if data.startswith(LEAF_MAGIC) else decode_root(data)


def _digests(shelf: Shelf, folder: str) -> Iterator[bytes]:
    for info in shelf.objects.list(folder):
        digest = digest_in(folder, info.name)
        if digest is not None:
            yield digest
