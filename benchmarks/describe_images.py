"""DescribeImages: requests a second, and how long they take, of a page of 20 among 100, 10,000 and 1,000,000 images.

Ours is a whole service, `linocut serve`, that verifies a TC3 signature for each request, on SQLite and on PostgreSQL; what is
listed, and by whom, says image_library.py. Beside it, in the same run and with the same load (load.py):

- Glance under uWSGI with 10,000 images, `GET /v2/images?limit=20`. It lists the same images to the same callers, newest first,
  with tags, locations and properties; it checks no token, and does not tell how many images there are, which we do, exactly;
- `moto_server` with 10,000 images. It knows no pages: its natural page is all of its images, and takes seconds: so
  it is asked three times, one after the other.

The aim is 20 times the requests of Glance, and a tenth of its 99th percentile, however many images there are: so each figure of
ours, of any size, is compared with Glance's of 10,000. Glance's filter is for a whole name, ours for any part of one:
what is filtered has to be looked through, and takes
longer the more images its caller sees: `many` sees half of all.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from glance import PEERS, await_answer, caller, glance_made, glance_running, install_peers
from image_library import NEEDLE, NEEDLES, REGION, Callers, fill_glance, fill_linocut, fill_moto, seen
from load import HttpRequest, Load, load, signed
from measuring import PROJECT, seconds, table
from plain_service import plain_service

from linocut.settings import Settings

sys.path.insert(0, str(PROJECT / "tests"))

from postgres_server import running_server  # found by the line above

PEER_SIZE: Final = 10_000
PAGE: Final = 20
MOTO_REQUESTS: Final = 3
FEWEST_TIMES: Final = 20
SHORTEST: Final = 0.1
Key = tuple[str, str, int]
"""Who lists, by which filter, and how many clients at once."""


def keys(clients: list[int]) -> Iterator[Key]:
    """Yield what is measured of each contender."""
    for who in ("few", "many"):
        for what in ("all", "by name"):
            yield from ((who, what, count) for count in clients)


def ours(folder: Path, database: str, size: int, chosen: argparse.Namespace) -> dict[Key, Load]:
    """Measure a service of ours with a library of a size."""
    state = folder / "state"
    state.mkdir(parents=True)
    settings = Settings(state=state.resolve(), database=database)
    callers = fill_linocut(settings, size)
    with plain_service(settings.state, LINOCUT_DATABASE=settings.database_url) as service:
        return {
            key: _shown(size, key, _ours(service.endpoint, callers, key, size, chosen, folder)) for key in keys(chosen.clients)
        }


def _shown(size: int, key: Key, found: Load) -> Load:
    """Show that something happens: all of it takes a quarter of an hour."""
    print(f"  {size:,} images, {key}: {found.per_second:.0f}/s, {found.p50_ms:.2f} and {found.p99_ms:.2f} ms", flush=True)
    return found


def _ours(endpoint: str, callers: Callers, key: Key, size: int, chosen: argparse.Namespace, folder: Path) -> Load:
    who, what, clients = key
    filters = {"Filters": [{"Name": "image-name", "Values": [NEEDLE]}]} if what == "by name" else {}
    body = json.dumps({"Limit": PAGE, **filters})
    request = signed(endpoint, getattr(callers, who), REGION, "DescribeImages", body)
    answer = json.loads(request.send())["Response"]
    total = NEEDLES if filters else seen(size)[who]
    found = answer.get("TotalCount"), len(answer.get("ImageSet", ()))
    if found != (total, min(total, PAGE)):
        raise SystemExit(f"{who} should see {total} images of {size}: {answer}")
    return load(request, clients, chosen.seconds, folder)


def glance(folder: Path, chosen: argparse.Namespace) -> dict[Key, Load]:
    """Measure Glance."""
    with glance_made(folder) as database:
        fill_glance(database, PEER_SIZE)
    with glance_running(folder) as running:
        return {key: _shown(PEER_SIZE, key, _glance(running.url, key, chosen, folder)) for key in keys(chosen.clients)}


def _glance(url: str, key: Key, chosen: argparse.Namespace, folder: Path) -> Load:
    who, what, clients = key
    by_name = f"&name={NEEDLE}" if what == "by name" else ""
    request = HttpRequest(f"{url}/v2/images?limit={PAGE}{by_name}", caller(who))
    found = len(json.loads(request.send())["images"])
    if found != (NEEDLES if by_name else PAGE):
        raise SystemExit(f"Glance lists {found} images to {who}")
    return load(request, clients, chosen.seconds, folder)


def moto(folder: Path) -> Load:
    """Measure moto, which has one list for all: everything."""
    folder.mkdir()
    fill_moto(folder / "amis.json", PEER_SIZE)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PEERS / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, "MOTO_AMIS_PATH": str(folder / "amis.json")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await_answer(f"http://127.0.0.1:{port}/moto-api/", {}, process, folder / "log")
        credential = "Credential=AKID/20260101/us-east-1/ec2/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        request = HttpRequest(f"http://127.0.0.1:{port}/", headers, "Action=DescribeImages&Version=2016-11-15")
        if (found := request.send().count(b"<imageId>")) != PEER_SIZE:
            raise SystemExit(f"moto lists {found} images")
        taken = [seconds(request.send) for _ in range(MOTO_REQUESTS)]
        return Load(1 / statistics.median(taken), 1000 * statistics.median(taken), 1000 * max(taken))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def databases(chosen: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Give the URL of each kind of database that is asked for; empty for SQLite in the state directory.

    PostgreSQL keeps nothing safe here, which lists do not notice: they write nothing.
    """
    if "postgresql" not in chosen.databases:
        yield dict.fromkeys(chosen.databases, "")
        return
    with running_server() as server:
        yield {kind: server.url("postgres") if kind == "postgresql" else "" for kind in chosen.databases}


def show(rows: dict[tuple[str, int], dict[Key, Load]], glances: dict[Key, Load], of_moto: Load) -> None:
    """Print a table for each caller and filter."""
    judged = ("times Glance", f"≥ {FEWEST_TIMES}", "p99 / Glance's", f"≤ {SHORTEST}")
    head = ("", "images", "clients", "requests/s", "p50 ms", "p99 ms", *judged)
    for who, what in dict.fromkeys(key[:2] for key in glances):
        listed = []
        for (name, size), measured in rows.items():
            listed += [_row(name, size, key, measured[key], glances[key]) for key in measured if key[:2] == (who, what)]
        listed += [_row("Glance, uWSGI", PEER_SIZE, key, found, None) for key, found in glances.items() if key[:2] == (who, what)]
        if what == "all":
            listed.append(_row("moto_server, all", PEER_SIZE, (who, what, 1), of_moto, None))
        table(f"a page of {PAGE} for the caller `{who}`, {what}", head, listed)


def _row(name: str, size: int, key: Key, found: Load, peer: Load | None) -> tuple[str, ...]:
    own = (name, f"{size:,}", str(key[2]), f"{found.per_second:.0f}", f"{found.p50_ms:.2f}", f"{found.p99_ms:.2f}")
    if peer is None:
        return (*own, "", "", "", "")
    times, share = found.per_second / peer.per_second, found.p99_ms / peer.p99_ms
    return (*own, f"{times:.1f}", _met(times >= FEWEST_TIMES), f"{share:.2f}", _met(share <= SHORTEST))


def _met(holds: bool) -> str:  # noqa: FBT001  # it says what is true
    return "met" if holds else "NOT met"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=5, help="how long each load takes")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    install_peers()
    rows: dict[tuple[str, int], dict[Key, Load]] = {}
    with tempfile.TemporaryDirectory(prefix="linocut-bench-") as name:
        folder = Path(name)
        glances = glance(folder / "glance", chosen)
        of_moto = moto(folder / "moto")
        for size in chosen.sizes:
            with databases(chosen) as urls:
                for kind, url in urls.items():
                    print(f"measuring {kind}, {size:,} images", flush=True)
                    rows[f"linocut, {kind}", size] = ours(folder / f"{kind}-{size}", url, size, chosen)
    show(rows, glances, of_moto)


if __name__ == "__main__":
    main()
