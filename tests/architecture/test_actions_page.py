"""The page that lists the actions says what the table of the wire says, and names every official action of CVM."""

import re

from actions_page import PAGE, official_actions, page

from linocut.api.app import SERVICES


def test_the_page_of_actions_is_what_the_table_says() -> None:
    assert PAGE.read_text() == page(), "write it anew: .venv/bin/python tests/architecture/actions_page.py"


def test_every_official_action_of_the_services_is_done_or_said_not_to_be_offered() -> None:
    sections = re.split(r"^## (\w+) .*$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    said = dict(zip(sections[::2], sections[1::2], strict=True))

    assert set(said) == {service.name for service in SERVICES}
    for service in SERVICES:
        done = set(re.findall(r"^### (\w+)$", said[service.name], re.MULTILINE))
        missing = set(re.findall(r"`(\w+)`", said[service.name].partition("### Not offered")[2]))
        assert done == {action.name for action in service.actions}
        assert not done & missing
        assert set(official_actions(service)) <= done | missing
