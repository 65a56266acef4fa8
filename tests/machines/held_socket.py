"""A Unix socket before another, by which a test decides when a server hears what its clients say."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self


class HeldSocket:
    """Passes on what clients say up to so many bytes, and the rest only when told; what the server says always."""

    def __init__(self, path: Path, upstream: Path, *, pass_bytes: int) -> None:
        self.path = path
        self.is_holding = threading.Event()
        self._upstream = upstream
        self._left_bytes = pass_bytes
        self._released = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o666)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def release(self) -> None:
        """Pass on everything from now on."""
        self._released.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self._upstream))
                except OSError:
                    client.close()
                    server.close()
                    continue
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """Pass both ways until one of them leaves, and then hang up as the end of a process does: nothing is left to be read."""
        with client, server:
            answers = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            answers.start()
            self._pass(client, server, is_held=True)
            answers.join()

    def _pass(self, speaker: socket.socket, listener: socket.socket, *, is_held: bool = False) -> None:
        with suppress(OSError):
            while said := speaker.recv(1 << 16):
                if is_held:
                    self._left_bytes -= len(said)
                    if self._left_bytes < 0 and not self._released.is_set():
                        self.is_holding.set()
                        self._released.wait()
                listener.sendall(said)
        for one in (speaker, listener):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
