"""The block server as a process: starting, finding, stopping, dying, and how much memory and disk it takes."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbd_peer import NbdFailure, NbdPeer

from linocut.blocks import CHUNK_BYTES, BlockServer, IngestGone, RegionStore, ServerUnavailable


def run(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def chunk_files(store_url: str) -> list[Path]:
    return sorted(path for path in Path(store_url.removeprefix("file://"), "chunks").rglob("*") if path.is_file())


def test_a_second_start_finds_the_first(server: BlockServer, store_url: str) -> None:
    assert BlockServer.start(server.directory, store_url) == server
    assert BlockServer.find(server.directory) == server
    assert BlockServer.find(server.directory.parent) is None


def test_two_servers_never_share_a_socket(server: BlockServer, store_url: str) -> None:
    words = [sys.executable, "-m", "linocut.blocks.server", "--store", store_url, "--socket", str(server.socket_path)]

    second = subprocess.run(words, check=False, capture_output=True, text=True, timeout=20)

    assert second.returncode == 1
    assert "another block server" in second.stderr
    assert server.alive()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="not the URL of a region store"):
        BlockServer.start(tmp_path / "d", "nonsense")


def test_stopping_ends_it_and_removes_its_sockets(store_url: str, tmp_path: Path) -> None:
    started = BlockServer.start(tmp_path / "d", store_url)
    started.stop()
    started.stop()

    assert not started.alive()
    assert not started.socket_path.exists()
    with pytest.raises(ServerUnavailable):
        started.stat()


def test_sockets_are_closed_to_strangers(server: BlockServer) -> None:
    assert server.socket_path.stat().st_mode & 0o777 == 0o660
    assert (server.directory / "control.sock").stat().st_mode & 0o777 == 0o600


def test_clients_go_on_after_the_server_was_killed_and_started_again(
    store: RegionStore, store_url: str, image: Path, tmp_path: Path
) -> None:
    server = BlockServer.start(tmp_path / "d", store_url)
    root = store.ingest_file(image)
    lost = server.ingest(1000)
    options = f"driver=nbd,server.type=unix,server.path={server.socket_path},export=tree/{root},reconnect-delay=20"
    with subprocess.Popen(
        ["qemu-io", "-r", "--image-opts", options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write("read -v 0 4\n")
        client.stdin.flush()
        while "bytes at offset" not in client.stdout.readline():
            pass
        os.kill(server.pid, 9)
        deadline = time.monotonic() + 5
        while server.alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(ServerUnavailable):
            lost.seal()
        again = BlockServer.start(tmp_path / "d", store_url)
        try:
            out, _ = client.communicate("read -v 4 4\nquit\n", timeout=30)
            assert "boot" in out
            with pytest.raises(IngestGone):
                again.ask({"do": "seal", "token": lost.token})
        finally:
            again.stop()


def test_memory_stays_within_what_it_was_given(store: RegionStore, server: BlockServer) -> None:
    size = 160 * CHUNK_BYTES
    ingest = server.ingest(size)
    with NbdPeer(server.socket_path, ingest.export) as peer:
        for index in range(160):
            peer.write(index * CHUNK_BYTES, noise(CHUNK_BYTES // 8, index) * 8)
    root = ingest.seal()
    ingest.abort()
    assert store.tree(root).size_bytes == size
    run("nbdcopy", server.uri(f"tree/{root}"), "null:")
    resident = _resident_bytes(server.pid)
    for _ in range(3):
        run("nbdcopy", server.uri(f"tree/{root}"), "null:")

    assert _resident_bytes(server.pid) < max(resident + 16 * 2**20, 120 * 2**20)
    assert server.stat()["cached_chunks"] <= 16


def _resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def test_a_disk_cache_serves_what_the_store_lost_and_distrusts_itself(tmp_path: Path) -> None:
    store_url = f"file://{tmp_path}/store"
    store = RegionStore.open(store_url)
    content = noise(4 * CHUNK_BYTES, 20)
    ingest = store.ingest(len(content))
    ingest.write(0, content)
    export = f"tree/{ingest.seal()}"
    cache = tmp_path / "d" / "cache"
    server = BlockServer.start(tmp_path / "d", store_url, cache_bytes=64 * 2**20)
    try:
        with NbdPeer(server.socket_path, export) as peer:
            assert peer.read(0, len(content)) == content
            deadline = time.monotonic() + 5
            while len(list(cache.iterdir())) < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            for path in chunk_files(store_url):
                path.rename(path.with_suffix(".away"))
            server.clear_cache()
            assert peer.read(0, len(content)) == content
            assert server.stat()["disk_hits"] == 4
            for path in cache.iterdir():
                path.write_bytes(b"x" * CHUNK_BYTES)
            server.clear_cache()
            with pytest.raises(NbdFailure):
                peer.read(0, 1)
    finally:
        server.stop()
        store.close()
