"""A small service that answers like the real one, for tests of what the command line sends and prints."""

import hashlib
import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Parameters = dict[str, Any]
Answer = Callable[[Parameters], dict[str, Any]]

SECRET_ID = "AKIDtest"
SECRET_KEY = "test-key"


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Call:
    service: str
    action: str
    region: str
    secret_id: str
    parameters: Parameters


@dataclass
class Upload:
    size: int
    sha256: str
    content: bytearray = field(default_factory=bytearray)
    break_at: int | None = None


def image(image_id: str, name: str, image_type: str = "PRIVATE_IMAGE", state: str = "NORMAL") -> dict[str, Any]:
    return {
        "ImageId": image_id,
        "ImageName": name,
        "ImageType": image_type,
        "ImageState": state,
        "OsName": "Debian 12",
        "ImageSize": 2,
        "CreatedTime": "2026-11-23T00:00:00Z",
        "SyncPercent": 100,
        "ImageFamily": name,
        "ImageDeprecated": False,
    }


def instance(instance_id: str, state: str = "RUNNING") -> dict[str, Any]:
    return {
        "InstanceId": instance_id,
        "InstanceName": "web",
        "InstanceState": state,
        "PrivateIpAddresses": ["127.0.31.7"],
        "InstanceType": "S5.SMALL1",
        "ImageId": "img-00000001",
        "OsName": "Debian 12",
        "CreatedTime": "2026-11-23T00:00:00Z",
    }


class FakeWire:
    """Keeps every call, and answers from images, instances and a log that a test fills; an action may be overridden."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.images: list[dict[str, Any]] = []
        self.instances: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []
        self.console = b""
        self.upload: Upload | None = None
        self.break_upload_at: int | None = None
        self.lost_from_upload = False
        self.download = b""
        self.break_download_at: int | None = None
        self.answers: dict[str, Answer] = {
            "DescribeImages": self._describe_images,
            "DescribeImageFromFamily": lambda _: {"Image": None},
            "DescribeInstances": self._describe_instances,
            "DescribeKeyPairs": lambda _: {"KeyPairSet": self.keys, "TotalCount": len(self.keys)},
            "DescribeZones": lambda _: {
                "ZoneSet": [
                    {"Zone": "ap-guangzhou-1", "ZoneState": "UNAVAILABLE"},
                    {"Zone": "ap-guangzhou-3", "ZoneState": "AVAILABLE"},
                ]
            },
            "DescribeInstanceConsole": self._describe_console,
            "CreateUpload": self._create_upload,
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"wire": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def last(self, action: str) -> Parameters:
        return next(call.parameters for call in reversed(self.calls) if call.action == action)

    def count(self, action: str) -> int:
        return sum(call.action == action for call in self.calls)

    def answer(self, call: Call) -> dict[str, Any]:
        self.calls.append(call)
        if call.action not in self.answers:
            raise Refused("InvalidAction", f"no {call.action}")
        return self.answers[call.action](call.parameters)

    def _describe_images(self, parameters: Parameters) -> dict[str, Any]:
        found = [held for held in self.images if held["ImageId"] in parameters.get("ImageIds", [held["ImageId"]])]
        for wanted in parameters.get("Filters", []):
            field = {"image-name": "ImageName", "image-type": "ImageType"}[wanted["Name"]]
            found = [held for held in found if wanted["Values"][0] in held[field]]
        first = parameters.get("Offset", 0)
        return {"ImageSet": found[first : first + parameters.get("Limit", 20)], "TotalCount": len(found)}

    def _describe_instances(self, parameters: Parameters) -> dict[str, Any]:
        wanted = parameters.get("InstanceIds")
        found = [held for held in self.instances if wanted is None or held["InstanceId"] in wanted]
        for condition in parameters.get("Filters", []):
            assert condition["Name"] == "instance-state"
            found = [held for held in found if held["InstanceState"] in condition["Values"]]
        first = parameters.get("Offset", 0)
        return {"InstanceSet": found[first : first + parameters.get("Limit", 20)], "TotalCount": len(found)}

    def _describe_console(self, parameters: Parameters) -> dict[str, Any]:
        piece = self.console[parameters["Offset"] :][: min(parameters["Limit"], 100)]
        return {
            "Output": b64encode(piece).decode(),
            "NextOffset": parameters["Offset"] + len(piece),
            "Size": len(self.console),
        }

    def _create_upload(self, parameters: Parameters) -> dict[str, Any]:
        self.upload = Upload(parameters["SizeBytes"], parameters["Sha256"], break_at=self.break_upload_at)
        return {"UploadId": "upl-1", "Url": "/uploads/upl-1?token=t", "ImageUrl": "upload://upl-1"}


class _Handler(BaseHTTPRequestHandler):
    wire: FakeWire
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        credential = re.search(r"Credential=([^/]+)/[^/]+/([^/]+)/tc3_request", self.headers["Authorization"])
        assert credential is not None
        call = Call(
            service=f"{credential[2]} {self.headers['X-TC-Version']}",
            action=self.headers["X-TC-Action"],
            region=self.headers["X-TC-Region"],
            secret_id=credential[1],
            parameters=json.loads(body),
        )
        try:
            response = self.wire.answer(call)
        except Refused as refused:
            response = {"Error": {"Code": refused.code, "Message": str(refused)}}
        self._reply(200, json.dumps({"Response": response | {"RequestId": "req-1"}}).encode(), {})

    def do_PUT(self) -> None:
        upload = self.wire.upload
        assert upload is not None
        assert self.path == "/uploads/upl-1?token=t"
        start, end, total = (int(part) for part in re.findall(r"\d+", self.headers["Content-Range"]))
        assert (total, end) == (upload.size, upload.size - 1)
        length = int(self.headers["Content-Length"])
        if self.wire.lost_from_upload:  # as if the last bytes were still on their way when HEAD was answered
            self.wire.lost_from_upload = False
            self.rfile.read(length)
            self._reply(409, b"", {"Upload-Offset": str(len(upload.content))})
            return
        assert start == len(upload.content)
        if upload.break_at is not None:
            length, upload.break_at = upload.break_at - start, None
            upload.content += self.rfile.read(length)
            self.connection.close()
            self.close_connection = True
            return
        upload.content += self.rfile.read(length)
        whole = hashlib.sha256(upload.content).hexdigest() == upload.sha256
        self._reply(200 if whole else 422, b"", {"Upload-Offset": str(len(upload.content))})

    def do_GET(self) -> None:
        assert self.path == "/bucket/link"
        content = self.wire.download
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])  # type: ignore[index]  # it is asked for so
        rest, self.wire.break_download_at = content[start : self.wire.break_download_at], None
        self.send_response(206)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(rest)
        self.close_connection = True

    def do_HEAD(self) -> None:
        if self.path == "/bucket/link":
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.wire.download)))
            self.end_headers()
            return
        assert self.wire.upload is not None
        self._reply(200, b"", {"Upload-Offset": str(len(self.wire.upload.content))})

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
