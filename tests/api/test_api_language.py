"""Errors in the caller's language, from the first check of a request to the last."""

import re

import pytest
from asgi_http import Http
from sdk_requests import FORMS, Form, written
from signed_calls import Person

from linocut.api.chinese import Chinese
from linocut.api.failures import Failure

HAN = re.compile(r"[\u4e00-\u9fff]")


def _message(said: dict[str, object]) -> str:
    error = said["Error"]
    assert isinstance(error, dict)
    return str(error["Message"])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_error_is_in_the_language_that_was_asked_for(person: Person, http: Http, form: Form) -> None:
    def message(language: str) -> str:
        asked = {"ImageIds": ["img-00000000"]}
        return _message(written(form.with_(language=language), person.account, "DeleteImages", asked).send(http))

    assert message("zh-CN") == "镜像 img-00000000 不存在。"
    assert message("en-US") == "There is no image img-00000000."


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_so_is_an_error_before_anybody_knows_who_asks(person: Person, http: Http, form: Form) -> None:
    def message(language: str) -> str:
        request = written(form.with_(language=language, sent_host="elsewhere"), person.account, "DescribeImages", {})
        return _message(request.send(http))

    assert message("zh-CN") == "签名与请求或密钥不符。"
    assert message("en-US") == "The signature is not that of this request and key."


@pytest.mark.parametrize(
    ("language", "chinese"), [(None, True), ("zh-CN", True), ("en-US", False), ("EN-us", False), ("fr", True)]
)
def test_chinese_is_spoken_where_nothing_else_is_asked_for(person: Person, language: str | None, *, chinese: bool) -> None:
    said = _message(person.call("DescribeImages", {"Limit": "x"}, language=language))

    assert bool(HAN.search(said)) is chinese
    assert "`Limit`" in said
    assert ("实际为" in said) is chinese


def test_what_the_decoder_says_is_translated_whole(person: Person) -> None:
    values: tuple[object, ...] = ("x", 2**70, True, [], {}, 1.5)
    for value in values:
        message = _message(person.call("DescribeImages", {"Limit": value}, language="zh-CN"))
        assert "expected" not in message, message


def test_a_request_without_anything_is_answered_in_chinese(http: Http) -> None:
    answer = http.request("GET", "/").json()["Response"]

    assert answer["Error"]["Message"].startswith("请求既没有 Authorization 头")


def test_a_sentence_that_is_not_in_the_catalogue_becomes_the_general_one_of_its_code() -> None:
    catalogue = Chinese({"There is no {} {}.": "没有{1}{0}。", "cat": "猫"}, {"A": "甲。", "*": "其他。"})

    def said(code: str, sentence: str) -> str:
        failure = catalogue.failure(Failure(code, sentence))
        assert failure.code == code
        return str(failure)

    assert said("A.B", "There is no cat {0}.") == "没有{0}猫。"
    assert said("A.B", "There is a cat.") == "甲。"
    assert said("C", "There is a cat.") == "其他。"
    assert said("A", "There is no " * 500 + "end of it.") == "甲。"


def test_a_value_that_looks_like_sentences_costs_no_time(person: Person) -> None:
    hostile = " takes There is no is ".join("x" * 60)

    message = _message(person.call("ModifyImageAttribute", {"ImageId": hostile, "ImageName": "x"}, language="zh-CN"))

    assert HAN.search(message)
