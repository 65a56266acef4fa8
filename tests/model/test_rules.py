import base64
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linocut.model import errors, rules
from linocut.model.errors import Refusal
from linocut.model.records import Tag

RULES: list[Callable[[str], Any]] = [
    rules.image_name,
    rules.description,
    rules.image_family,
    rules.instance_name,
    rules.host_name,
    rules.key_name,
    rules.password,
    rules.user_data,
    rules.client_token,
    lambda text: rules.truth("Flag", text),
    lambda text: rules.tags([Tag(text, text)]),
]
ANY_TEXT = st.text(st.characters(codec=None), max_size=300)
HOST_CHARACTERS = string.ascii_letters + string.digits


@pytest.mark.parametrize("rule", RULES)
@given(text=ANY_TEXT)
def test_any_text_is_kept_or_refused_with_a_public_sentence(rule: Callable[[str], Any], text: str) -> None:
    refused = None
    try:
        rule(text)
    except Refusal as refusal:
        refused = str(refusal)

    assert refused is None or refused.endswith(".")


@given(ANY_TEXT)
def test_what_is_kept_can_be_stored_and_sent(text: str) -> None:
    for rule in (rules.image_name, rules.description, rules.instance_name):
        try:
            kept = rule(text)
        except Refusal:
            continue
        assert kept == text
        assert "\0" not in kept.encode().decode()


@pytest.mark.parametrize(
    ("rule", "longest", "refusal"),
    [
        (rules.image_name, 60, errors.ValueTooLong),
        (rules.description, 256, errors.ValueTooLong),
        (rules.image_family, 64, errors.ImageFamilyInvalid),
        (rules.instance_name, 128, errors.InstanceNameTooLong),
        (rules.host_name, 60, errors.HostNameInvalid),
        (rules.key_name, 25, errors.KeyNameTooLong),
        (rules.client_token, 64, errors.ClientTokenTooLong),
    ],
)
def test_a_name_has_its_longest_length_and_not_one_more(rule: Callable[[str], str], longest: int, refusal: type[Refusal]) -> None:
    assert rule("a" * longest) == "a" * longest
    with pytest.raises(refusal):
        rule("a" * (longest + 1))


def test_lengths_count_characters_not_bytes() -> None:
    assert rules.image_name("镜" * 60)
    with pytest.raises(errors.ValueTooLong):
        rules.image_name("镜" * 61)


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_an_image_has_a_name(text: str) -> None:
    with pytest.raises(errors.InvalidValue):
        rules.image_name(text)


@given(st.text(HOST_CHARACTERS + "-.", max_size=62))
def test_a_host_name_is_what_the_manual_says(text: str) -> None:
    parts = text.split(".")
    edges = any(not part or part.startswith("-") or part.endswith("-") or "--" in part for part in parts)
    if (2 <= len(text) <= 60 and not edges) or not text:
        assert rules.host_name(text) == text
    else:
        with pytest.raises(errors.HostNameInvalid):
            rules.host_name(text)


@pytest.mark.parametrize("text", ["ab\n", "a_b", "-ab", "ab-", "a..b", "köln"])
def test_a_host_name_that_would_break_a_guest_is_refused(text: str) -> None:
    with pytest.raises(errors.HostNameInvalid):
        rules.host_name(text)


@pytest.mark.parametrize(
    ("text", "refusal"), [("", errors.KeyNameEmpty), ("a b", errors.KeyNameIllegal), ("a\n", errors.KeyNameIllegal)]
)
def test_a_key_pair_s_name_is_plain(text: str, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        rules.key_name(text)


@pytest.mark.parametrize("text", ["Passw0rd", "abcdefg1", "aaaaaaaA", "Aa1!" * 7 + "Aa"])
def test_a_password_of_two_kinds_is_taken(text: str) -> None:
    assert rules.password(text) == text


@pytest.mark.parametrize(
    "text",
    ["abcdefgh", "12345678", "Short1!", "/Passw0rd", "Passw0rd\n", "Passw0rd ", "Pässw0rd", "Aa1!" * 7 + "Aa1"],
    ids=["one kind", "digits", "short", "slash", "line break", "space", "not ASCII", "long"],
)
def test_a_weak_or_unusable_password_is_refused(text: str) -> None:
    with pytest.raises(errors.PasswordInvalid):
        rules.password(text)


@given(st.binary(max_size=200))
def test_user_data_reaches_the_guest_byte_for_byte(data: bytes) -> None:
    assert rules.user_data(base64.b64encode(data).decode()) == data


def test_user_data_has_16_kib_and_not_one_byte_more() -> None:
    rules.user_data(base64.b64encode(bytes(16 * 1024)).decode())
    with pytest.raises(errors.UserDataInvalid):
        rules.user_data(base64.b64encode(bytes(16 * 1024 + 1)).decode())


@pytest.mark.parametrize("text", ["not base64!", "YQ", "YQ==\n", "ÿ"])
def test_user_data_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(errors.UserDataInvalid):
        rules.user_data(text)


@pytest.mark.parametrize(("text", "means"), [("TRUE", True), ("true", True), ("False", False), ("FALSE", False)])
def test_truth_is_told_in_any_case(text: str, *, means: bool) -> None:
    assert rules.truth("ForcePoweroff", text) is means


def test_a_truth_that_is_none_names_its_parameter() -> None:
    with pytest.raises(errors.InvalidValue, match="ForcePoweroff"):
        rules.truth("ForcePoweroff", "yes")


def test_a_tag_key_is_given_once() -> None:
    with pytest.raises(errors.TagsDuplicate):
        rules.tags([Tag("team", "a"), Tag("team", "b")])


@pytest.mark.parametrize("tag", [Tag("", "a"), Tag("k" * 128, "a"), Tag("k", "v" * 128), Tag("k\0", "v")])
def test_a_tag_outside_its_bounds_is_refused(tag: Tag) -> None:
    with pytest.raises(errors.TagInvalid):
        rules.tags([tag])


def test_a_resource_takes_fifty_tags() -> None:
    fifty = tuple(Tag(f"key-{number}", "") for number in range(50))
    assert rules.tags(fifty) == fifty
    with pytest.raises(errors.TagInvalid):
        rules.tags([*fifty, Tag("one-more", "")])


@pytest.mark.parametrize(
    ("pattern", "count", "names"),
    [
        ("web", 1, ("web",)),
        ("web", 3, ("web1", "web2", "web3")),
        ("web{R:3}", 2, ("web3", "web4")),
        ("web{R:3}", 1, ("web3",)),
        ("{R:9}-{R:0}", 2, ("9-0", "10-1")),
        ("web{R:8,F:3}", 3, ("web008", "web009", "web010")),
        ("web{R:}", 1, ("web{R:}",)),
    ],
)
def test_names_of_many_instances_count_up(pattern: str, count: int, names: tuple[str, ...]) -> None:
    assert rules.numbered(pattern, count) == names


@given(st.text(string.ascii_lowercase, min_size=1, max_size=5), st.integers(0, 10**9 - 1), st.integers(1, 100))
def test_numbered_names_differ(name: str, first: int, count: int) -> None:
    names = rules.numbered(f"{name}{{R:{first}}}", count)

    assert names[0] == f"{name}{first}"
    assert len(set(names)) == count
