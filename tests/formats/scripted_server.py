"""A small HTTP server on loopback whose every answer a test decides."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

Answer = Callable[["Exchange"], None]
_RANGE: Final = "bytes="


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    handler: BaseHTTPRequestHandler
    number: int
    over: threading.Event

    @property
    def path(self) -> str:
        return self.handler.path

    def header(self, name: str) -> str | None:
        return self.handler.headers.get(name)

    def start(self, status: int, **headers: str | int) -> None:
        """Send status and headers; underscores in names stand for dashes."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), str(value))
        self.handler.end_headers()

    def send(self, content: bytes) -> None:
        self.handler.wfile.write(content)

    def send_file(self, content: bytes, *, etag: str | None = '"one"', upto: int | None = None) -> None:
        """Serve a file as a good server does, with ranges; `upto` breaks the connection after so many bytes of the file."""
        start = 0
        validators = {} if etag is None else {"ETag": etag}
        wanted = self.header("Range")
        if wanted and etag is not None and self.header("If-Range") in {None, etag}:
            start = int(wanted.removeprefix(_RANGE).rstrip("-"))
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.start(206, Content_Length=len(content) - start, Content_Range=span, **validators)
        else:
            self.start(200, Content_Length=len(content), Content_Type="application/octet-stream", **validators)
        self.send(content[start:upto])


@dataclass
class ScriptedServer:
    """Where the server is, and what it was asked."""

    port: int
    requests: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "/disk.img", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Serve until the block ends; answers that wait for `over` end with it."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            with suppress(OSError):  # the client may go when it likes
                answer(Exchange(self, len(served.requests), over))

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def get_request(self) -> tuple[socket.socket, object]:
            connection, address = super().get_request()
            return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        served = ScriptedServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            over.set()
            server.shutdown()
            thread.join()
