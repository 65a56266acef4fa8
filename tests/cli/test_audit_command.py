from pathlib import Path
from typing import Any

from cli_program import Linocut
from fake_wire import FakeWire

ENTRY = {
    "Time": "2026-11-23T07:00:00Z",
    "Uin": "100000000001",
    "SecretId": "AKIDx",
    "Source": "127.0.0.1",
    "Region": "ap-guangzhou",
    "Service": "cvm",
    "Action": "DeleteImages",
    "Resources": ["img-00000001", "img-00000002"],
    "Outcome": "ok",
    "CalledRequestId": "r",
}


def test_the_audit_log_is_asked_for_what_was_named_and_shown_in_columns(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    asked: list[dict[str, Any]] = []

    def answer(parameters: dict[str, Any]) -> dict[str, Any]:
        asked.append(parameters)
        return {"TotalCount": 1, "AuditEntrySet": [ENTRY]}

    wire.answers["DescribeAuditEntries"] = answer
    options = ("--account", "100000000001", "--action", "DeleteImages", "--resource", "img-00000001", "--since", "2026-01-01")

    shown = linocut("audit", "list", *options, "--state", state).stdout.splitlines()

    assert asked == [
        {
            "Uin": "100000000001",
            "Actions": ["DeleteImages"],
            "Resources": ["img-00000001"],
            "Since": "2026-01-01",
            "Limit": 20,
            "Offset": 0,
        }
    ]
    assert shown[0].split() == ["TIME", "UIN", "SOURCE", "REGION", "ACTION", "OUTCOME", "RESOURCES"]
    assert shown[1].split()[-4:] == ["DeleteImages", "ok", "img-00000001", "img-00000002"]


def test_programs_get_the_audit_log_as_json(wire: FakeWire, linocut: Linocut, state: Path) -> None:
    wire.answers["DescribeAuditEntries"] = lambda _: {"TotalCount": 1, "AuditEntrySet": [ENTRY]}

    assert '"CalledRequestId": "r"' in linocut("audit", "list", "--json", "--state", state).stdout
