"""As much of S3 as a region store uses, in memory, over real HTTP on loopback. It checks no signature."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Objects(dict[str, tuple[bytes, float]]):
    """What a server holds, by key; and what happens right before it answers a read."""

    before_get: Callable[[], object] | None = None
    refused = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    objects: Objects
    uploads: dict[str, dict[int, bytes]]

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).split("/", 2)[2]

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_PUT(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "uploadId" in query:
            self.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = self._body()
            self._answer(200, ETag='"part"')
            return
        self.objects[self._key()] = (self._body(), time())
        self._answer(200, ETag='"x"')

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._list(query.get("prefix", [""])[0])
            return
        if self.path.startswith("/forbidden/"):
            self.objects.refused += 1
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        found = self.objects.get(self._key())
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        if self.objects.before_get is not None and self.command == "GET":
            self.objects.before_get()
        data, changed = found
        headers = {"ETag": f'"{md5(data).hexdigest()}"', "Last_Modified": formatdate(changed, usegmt=True)}  # noqa: S324
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, data, **headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if first >= len(data):
            self._answer(416)
            return
        self._answer(206, data[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}", **headers)

    def _list(self, prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>x</ETag>"
            f"<LastModified>{_iso(changed)}</LastModified></Contents>"
            for key, (data, changed) in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        self._answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode())

    def do_POST(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "uploads" in query:
            upload = f"upload-{len(self.uploads)}"
            self.uploads[upload] = {}
            self._answer(
                200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode()
            )
            return
        if "uploadId" in query:
            self._body()
            parts = self.uploads.pop(query["uploadId"][0])
            self.objects[self._key()] = (b"".join(parts[number] for number in sorted(parts)), time())
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
            return
        keys = re.findall(r"<Key>(.*?)</Key>", self._body().decode())
        for key in keys:
            self.objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def do_DELETE(self) -> None:
        upload = parse_qs(urlsplit(self.path).query).get("uploadId", [""])[0]
        if upload:
            self.uploads.pop(upload, None)
            self._answer(204)
            return
        self.objects.pop(self._key(), None)
        self._answer(204)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@contextmanager
def small_s3() -> Iterator[tuple[str, Objects]]:
    """Serve; yield the endpoint's URL and the objects it holds by key."""
    objects = Objects()
    handler = type("Handler", (_Handler,), {"objects": objects, "uploads": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", objects
        finally:
            server.shutdown()
            thread.join()
