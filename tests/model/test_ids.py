import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linocut.model.ids import is_id, is_root_digest, new_id

PREFIXES = ["img", "snap", "disk", "ins", "skey"]


@given(st.sampled_from(PREFIXES), st.integers())
def test_a_new_id_has_the_shape_of_its_kind_and_of_no_other(prefix: str, seed: int) -> None:
    made = new_id(prefix, random.Random(seed))

    assert [each for each in PREFIXES if is_id(each, made)] == [prefix]


@pytest.mark.parametrize(
    "text", ["", "img", "img-", "img-1234567", "img-123456789", "IMG-12345678", "img-1234567A", "img-12345678\n", "img-../../a"]
)
def test_what_is_no_id_is_told(text: str) -> None:
    assert not is_id("img", text)


def test_ids_do_not_repeat() -> None:
    dice = random.Random(1)
    assert len({new_id("img", dice) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(("text", "is_one"), [("0" * 64, True), ("0" * 63, False), ("A" * 64, False), ("0" * 64 + "\n", False)])
def test_a_root_digest_is_64_hexadecimal_digits(text: str, *, is_one: bool) -> None:
    assert is_root_digest(text) is is_one
