"""The block server as NBD's own programs, QEMU's programs, and a careful client see it."""

import os
import random
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbd_peer import NbdFailure, NbdPeer

from linocut.blocks import (
    CHUNK_BYTES,
    BlockServer,
    IngestGone,
    ObjectMissing,
    RegionStore,
    RequestInvalid,
)
from linocut.model.ids import RootDigest

EIO, EPERM, EINVAL, UNKNOWN = 5, 1, 22, 2**31 + 6


def run(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def option(number: int, data: bytes) -> bytes:
    return struct.pack(">8sII", b"IHAVEOPT", number, len(data)) + data


def qemu_name(server: BlockServer, export: str) -> str:
    return f"nbd:unix:{server.socket_path}:exportname={export}"


def chunk_files(store_url: str) -> list[Path]:
    return sorted(path for path in Path(store_url.removeprefix("file://"), "chunks").rglob("*") if path.is_file())


def test_programs_read_a_tree_as_the_file_it_came_from(
    store: RegionStore, server: BlockServer, image: Path, tmp_path: Path
) -> None:
    export = f"tree/{store.ingest_file(image)}"

    assert '"export-size": 4720128' in run("nbdinfo", "--no-content", "--json", server.uri(export))
    run("nbdcopy", server.uri(export), tmp_path / "copy.raw")
    assert (tmp_path / "copy.raw").read_bytes() == image.read_bytes()
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, qemu_name(server, export))


def test_programs_see_where_the_holes_are(store: RegionStore, server: BlockServer, image: Path) -> None:
    export = f"tree/{store.ingest_file(image)}"

    runs = [line.split()[:3] for line in run("nbdinfo", "--map", server.uri(export)).splitlines()]
    chunk = CHUNK_BYTES
    assert runs == [
        ["0", str(3 * chunk), "0"],
        [str(3 * chunk), str(4 * chunk), "3"],
        [str(7 * chunk), str(chunk), "0"],
        [str(8 * chunk), str(chunk + 3 * 512), "3"],
    ]


@pytest.mark.parametrize("how", ["nbdcopy", "convert", "convert onto zeros", "convert qcow2"])
def test_programs_write_the_tree_that_the_file_itself_gives(
    store: RegionStore, server: BlockServer, image: Path, tmp_path: Path, how: str
) -> None:
    ingest = server.ingest(image.stat().st_size)
    target = qemu_name(server, ingest.export)
    match how:
        case "nbdcopy":
            run("nbdcopy", image, ingest.uri)
        case "convert":
            run("qemu-img", "convert", "-n", "-W", "-f", "raw", "-O", "raw", image, target)
        case "convert onto zeros":
            run("qemu-img", "convert", "-n", "-W", "--target-is-zero", "-f", "raw", "-O", "raw", image, target)
        case _:
            run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", image, tmp_path / "disk.qcow2")
            run("qemu-img", "convert", "-n", "-W", "-f", "qcow2", "-O", "raw", tmp_path / "disk.qcow2", target)

    assert ingest.written_bytes() > 0
    assert ingest.seal() == store.ingest_file(image)


def test_qemu_io_changes_a_parent(store: RegionStore, server: BlockServer, image: Path) -> None:
    parent = store.ingest_file(image)
    ingest = server.ingest(image.stat().st_size, parent)

    done = run(
        *("qemu-io", "-f", "raw", "-c", "write -P 7 1000k 3000k", "-c", "write -z 100k 600k", "-c", "discard 2M 512k"),
        *("-c", "flush", "-c", "read -P 7 1000k 1048k", "-c", "read -P 0 2M 512k", qemu_name(server, ingest.export)),
    )

    assert "Pattern verification failed" not in done
    expected = bytearray(image.read_bytes())
    expected[1000 << 10 : 4000 << 10] = b"\x07" * (3000 << 10)
    expected[100 << 10 : 700 << 10] = bytes(600 << 10)
    expected[2 << 20 : (2 << 20) + (512 << 10)] = bytes(512 << 10)
    assert store.tree(ingest.seal()).read(0, len(expected)) == bytes(expected)


@pytest.mark.parametrize("structured", [True, False])
def test_both_kinds_of_replies_carry_the_bytes(store: RegionStore, server: BlockServer, image: Path, *, structured: bool) -> None:
    content = image.read_bytes()
    with NbdPeer(server.socket_path, f"tree/{store.ingest_file(image)}", structured=structured) as peer:
        picks = random.Random(3)
        for _ in range(40):
            start, end = sorted((picks.randrange(len(content)), picks.randrange(len(content))))
            assert peer.read(start, end - start) == content[start:end]
        assert peer.read(0, len(content)) == content


def test_many_reads_at_once_each_get_their_own_bytes(store: RegionStore, server: BlockServer, image: Path) -> None:
    content = image.read_bytes()
    with NbdPeer(server.socket_path, f"tree/{store.ingest_file(image)}") as peer:
        picks = random.Random(4)
        asked = {}
        for _ in range(300):
            offset = picks.randrange(len(content) - 4096)
            asked[peer.send(0, offset, 4096)] = offset
        for _ in range(300):
            cookie, data = peer.receive(4096)
            offset = asked.pop(cookie)
            assert data == content[offset : offset + 4096]


rounds = st.lists(
    st.tuples(
        st.sampled_from(["write", "zeroes", "trim", "flush"]), st.integers(0, 2**40), st.integers(1, 2**40), st.integers(1, 255)
    ),
    min_size=4,
    max_size=24,
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(rounds)
def test_writers_on_several_connections_equal_a_plain_array(
    server: BlockServer, store: RegionStore, steps: list[tuple[str, int, int, int]]
) -> None:
    size = 3 * CHUNK_BYTES + 777
    lane = size // 3 + 1  # so that lanes meet within chunks
    ingest = server.ingest(size)
    model = bytearray(size)

    def drive(number: int) -> None:
        begin, end = number * lane, min((number + 1) * lane, size)
        with NbdPeer(server.socket_path, ingest.export) as peer:
            for kind, where, length, fill in steps[number::3]:
                start = begin + where % (end - begin)
                stop = min(end, start + length % lane + 1)
                if kind == "flush":
                    peer.flush()
                elif kind == "write":
                    data = noise(stop - start, fill)
                    peer.write(start, data)
                    model[start:stop] = data
                else:
                    (peer.trim if kind == "trim" else peer.write_zeroes)(start, stop - start)
                    model[start:stop] = bytes(stop - start)

    with ThreadPoolExecutor(3) as lanes:
        list(lanes.map(drive, range(3)))
    assert store.tree(ingest.seal()).read(0, size) == bytes(model)
    ingest.abort()


def test_a_damaged_chunk_is_an_error_for_its_bytes_only(store: RegionStore, server: BlockServer, store_url: str) -> None:
    content = noise(2 * CHUNK_BYTES, 5)
    ingest = store.ingest(len(content))
    ingest.write(0, content)
    root = ingest.seal()
    victim = Path(store_url.removeprefix("file://"), "chunks", *_chunk_path(store, root, 1))
    damaged = bytearray(victim.read_bytes())
    damaged[1000] ^= 1
    victim.write_bytes(damaged)

    for structured in (True, False):
        with NbdPeer(server.socket_path, f"tree/{root}", structured=structured) as peer:
            for offset, length in ((CHUNK_BYTES, 4096), (0, 2 * CHUNK_BYTES), (CHUNK_BYTES - 1, 2)):
                with pytest.raises(NbdFailure) as failure:
                    peer.read(offset, length)
                assert failure.value.number == EIO
            assert peer.read(0, CHUNK_BYTES) == content[:CHUNK_BYTES]
    assert server.stat()["corrupt_reads"] > 0
    log = server.log_path.read_text()
    assert "ObjectCorrupt" in log
    assert victim.name in log


def _chunk_path(store: RegionStore, root: RootDigest, index: int) -> tuple[str, str]:
    chunk = store.tree(root).chunk(index)
    assert chunk is not None
    return chunk.digest.hex()[:2], chunk.digest.hex()


def test_a_removed_chunk_or_leaf_is_an_error_and_a_removed_root_no_export(
    store: RegionStore, server: BlockServer, store_url: str
) -> None:
    trees = Path(store_url.removeprefix("file://"), "trees")
    roots = []
    for seed in (6, 7, 8):
        ingest = store.ingest(CHUNK_BYTES)
        ingest.write(0, noise(CHUNK_BYTES, seed))
        roots.append(ingest.seal())
    Path(store_url.removeprefix("file://"), "chunks", *_chunk_path(store, roots[0], 0)).unlink()
    leaf = store.tree(roots[1]).leaves[0]
    assert leaf is not None
    (trees / leaf.hex()[:2] / leaf.hex()).unlink()
    (trees / roots[2][:2] / roots[2]).unlink()

    for root in roots[:2]:
        with NbdPeer(server.socket_path, f"tree/{root}") as peer, pytest.raises(NbdFailure):
            peer.read(0, 1)
    with NbdPeer(server.socket_path, f"tree/{roots[2]}") as peer:
        assert peer.last_reply == UNKNOWN


def a_damaged_tree(store: RegionStore, store_url: str, seed: int) -> RootDigest:
    """Return the root of a tree whose only chunk is gone."""
    ingest = store.ingest(CHUNK_BYTES)
    ingest.write(0, noise(CHUNK_BYTES, seed))
    root = ingest.seal()
    Path(store_url.removeprefix("file://"), "chunks", *_chunk_path(store, root, 0)).unlink()
    return root


def test_damage_to_the_parent_is_found_before_it_is_inherited(store: RegionStore, server: BlockServer, store_url: str) -> None:
    child = server.ingest(CHUNK_BYTES, a_damaged_tree(store, store_url, 9))
    with NbdPeer(server.socket_path, child.export) as peer:
        peer.write(10, b"partial")
        with pytest.raises(NbdFailure) as failure:
            peer.flush()
        assert failure.value.number == EIO
    with pytest.raises(ObjectMissing):
        child.seal()


@pytest.mark.parametrize(
    "export", ["", "tree/", "tree/" + "0" * 64, "tree/../../etc/passwd", "ingest/", "ingest/guess", "x" * 4000]
)
def test_unknown_exports_are_refused(server: BlockServer, export: str) -> None:
    with NbdPeer(server.socket_path, export) as peer:
        assert peer.last_reply == UNKNOWN


@pytest.mark.parametrize(("client_flags", "padding"), [(1, 124), (3, 0)])
def test_old_clients_name_their_export_without_further_talk(
    store: RegionStore, server: BlockServer, image: Path, client_flags: int, padding: int
) -> None:
    name = f"tree/{store.ingest_file(image)}".encode()
    with socket.socket(socket.AF_UNIX) as peer, peer.makefile("rb") as stream:
        peer.settimeout(5)
        peer.connect(str(server.socket_path))
        stream.read(18)
        peer.sendall(struct.pack(">I", client_flags) + option(1, name))
        size, flags = struct.unpack(">QH", stream.read(10))
        assert (size, flags & 3) == (image.stat().st_size, 3)
        assert stream.read(padding) == bytes(padding)
        peer.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, 9, 0, 4))
        assert stream.read(20) == struct.pack(">IIQ", 0x67446698, 0, 9) + b"boot"


def test_exports_are_not_listed(store: RegionStore, server: BlockServer, image: Path) -> None:
    root = store.ingest_file(image)
    ingest = server.ingest(1000)
    listed = subprocess.run(["nbdinfo", "--list", server.uri("")], check=False, capture_output=True, text=True, timeout=20)
    assert root not in listed.stdout
    assert ingest.token not in listed.stdout


@pytest.mark.parametrize("message", [struct.pack(">I", 8), struct.pack(">I", 3) + struct.pack(">8sII", b"IHAVEOPT", 7, 2**31)])
def test_a_client_that_breaks_the_protocol_is_hung_up_on(server: BlockServer, message: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as peer, peer.makefile("rb") as stream:
        peer.settimeout(5)
        peer.connect(str(server.socket_path))
        peer.sendall(message)
        assert len(stream.read()) == 18


def test_a_tree_refuses_writing(store: RegionStore, server: BlockServer, image: Path) -> None:
    with NbdPeer(server.socket_path, f"tree/{store.ingest_file(image)}") as peer:
        for verb in (lambda: peer.write(0, b"x" * 9), lambda: peer.trim(0, 9), lambda: peer.write_zeroes(0, 9)):
            with pytest.raises(NbdFailure) as failure:
                verb()
            assert failure.value.number == EPERM
        assert peer.read(0, 4) == b"boot"


def test_what_is_written_to_a_shielded_ingest_is_what_is_sealed(store: RegionStore, server: BlockServer) -> None:
    ingest = server.ingest(3 * CHUNK_BYTES)
    with NbdPeer(server.socket_path, ingest.shielded_export) as peer:
        peer.write(CHUNK_BYTES - 5, b"0123456789")
        peer.write_zeroes(CHUNK_BYTES, 2)
        peer.flush()
        for impossible in (lambda: peer.write(3 * CHUNK_BYTES - 1, b"12"), lambda: peer.read(0, 1)):
            with pytest.raises(NbdFailure) as failure:
                impossible()
            assert failure.value.number == EINVAL

    assert store.tree(ingest.seal()).read(CHUNK_BYTES - 5, 10) == b"01234\0\x00789"


def test_a_shielded_ingest_that_is_given_up_or_lost_takes_writes_and_drops_them(server: BlockServer) -> None:
    ingest = server.ingest(3 * CHUNK_BYTES)
    with NbdPeer(server.socket_path, ingest.shielded_export) as peer:
        peer.write(0, b"kept")
        ingest.abort()
        peer.write(5, b"dropped")
        peer.write_zeroes(0, CHUNK_BYTES)
        peer.flush()
    with NbdPeer(server.socket_path, ingest.shielded_export) as peer:
        peer.write(5, b"dropped")
        peer.flush()

    with pytest.raises(IngestGone):
        ingest.seal()


def test_a_shielded_ingest_is_void_once_its_parent_is_found_damaged(
    store: RegionStore, server: BlockServer, store_url: str
) -> None:
    child = server.ingest(CHUNK_BYTES, a_damaged_tree(store, store_url, 17))

    with NbdPeer(server.socket_path, child.shielded_export) as peer:
        peer.write(10, b"partial")
        peer.flush()
        peer.write(10, b"dropped")
        peer.flush()

    with pytest.raises(ObjectMissing):
        child.seal()


def test_a_shielded_ingest_has_the_size_that_its_export_says(server: BlockServer) -> None:
    ingest = server.ingest(1000)
    for size_bytes in (0, 999, 1 << 60):
        with NbdPeer(server.socket_path, f"shielded/{ingest.token}/{size_bytes}") as peer:
            assert peer.last_reply == UNKNOWN


def test_impossible_requests_are_refused_and_the_connection_goes_on(store: RegionStore, server: BlockServer, image: Path) -> None:
    tree = f"tree/{store.ingest_file(image)}"
    size = image.stat().st_size
    for export in (tree, server.ingest(size).export):
        with NbdPeer(server.socket_path, export) as peer:
            for command, offset, length in ((0, size, 1), (0, 2**64 - 1, 4096), (0, 0, 2**32 - 1), (77, 0, 0), (7, 0, 512)):
                with pytest.raises(NbdFailure) as failure:
                    peer.call(command, offset, length)
                assert failure.value.number == EINVAL
            assert len(peer.read(0, 512)) == 512
    ingest = server.ingest(1000)
    with NbdPeer(server.socket_path, ingest.export) as peer:
        with pytest.raises(NbdFailure):
            peer.write(990, b"x" * 11)
        peer.write(990, b"x" * 10)
        peer.call(3, 0, 0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.binary(max_size=80), st.builds(option, st.integers(0, 12), st.binary(max_size=60))), max_size=5))
def test_malformed_negotiation_hurts_nobody(server: BlockServer, messages: list[bytes]) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(server.socket_path))
        try:
            peer.sendall(struct.pack(">I", 3) + b"".join(messages))
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert server.alive()


requests = st.tuples(
    st.sampled_from([0x25609513, 0x25609513, 0x25609513, 5]),
    st.integers(0, 65535),
    st.integers(0, 9),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(requests, max_size=6), st.binary(max_size=50))
def test_malformed_requests_hurt_nobody(server: BlockServer, sent: list[tuple[int, int, int, int, int]], rest: bytes) -> None:
    ingest = server.ingest(1000)
    with NbdPeer(server.socket_path, ingest.export) as peer:
        try:
            for magic, flags, command, offset, length in sent:
                peer.socket.sendall(struct.pack(">IHHQQI", magic, flags, command, 1, offset, length))
            peer.socket.sendall(rest)
            peer.socket.shutdown(socket.SHUT_WR)
            while peer.socket.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert server.stat()["ingests"] >= 1
    ingest.abort()


def test_malformed_control_requests_are_answered(server: BlockServer) -> None:
    for line in ({"do": "fly"}, {"do": []}, {"do": "seal"}, {"do": "open_ingest", "token": "short", "size_bytes": 1}):
        with pytest.raises(RequestInvalid):
            server.ask(line)
    with pytest.raises(RequestInvalid):
        server.ingest(0)
    with pytest.raises(ObjectMissing):
        server.ingest(1000, RootDigest("0" * 64))


def test_a_reader_is_known_with_the_times_of_its_first_read_and_reply(
    store: RegionStore, server: BlockServer, image: Path
) -> None:
    root = store.ingest_file(image)

    def readers() -> list[dict[str, Any]]:
        return [reader for reader in server.stat()["readers"] if reader["root"] == root]

    with NbdPeer(server.socket_path, f"tree/{root}") as peer:
        deadline = time.monotonic() + 5
        while len(readers()) > 1 and time.monotonic() < deadline:
            pass  # those of earlier tests are on their way out
        (before,) = readers()
        peer.call(0, 0, 512)
        deadline = time.monotonic() + 5
        while (after := readers()[0])["first_reply_s"] is None and time.monotonic() < deadline:
            pass  # it is noted when the reply is on its way

    assert (before["pid"], before["first_read_s"]) == (os.getpid(), None)
    assert after["connected_s"] <= after["first_read_s"] <= after["first_reply_s"] <= time.time()
