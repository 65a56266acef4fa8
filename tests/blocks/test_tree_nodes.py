"""The byte formats of nodes and chunks. They are stored for ever: whoever changes one makes every stored image unreadable."""

from random import Random

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from linocut.blocks.errors import FormatUnknown, ObjectCorrupt, ObjectUnreadable
from linocut.blocks.frames import MAX_FRAME_BYTES, Frames, digest_of
from linocut.blocks.nodes import CHUNK_BYTES, LEAF_CHUNKS, Chunk, Root, decode_leaf, decode_root, encode_leaf, encode_root

ONE = bytes(range(32))
TWO = bytes(range(32, 64))


def leaf_with(chunks: dict[int, Chunk]) -> tuple[Chunk | None, ...]:
    return tuple(chunks.get(index) for index in range(LEAF_CHUNKS))


def test_a_leaf_keeps_its_bytes_for_ever() -> None:
    # Every image in every store lists its chunks so; a change orphans them all, and breaks sharing with older trees.
    data = encode_leaf(leaf_with({0: Chunk(ONE, 7), 9: Chunk(TWO, 0x01020304)}))

    bitmap = b"\x01\x02" + bytes(126)
    assert data == b"LCTL\x01\x00\x00\x00\x02\x00\x00\x00" + bitmap + ONE + b"\x07\x00\x00\x00" + TWO + b"\x04\x03\x02\x01"


def test_a_root_keeps_its_bytes_for_ever() -> None:
    # A root's digest is what catalogs name; a change of one byte here renames every image.
    data = encode_root(Root(512 * 2**20 + 5, ONE, (None, TWO)))

    head = b"LCTR\x01\x00\x00\x00" + (524288).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert data == head + (512 * 2**20 + 5).to_bytes(8, "little") + ONE + bytes(32) + TWO


def test_a_chunk_is_named_by_the_blake3_digest_of_its_plain_bytes() -> None:
    # Deduplication across versions of Linocut rests on this name.
    assert digest_of(b"linocut").hex() == blake3(b"linocut").hexdigest()
    assert digest_of(b"").hex().startswith("af1349b9f5f9a1a6a0404dea36dcc949")


@given(
    st.dictionaries(st.integers(0, 1023), st.tuples(st.binary(min_size=32, max_size=32), st.integers(1, 2**32 - 1)), min_size=1)
)
def test_a_leaf_reads_back_as_it_was_written(entries: dict[int, tuple[bytes, int]]) -> None:
    chunks = leaf_with({index: Chunk(*entry) for index, entry in entries.items()})

    assert decode_leaf(encode_leaf(chunks)) == chunks


@given(st.integers(1, 40 * 2**30), st.randoms())
def test_a_root_reads_back_as_it_was_written(size_bytes: int, random: Random) -> None:
    leaves = tuple(random.choice([None, ONE, TWO]) for _ in range(-(-size_bytes // (512 * 2**20))))
    root = Root(size_bytes, random.choice([None, TWO]), leaves)

    assert decode_root(encode_root(root)) == root


@given(
    st.one_of(
        st.binary(max_size=400),
        st.binary(max_size=200).map(lambda b: b"LCTL\x01\0\0\0" + b),
        st.binary(max_size=200).map(lambda b: b"LCTR\x01\0\0\0" + b),
    )
)
def test_hostile_nodes_raise_one_error_type(data: bytes) -> None:
    for decode in (decode_leaf, decode_root):
        with pytest.raises(ObjectUnreadable):
            decode(data)


@given(st.integers(0, 11 + 128 + 72), st.integers(1, 255))
def test_a_flipped_leaf_is_refused_or_reads_as_what_it_now_says(position: int, flip: int) -> None:
    good = encode_leaf(leaf_with({0: Chunk(ONE, 7), 9: Chunk(TWO, 8)}))
    data = bytearray(good)
    data[position] ^= flip
    try:
        decoded = decode_leaf(bytes(data))
    except ObjectUnreadable:
        return
    assert encode_leaf(decoded) == bytes(data)


def test_a_newer_version_of_a_node_is_refused_by_name() -> None:
    data = bytearray(encode_root(Root(5, None, (ONE,))))
    data[4] = 2

    with pytest.raises(FormatUnknown, match=r"version 2\.0, expected 1\.0"):
        decode_root(bytes(data))


def test_a_frame_that_would_unpack_to_more_than_a_chunk_is_refused() -> None:
    for size in (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES + 1, 300 * 2**20):
        plain = bytes(size)
        with pytest.raises(ObjectCorrupt):
            Frames(1).unpack("x", digest_of(plain), zstandard.compress(plain), bytearray(CHUNK_BYTES))


@given(st.binary(max_size=300))
def test_hostile_frames_raise_one_error_type(frame: bytes) -> None:
    with pytest.raises(ObjectCorrupt):
        Frames(1).unpack("x", ONE, frame, bytearray(CHUNK_BYTES))


def test_a_frame_is_never_larger_than_readers_accept() -> None:
    assert len(Frames(1).pack(Random(1).randbytes(CHUNK_BYTES))) <= MAX_FRAME_BYTES
