import datetime as dt
import hashlib
import ipaddress
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scripted_server import Exchange, serving

from linocut.formats import (
    Cancelled,
    DiskLimits,
    DiskTooLarge,
    Fetched,
    FetchFailed,
    FetchPolicy,
    FetchRefused,
    FormatError,
    NoSpace,
    fetch,
)

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
POLICY = FetchPolicy(allow=(LOOPBACK,), attempts=3, backoff_s=0.01, stall_timeout_s=0.6, timeout_s=20)
IMAGE = b"\x00\x01" + random.Random(3).randbytes(3 * 2**20)


def never() -> bool:
    return False


def get(
    url: str,
    destination: Path,
    policy: FetchPolicy = POLICY,
    *,
    limits: DiskLimits | None = None,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = never,
) -> Fetched:
    return fetch(url, destination, policy=policy, limits=limits or DiskLimits(), progress=progress, cancelled=cancelled)


def failure(url: str, destination: Path, policy: FetchPolicy = POLICY, limits: DiskLimits | None = None) -> FormatError:
    """Return the error of a fetch, having seen that it left nothing behind."""
    with pytest.raises(FormatError) as caught:
        get(url, destination, policy, limits=limits)
    assert list(destination.parent.iterdir()) == []
    assert caught.value.reason.endswith(".")
    return caught.value


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder / "disk.img"


def send_image(exchange: Exchange) -> None:
    exchange.send_file(IMAGE)


def test_a_file_arrives_with_its_size_and_digest(destination: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(send_image) as server:
        fetched = get(server.url(), destination, progress=lambda done, total: seen.append((done, total)))

    assert fetched == Fetched(len(IMAGE), hashlib.sha256(IMAGE).hexdigest())
    assert destination.read_bytes() == IMAGE
    assert list(destination.parent.iterdir()) == [destination]
    assert seen[-1] == (len(IMAGE), len(IMAGE))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_zeros_take_no_room_on_disk(destination: Path) -> None:
    hollow = IMAGE[: 2**20] + bytes(20 * 2**20) + IMAGE[: 2**20] + bytes(3 * 2**20 + 3)
    with serving(lambda exchange: exchange.send_file(hollow)) as server:
        fetched = get(server.url(), destination)

    assert destination.read_bytes() == hollow
    assert fetched == Fetched(len(hollow), hashlib.sha256(hollow).hexdigest())
    assert destination.stat().st_blocks * 512 < 6 * 2**20


def test_a_file_in_chunks_of_unknown_total_arrives(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.handler.protocol_version = "HTTP/1.1"
        exchange.start(200, Transfer_Encoding="chunked", Connection="close")
        exchange.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(IMAGE), IMAGE))
        exchange.handler.close_connection = True

    with serving(answer) as server:
        assert get(server.url(), destination).size_bytes == len(IMAGE)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/disk.img",
        "gopher://127.0.0.1/",
        "//example.org/disk.img",
        "disk.img",
        "http://",
        "http:///disk.img",
        "http://host:port/",
        "http://[::1/",
        "http://exa mple.org/",
        "",
    ],
)
def test_only_whole_http_and_https_urls_are_fetched(url: str, destination: Path) -> None:
    assert isinstance(failure(url, destination), FetchRefused)


DISGUISES = [
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "1.2.3.4.5",
    "0x",
    "127.0.0.1.",
    "127.0.0.256",
]


@pytest.mark.parametrize("host", DISGUISES)
def test_an_address_in_disguise_is_refused_even_where_the_network_is_allowed(host: str, destination: Path) -> None:
    with serving(send_image) as server:
        assert isinstance(failure(server.url(host=host), destination), FetchRefused)
        assert server.requests == []


INNER_ADDRESSES = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2600:1:2:3:0:5efe:127.0.0.1",
]


@pytest.mark.parametrize("address", INNER_ADDRESSES)
def test_an_inner_address_is_refused_whether_written_or_resolved(address: str, destination: Path) -> None:
    host = f"[{address}]" if ":" in address else address
    strict = FetchPolicy(attempts=1, connect_timeout_s=0.2)
    resolving = replace(strict, resolve=lambda _host, _port: [address])

    assert isinstance(failure(f"http://{host}/disk.img", destination, strict), FetchRefused)
    assert isinstance(failure("http://images.example/disk.img", destination, resolving), FetchRefused)


def test_an_address_with_a_zone_is_refused(destination: Path) -> None:
    assert isinstance(failure("http://[fe80::1%25lo]/disk.img", destination), FetchRefused)


def test_a_mapped_address_is_judged_by_what_it_maps(destination: Path) -> None:
    with serving(send_image) as server:
        get(server.url(host="[::ffff:127.0.0.1]"), destination)

    assert destination.read_bytes() == IMAGE


PUBLIC_ADDRESSES = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_may_be_asked(address: str, destination: Path) -> None:
    policy = FetchPolicy(resolve=lambda _host, _port: [address], attempts=1)

    error = failure("http://images.example/disk.img", destination, policy)

    assert "a test tried to connect to" in error.detail


def test_of_a_hosts_addresses_only_allowed_ones_are_asked(destination: Path) -> None:
    policy = replace(POLICY, resolve=lambda _host, _port: ["::1", "10.0.0.1", "127.0.0.1"])
    with serving(send_image) as server:
        get(server.url(host="images.example"), destination, policy)

    assert server.requests[0]["host"] == f"images.example:{server.port}"


def test_a_host_is_resolved_once_for_a_connection(destination: Path) -> None:
    asked: list[str] = []

    def rebind(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with serving(send_image) as server:
        get(server.url(host="images.example"), destination, replace(POLICY, resolve=rebind))

    assert asked == ["images.example"]


def test_a_host_that_is_not_known_is_a_failure(destination: Path) -> None:
    no_host = "a" * 64 + ".example"  # a label that no resolver needs to be asked about

    assert isinstance(failure(f"http://{no_host}/disk.img", destination), FetchFailed)


def test_a_redirect_is_followed(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/disk.img":
            exchange.start(302, Location="/elsewhere/disk.img")
        else:
            exchange.send_file(IMAGE)

    with serving(answer) as server:
        get(server.url(), destination)

    assert [request["path"] for request in server.requests] == ["/disk.img", "/elsewhere/disk.img"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "//192.168.0.1/disk.img",
        "file:///etc/passwd",
        "http://host:port/",
    ],
)
def test_a_redirect_to_where_we_may_not_go_is_refused(location: str, destination: Path) -> None:
    with serving(lambda exchange: exchange.start(302, Location=location)) as server:
        assert isinstance(failure(server.url(), destination), FetchRefused)


def test_redirects_in_a_circle_end(destination: Path) -> None:
    with serving(lambda exchange: exchange.start(302, Location=exchange.path)) as server:
        assert isinstance(failure(server.url(), destination), FetchFailed)

    assert len(server.requests) == POLICY.redirects + 1


def test_credentials_are_sent_and_never_told(destination: Path) -> None:
    with serving(lambda exchange: exchange.start(404 if exchange.path == "/gone?sig=hidden" else 503)) as server:
        gone = failure(server.url("/gone?sig=hidden", host="user:pa%40ss@127.0.0.1"), destination)
        busy = failure(server.url("/busy?sig=hidden", host="user:pa%40ss@127.0.0.1"), destination)
    invalid = failure("http://user:pa@ss@127.0.0.1:hidden/", destination)

    assert server.requests[0]["authorization"] == "Basic dXNlcjpwYUBzcw=="
    for error in (gone, busy, invalid):
        for told in (error.reason, error.detail, repr(error)):
            assert not any(secret in told for secret in ("pa%40ss", "pa@ss", "hidden", "user"))


def test_credentials_do_not_follow_a_redirect_to_another_host(destination: Path) -> None:
    policy = replace(POLICY, resolve=lambda _host, _port: ["127.0.0.1"])

    def answer(exchange: Exchange) -> None:
        if exchange.path == "/disk.img":
            exchange.start(302, Location=f"http://other.example:{exchange.handler.server.server_address[1]}/b")
        else:
            exchange.send_file(IMAGE)

    with serving(answer) as server:
        get(server.url(host="user:secret@images.example"), destination, policy)

    assert "authorization" in server.requests[0]
    assert "authorization" not in server.requests[1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_refusal_of_the_server_is_final(status: int, destination: Path) -> None:
    with serving(lambda exchange: exchange.start(status)) as server:
        error = failure(server.url(), destination)

    assert isinstance(error, FetchFailed)
    assert str(status) in error.reason
    assert len(server.requests) == 1


def test_a_server_that_is_overloaded_is_asked_again(destination: Path) -> None:
    with serving(lambda exchange: exchange.start(503) if exchange.number == 1 else send_image(exchange)) as server:
        get(server.url(), destination)

    assert destination.read_bytes() == IMAGE


def test_a_server_that_refuses_connections_is_a_failure(destination: Path) -> None:
    with serving(send_image) as server:
        pass

    assert isinstance(failure(server.url(), destination), FetchFailed)


def test_a_broken_connection_goes_on_where_it_ended(destination: Path) -> None:
    with serving(lambda exchange: exchange.send_file(IMAGE, upto=2**20 * exchange.number)) as server:
        fetched = get(server.url(), destination, replace(POLICY, attempts=5))

    assert fetched.digest == hashlib.sha256(IMAGE).hexdigest()
    assert destination.read_bytes() == IMAGE
    ranges = [int(request.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")) for request in server.requests]
    assert ranges == [0, 2**20, 2 * 2**20, 3 * 2**20]


def test_a_server_that_always_ends_early_is_a_failure(destination: Path) -> None:
    with serving(lambda exchange: exchange.send_file(IMAGE, upto=2**20)) as server:
        assert isinstance(failure(server.url(), destination), FetchFailed)

    assert len(server.requests) == POLICY.attempts


def test_a_file_that_changed_in_between_starts_again(destination: Path) -> None:
    old = bytes(len(IMAGE))

    def answer(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.send_file(old, etag='"old"', upto=2**20)
        else:
            exchange.send_file(IMAGE, etag='"new"')

    with serving(answer) as server:
        get(server.url(), destination)

    assert destination.read_bytes() == IMAGE


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_resumed(etag: str | None, destination: Path) -> None:
    with serving(lambda exchange: exchange.send_file(IMAGE, etag=etag, upto=2**20 if exchange.number == 1 else None)) as server:
        get(server.url(), destination)

    assert destination.read_bytes() == IMAGE
    assert all("range" not in request for request in server.requests)


def test_a_range_that_was_not_asked_for_is_not_believed(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        span = f"bytes 5-{len(IMAGE) - 1}/{len(IMAGE)}"
        exchange.start(206, Content_Length=len(IMAGE) - 5, Content_Range=span, ETag='"one"')
        exchange.send(IMAGE[5:])

    with serving(answer) as server:
        assert isinstance(failure(server.url(), destination), FetchFailed)


def test_another_range_than_the_one_asked_for_starts_again(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.send_file(IMAGE, upto=2**20)
        elif exchange.number == 2:
            rest = len(IMAGE) - 2**20
            exchange.start(206, Content_Length=rest, Content_Range=f"bytes 5-{rest + 4}/{len(IMAGE)}", ETag='"one"')
            exchange.send(IMAGE[5 : rest + 5])
        else:
            exchange.send_file(IMAGE)

    with serving(answer) as server:
        get(server.url(), destination)

    assert destination.read_bytes() == IMAGE


def test_a_slow_server_above_the_slowest_rate_is_waited_for(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(200, Content_Length=2**16)
        for start in range(0, 2**16, 2**12):
            exchange.send(IMAGE[start : start + 2**12])
            exchange.over.wait(0.05)

    with serving(answer) as server:
        fetched = get(server.url(), destination, replace(POLICY, stall_timeout_s=0.3, attempts=1))

    assert fetched.size_bytes == 2**16


class ServiceStopsError(Exception):
    pass


def interrupted_fetch(url: str, destination: Path) -> None:
    """Fetch until two mebibytes are there, then die as the service does when it goes down."""

    def stop(done: int, _total: int | None) -> None:
        if done >= 2**21:
            raise ServiceStopsError

    with pytest.raises(ServiceStopsError):
        get(url, destination, progress=stop)


def test_a_later_call_goes_on_where_a_dead_process_ended(destination: Path) -> None:
    with serving(send_image) as server:
        interrupted_fetch(server.url(), destination)
        fetched = get(server.url(), destination)

    assert int(server.requests[1]["range"].removeprefix("bytes=").rstrip("-")) >= 2**21
    assert fetched == Fetched(len(IMAGE), hashlib.sha256(IMAGE).hexdigest())
    assert destination.read_bytes() == IMAGE
    assert list(destination.parent.iterdir()) == [destination]


def test_a_later_call_for_another_url_starts_anew(destination: Path) -> None:
    with serving(lambda exchange: exchange.send_file(IMAGE if exchange.path == "/disk.img" else IMAGE[::-1])) as server:
        interrupted_fetch(server.url(), destination)
        get(server.url("/other.img"), destination)

    assert destination.read_bytes() == IMAGE[::-1]
    assert "range" not in server.requests[1]


@pytest.mark.parametrize("sidecar", [b"", b"{", b"[]", b'{"version": 9}', b"\xff\xfe"])
def test_a_damaged_sidecar_only_costs_the_beginning(sidecar: bytes, destination: Path) -> None:
    with serving(send_image) as server:
        interrupted_fetch(server.url(), destination)
        Path(f"{destination}.part.json").write_bytes(sidecar)
        get(server.url(), destination)

    assert destination.read_bytes() == IMAGE


def test_a_part_that_was_complete_is_only_confirmed(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.header("Range") == f"bytes={len(IMAGE)}-":
            exchange.start(416, Content_Range=f"bytes */{len(IMAGE)}", Content_Length=0)
        else:
            exchange.send_file(IMAGE)

    def stop(done: int, _total: int | None) -> None:
        if done == len(IMAGE):
            raise ServiceStopsError

    with serving(answer) as server:
        with pytest.raises(ServiceStopsError):
            get(server.url(), destination, progress=stop)
        assert get(server.url(), destination).digest == hashlib.sha256(IMAGE).hexdigest()

    assert destination.read_bytes() == IMAGE


def test_a_file_that_announces_too_much_is_refused_before_it_comes(destination: Path) -> None:
    with serving(send_image) as server:
        error = failure(server.url(), destination, limits=DiskLimits(file_size_bytes=len(IMAGE) - 1))

    assert isinstance(error, DiskTooLarge)


def send_without_end(exchange: Exchange) -> None:
    exchange.start(200, Content_Type="application/octet-stream")
    while not exchange.over.is_set():
        exchange.send(bytes(2**16))


def test_a_server_that_never_ends_is_cut_off_at_the_limit(destination: Path) -> None:
    with serving(send_without_end) as server:
        error = failure(server.url(), destination, limits=DiskLimits(file_size_bytes=5 * 2**20))

    assert isinstance(error, DiskTooLarge)


def test_the_whole_fetch_has_a_deadline(destination: Path) -> None:
    started = time.monotonic()
    with serving(send_without_end) as server:
        error = failure(server.url(), destination, replace(POLICY, timeout_s=0.5))

    assert isinstance(error, FetchFailed)
    assert time.monotonic() - started < 5


def trickle_body(exchange: Exchange) -> None:
    exchange.start(200, Content_Length=2**20)
    while not exchange.over.wait(0.05):
        exchange.send(b"\0")


def trickle_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not exchange.over.wait(0.05):
        exchange.send(b"x")


def say_nothing(exchange: Exchange) -> None:
    exchange.over.wait(10)


def stop_in_the_middle(exchange: Exchange) -> None:
    exchange.start(200, Content_Length=len(IMAGE))
    exchange.send(IMAGE[: 2**20])
    exchange.over.wait(10)


@pytest.mark.parametrize("answer", [trickle_body, trickle_headers, say_nothing, stop_in_the_middle])
def test_a_server_that_trickles_or_stalls_is_given_up(answer: Callable[[Exchange], None], destination: Path) -> None:
    policy = replace(POLICY, stall_timeout_s=0.3, attempts=2, timeout_s=10)
    started = time.monotonic()
    with serving(answer) as server:
        assert isinstance(failure(server.url(), destination, policy), FetchFailed)

    assert time.monotonic() - started < 5
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [say_nothing, stop_in_the_middle, trickle_headers, send_without_end])
def test_a_cancelled_fetch_ends_soon_whatever_the_server_does(answer: Callable[[Exchange], None], destination: Path) -> None:
    asked = threading.Event()

    def note_and_answer(exchange: Exchange) -> None:
        asked.set()
        answer(exchange)

    policy = replace(POLICY, stall_timeout_s=60)
    with serving(note_and_answer) as server, pytest.raises(Cancelled):
        get(server.url(), destination, policy, cancelled=asked.is_set)
    assert list(destination.parent.iterdir()) == []


PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/html; charset=utf-8", PAGE),
        ("application/octet-stream", PAGE),
        ("TEXT/HTML", b"Please sign in to go on."),
        ("text/plain", "Bitte anmelden, natürlich.".encode()),
        ("application/json", b'{"error": "expired"}'),
        ("application/xml", b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'),
    ],
)
def test_a_page_instead_of_a_disk_is_named_as_such(content_type: str, content: bytes, destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(200, Content_Type=content_type, Content_Length=len(content))
        exchange.send(content)

    with serving(answer) as server:
        error = failure(server.url(), destination)

    assert isinstance(error, FetchFailed)
    assert "page" in error.reason


def test_a_disk_that_is_labelled_as_text_is_still_a_disk(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(200, Content_Type="text/plain", Content_Length=len(IMAGE))
        exchange.send(IMAGE)

    with serving(answer) as server:
        assert get(server.url(), destination).size_bytes == len(IMAGE)


def test_an_encoding_that_was_not_asked_for_is_refused(destination: Path) -> None:
    with serving(lambda exchange: exchange.start(200, Content_Encoding="gzip")) as server:
        assert isinstance(failure(server.url(), destination), FetchFailed)

    assert server.requests[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[/\r\n\r\n",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-\xff/3\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
)
def test_a_server_that_speaks_nonsense_is_a_format_error(reply: bytes, destination: Path) -> None:
    with serving(lambda exchange: exchange.send(reply)) as server:
        failure(server.url(), destination, replace(POLICY, attempts=2))


def test_a_full_disk_is_told_and_leaves_nothing(destination: Path) -> None:
    Path(f"{destination}.part").symlink_to("/dev/full")
    with serving(send_image) as server:
        error = failure(server.url(), destination)

    assert isinstance(error, NoSpace)


def test_a_file_larger_than_what_is_free_is_refused_before_it_comes(destination: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(200, Content_Length=2**60)
        exchange.send(bytes(2**20))

    with serving(answer) as server:
        error = failure(server.url(), destination, limits=DiskLimits(file_size_bytes=2**61))

    assert isinstance(error, NoSpace)


def test_proxies_of_the_environment_are_ignored(destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(send_image) as server:
        get(server.url(), destination)

    assert os.environ["http_proxy"]
    assert destination.read_bytes() == IMAGE


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's context with a fresh certificate for a name, and a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(pem + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode("ascii"))


@pytest.fixture
def tls_server(tmp_path: Path) -> tuple[ssl.SSLContext, FetchPolicy]:
    server, client = certificate_for("images.example", tmp_path)
    return server, replace(POLICY, tls=client, attempts=1, resolve=lambda _host, _port: ["127.0.0.1"])


def test_the_name_is_verified_though_the_address_is_pinned(
    tls_server: tuple[ssl.SSLContext, FetchPolicy], destination: Path
) -> None:
    context, policy = tls_server
    with serving(send_image, tls=context) as server:
        get(server.url(scheme="https", host="images.example"), destination, policy)
        assert destination.read_bytes() == IMAGE
        destination.unlink()

        wrong_name = failure(server.url(scheme="https", host="other.example"), destination, policy)
        not_trusted = failure(server.url(scheme="https", host="images.example"), destination, replace(policy, tls=None))

    assert "certificate" in wrong_name.reason
    assert "certificate" in not_trusted.reason


def test_a_redirect_does_not_leave_tls(tls_server: tuple[ssl.SSLContext, FetchPolicy], destination: Path) -> None:
    context, policy = tls_server
    with (
        serving(send_image) as plain,
        serving(lambda exchange: exchange.start(302, Location=plain.url()), tls=context) as server,
    ):
        assert isinstance(failure(server.url(scheme="https", host="images.example"), destination, policy), FetchRefused)
        assert plain.requests == []
