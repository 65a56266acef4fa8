"""Import over HTTP: ImportImage of a qcow2 from a server on loopback, from the request until the image is NORMAL, against Glance.

What is compared is how soon a file that a client has is an image that machines start from:

- ours fetches the file, proves its format safe, writes its content as verified chunks, compressed anew and deduplicated, and has
  them durable on the disk. Each run imports into a region of its own, where nothing of it is known yet;
- Glance's upload: the image is created and the same file is sent with `PUT …/file`; Glance hashes it (MD5 and SHA-512), looks
  at its format, and keeps it as it came. Nothing is converted, deduplicated, or made durable before it answers.

The aim is a third of what Glance's upload takes.
"""

import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import measuring
from bed import until, verdict
from glance import Glance, caller, glance_made, glance_running
from load import HttpRequest, signed
from measuring import MIB, fresh, seconds
from plain_service import PlainService, plain_service
from stage import served  # where bed has found it

from linocut.model.places import REGIONS

LIMIT: Final = 1 / 3
_POLL_S: Final = 0.02
_HEADERS: Final = {**caller("bench"), "Content-Type": "application/json"}


def ours(service: PlainService, url: str, regions: Iterator[str]) -> float:
    """Import through the service, into a region that is new to it."""
    region = next(regions)

    def call(action: str, **parameters: object) -> dict[str, Any]:
        request = signed(service.endpoint, service.operator, region, action, json.dumps(parameters))
        answer: dict[str, Any] = json.loads(request.send())["Response"]
        if "Error" in answer:
            raise SystemExit(f"{action}: {answer['Error']}")
        return answer

    def imported() -> None:
        order = {"OsType": "Debian", "OsVersion": "12", "Architecture": "x86_64", "ImageName": "bench", "ImageUrl": url}
        image_id = call("ImportImage", **order)["ImageId"]

        def is_normal() -> bool | None:
            state = call("DescribeImages", ImageIds=[image_id])["ImageSet"][0]["ImageState"]
            if state.endswith("FAILED"):
                raise SystemExit(f"the import ended {state}")
            return state == "NORMAL" or None

        until("the import", is_normal, poll_s=_POLL_S)

    return seconds(imported)


def glance_upload(glance: Glance, disk: Path) -> float:
    """Create an image in Glance and send its file."""

    def uploaded() -> None:
        image_id = _created(glance)
        connection = http.client.HTTPConnection(urlsplit(glance.url).netloc)
        headers = {**caller("bench"), "Content-Type": "application/octet-stream", "Content-Length": str(disk.stat().st_size)}
        with disk.open("rb") as content:
            connection.request("PUT", f"/v2/images/{image_id}/file", body=content, headers=headers)
            answer = connection.getresponse()
        if answer.status != http.HTTPStatus.NO_CONTENT:
            raise SystemExit(f"Glance refused the file: {answer.status} {answer.read()!r}")
        if _status(glance, image_id) != "active":
            raise SystemExit("the image is not active")

    return seconds(uploaded)


def _created(glance: Glance) -> str:
    image = {"name": "bench", "disk_format": "qcow2", "container_format": "bare"}
    return str(json.loads(HttpRequest(f"{glance.url}/v2/images", _HEADERS, json.dumps(image)).send())["id"])


def _status(glance: Glance, image_id: str) -> str:
    return str(json.loads(HttpRequest(f"{glance.url}/v2/images/{image_id}", _HEADERS).send())["status"])


def main() -> None:
    chosen = measuring.arguments(__doc__, runs=5)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    with measuring.workplace(chosen) as work:
        _, disk = measuring.images(chosen, work)
        size_mib = disk.stat().st_size / MIB
        with glance_made(work / "glance"), glance_running(work / "glance") as glance, served(disk) as url:
            regions = iter(REGIONS)
            with plain_service(fresh(work, "service") / "state", LINOCUT_FETCH_ALLOW="127.0.0.0/8") as service:
                contenders = {
                    "linocut, ImportImage": partial(ours, service, url, regions),
                    "Glance, create and upload": partial(glance_upload, glance, disk),
                }
                ours(service, url, regions)  # the first one starts programs that later ones find running
                taken = measuring.medians(contenders, chosen.runs)
    mine = taken["linocut, ImportImage"]
    rows = [
        [
            name,
            f"{time_s:.2f}",
            f"{size_mib / time_s:.0f}",
            f"{mine / time_s:.2f}",
            verdict(mine / time_s, LIMIT) if index else "",
        ]
        for index, (name, time_s) in enumerate(taken.items())
    ]
    title = f"a qcow2 of {size_mib:.0f} MiB over loopback HTTP, {chosen.runs} runs; {os.cpu_count()} CPUs"
    measuring.table(title, ["", "seconds, median", "MiB of the file/s", "linocut's times this", "at most 1/3"], rows)


if __name__ == "__main__":
    main()
