"""HTTP load by wrk: one thread with keep-alive connections, each of which sends the next request when it has its answer.

wrk is a program of its own (Debian's package), written in C, so that it takes little of the processors that it shares with the
service, and counts times to the microsecond. Requests are signed once, before it starts: a signature is valid for 300 s.
"""

import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from linocut.cloud.accounts import NewAccount

_SHORTEST_ANSWER: Final = 0.98
_PATIENCE: Final = 10
"""So many times as long a load is given where none was answered."""
_SCRIPT: Final = """
wrk.method = "%(method)s"
wrk.body = %(body)s
%(headers)s
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{"requests": %%d, "bytes": %%d, "duration_us": %%d, "p50_us": %%d, "p99_us": %%d, "errors": %%d}\\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class HttpRequest:
    """A request that is sent again and again."""

    url: str
    headers: Mapping[str, str]
    body: str = ""

    @property
    def method(self) -> str:
        """POST with a body, GET without."""
        return "POST" if self.body else "GET"

    def send(self) -> bytes:
        """Send it once and return the answer's body."""
        request = Request(self.url, self.body.encode() or None, dict(self.headers), method=self.method)  # noqa: S310  http
        with build_opener(ProxyHandler({})).open(request, timeout=120) as answer:
            content: bytes = answer.read()
        return content


@dataclass(frozen=True)
class Load:
    """What came of a load."""

    per_second: float
    p50_ms: float
    p99_ms: float


def signed(endpoint: str, account: NewAccount, region: str, action: str, body: str) -> HttpRequest:
    """Return a request of cvm, signed now with TC3-HMAC-SHA256."""
    host = urlsplit(endpoint).netloc
    now = int(time.time())
    date = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    canonical = "\n".join(("POST", "/", "", f"content-type:application/json\nhost:{host}\n", "content-type;host", _sha256(body)))
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{date}/cvm/tc3_request\n{_sha256(canonical)}"
    key = ("TC3" + account.secret_key).encode()
    for word in (date, "cvm", "tc3_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"Credential={account.secret_id}/{date}/cvm/tc3_request"
    headers = {
        "Authorization": f"TC3-HMAC-SHA256 {credential}, SignedHeaders=content-type;host, Signature={signature}",
        "Content-Type": "application/json",
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Version": "2017-03-12",
        "X-TC-Region": region,
        "X-TC-Timestamp": str(now),
    }
    return HttpRequest(endpoint, headers, body)


def load(request: HttpRequest, clients: int, seconds: float, folder: Path) -> Load:
    """Send a request for so many seconds by so many clients at once. Ends the program where one fails."""
    script = folder / "load.lua"
    headers = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in request.headers.items())
    body = json.dumps(request.body) if request.body else "nil"
    script.write_text(_SCRIPT % {"method": request.method, "body": body, "headers": headers})
    length = len(request.send())
    words = ["wrk", "--threads", 1, "--connections", clients, "--timeout", "60s", "--script", script, request.url]
    _wrk([*words, "--duration", "1s"])
    found = _wrk([*words, "--duration", f"{seconds:.0f}s"])
    if not found["requests"]:
        found = _wrk([*words, "--duration", f"{_PATIENCE * seconds:.0f}s"])
    if found["errors"] or not found["requests"] or found["bytes"] < _SHORTEST_ANSWER * length * found["requests"]:
        raise SystemExit(f"{request.url}: not all answers are as the first one, of {length} bytes: {found}")
    return Load(found["requests"] / found["duration_us"] * 1e6, found["p50_us"] / 1000, found["p99_us"] / 1000)


def _wrk(words: list[object]) -> dict[str, int]:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"wrk failed:\n{done.stdout}{done.stderr}")
    figures: dict[str, int] = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    return figures


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
