"""HTTP as odd clients and proxies speak it, on a socket."""

import hashlib
import json
import socket
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from official_clients import DEADLINE_S, Keys, Sdk, Service
from tencentcloud.common.sign import Sign


def exchange(service: Service, data: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """Send bytes on a connection that ends with the answer; return its status line, headers and body."""
    host, _, port = service.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, dict(line.decode().lower().split(": ", 1) for line in lines), body


def call(service: Service, keys: Keys, *, host: str, target: str = "/", body: bytes = b"{}") -> dict[str, Any]:
    """Send a signed DescribeZones with this Host header and request target; return what is in the envelope."""
    now = int(time.time())
    date = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/cvm/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = Sign.sign_tc3(keys.secret_key, date, "cvm", to_sign)
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\nX-TC-Action: DescribeZones\r\nX-TC-Version: 2017-03-12\r\nX-TC-Region: ap-guangzhou\r\n"
        f"X-TC-Timestamp: {now}\r\nAuthorization: TC3-HMAC-SHA256 Credential={keys.secret_id}/{scope}, "
        f"SignedHeaders=content-type;host, Signature={signature}\r\n\r\n"
    )
    status, headers, answer = exchange(service, head.encode() + body)
    assert status == b"HTTP/1.1 200 OK"
    assert headers["content-type"] == "application/json"
    response: dict[str, Any] = json.loads(answer)["Response"]
    return response


@pytest.mark.parametrize("host", ["{host}", "http://{host}", "cvm.tc.example", "cvm.tc.example:80"])
@pytest.mark.parametrize("target", ["/", "http://cvm.tc.example/", "/any/path"])
def test_host_header_and_request_target_may_be_what_clients_and_proxies_make_of_them(
    service: Service, operator: Sdk, host: str, target: str
) -> None:
    assert call(service, operator.keys, host=host.format(host=service.host), target=target)["ZoneSet"]


@pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"OPTIONS", b"DELETE"])
def test_any_method_gets_an_envelope(service: Service, method: bytes) -> None:
    status, headers, body = exchange(service, method + b" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert status == b"HTTP/1.1 200 OK"
    assert headers["content-type"] == "application/json"
    if method != b"HEAD":
        assert json.loads(body)["Response"]["Error"]["Code"] == "UnsupportedProtocol"
