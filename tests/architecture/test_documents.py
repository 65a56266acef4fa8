"""What the documents name exists, and what they list is complete."""

import dataclasses
import re
from pathlib import Path

from linocut.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PROMISES = (ROOT / "docs" / "promises.md").read_text()


def test_every_test_that_a_promise_names_exists() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    written = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}

    assert set(re.findall(r"`(test_\w+)`", PROMISES)) - written == set()


def test_every_benchmark_is_promised_and_the_other_way_round() -> None:
    programs = {file.name for file in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in file.read_text()}

    assert set(re.findall(r"`benchmarks/(\w+\.py)`", PROMISES)) == programs


def test_a_promise_is_held_or_pending() -> None:
    rows = [line for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith("| promise")]

    assert rows
    for row in rows:
        held = row.split("|")[2]
        assert "`" in held or held.strip().startswith("pending"), row


def test_the_manual_lists_every_setting() -> None:
    manual = (ROOT / "docs" / "architecture.md").read_text().split("## Settings")[1].split("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", manual, re.MULTILINE) == [
        field.name for field in dataclasses.fields(Settings) if field.name != "state"
    ]


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"
