"""A service without guests, for benchmarks whose peers are processes of ours as well: it ends alone, and they stay."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linocut.cloud.accounts import NewAccount
from linocut.model.ids import AppId, SecretId, Uin

_START_S: Final = 60.0
_END_S: Final = 60.0


@dataclass(frozen=True)
class PlainService:
    """A running service."""

    endpoint: str
    operator: NewAccount


@contextmanager
def plain_service(state: Path, **settings: str) -> Iterator[PlainService]:
    """Run `linocut serve` on a state directory while the block runs; settings are those of its environment."""
    program = [str(Path(sys.executable).parent / "linocut"), "serve", "--state", str(state), "--listen", "127.0.0.1:0"]
    log = state.parent / "service.log"
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            program, env={**os.environ, **settings}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file
        )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START_S)
        line = process.stdout.readline().decode().strip() if ready else ""
        if not line.startswith("listening on "):
            raise SystemExit(f"`linocut serve` did not start:\n{log.read_text()[-3000:]}")
        found = json.loads((state / "credentials.json").read_text())
        operator = NewAccount(Uin(found["Uin"]), AppId(found["AppId"]), SecretId(found["SecretId"]), found["SecretKey"])
        yield PlainService(line.removeprefix("listening on "), operator)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
