import itertools
import json

import pytest
from asgi_http import Http
from signed_calls import Person, Request, code_of, headers_of

from linocut.api.calls import MAX_BODY_BYTES


def test_every_answer_has_an_id_of_its_own(person: Person) -> None:
    ids = {person.call("DescribeImages")["RequestId"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(service="cos"), "NoSuchProduct"),
        (Request(version="2016-01-01"), "NoSuchVersion"),
        (Request(action="DescribeUnicorns"), "InvalidAction"),
        (Request(action="describeimages"), "InvalidAction"),
        (Request(service="linocut", action="DescribeImages"), "InvalidAction"),
        (Request(more={"X-TC-Action": None}), "MissingParameter"),
        (Request(more={"X-TC-Version": None}), "MissingParameter"),
        (Request(region=None), "MissingParameter"),
        (Request(region="ap-atlantis"), "UnsupportedRegion"),
        (Request(region=None, action="DescribeRegions"), "OK"),
        (Request(region=None, action="DescribeKeyPairs"), "OK"),
        (Request(method="GET", payload=b""), "OK"),
        (Request(method="PUT"), "UnsupportedProtocol"),
        (Request(method="DELETE"), "UnsupportedProtocol"),
        (Request(content_type="application/x-www-form-urlencoded"), "UnknownParameter"),
        (Request(content_type="multipart/form-data; boundary=x"), "InvalidRequest"),
        (Request(content_type="application/octet-stream"), "UnsupportedProtocol"),
        (Request(content_type="application/json; charset=utf-8"), "OK"),
        (Request(body=b""), "OK"),
        (Request(body=b"["), "InvalidRequest"),
        (Request(body=b"[]"), "InvalidRequest"),
        (Request(body=b"null"), "InvalidRequest"),
        (Request(body=b"\xff\xfe"), "InvalidRequest"),
        (Request(body=b'{"ImageIds":["\xed\xa0\x80"]}'), "InvalidRequest"),
        (Request(body=b'{"Offset":NaN}'), "InvalidRequest"),
        (Request(body=b'{"Offset":1e999}'), "InvalidRequest"),
        (Request(body=b'{"Filters":' + b"[" * 100_000), "InvalidRequest"),
        (Request(body=b'{"Filters":' + b'{"a":' * 900 + b"1" + b"}" * 901), "InvalidRequest"),
    ],
)
def test_a_request_that_asks_for_nothing_we_have_is_told_what_is_wrong(person: Person, request_: Request, code: str) -> None:
    assert code_of(person.send(request_)) == code


def test_a_body_beyond_the_limit_is_refused_and_one_at_the_limit_is_read(person: Person) -> None:
    largest = json.dumps({"InstanceType": "x"}).encode().ljust(MAX_BODY_BYTES)

    assert code_of(person.send(Request(body=largest))) == "InvalidInstanceType.Malformed"
    assert code_of(person.send(Request(body=largest + b" "))) == "RequestSizeLimitExceeded"


def test_a_body_without_end_is_answered_before_its_end(http: Http) -> None:
    answer = http.request("POST", "/", itertools.repeat(bytes(MAX_BODY_BYTES), 1000))

    assert code_of(answer.json()["Response"]) == "RequestSizeLimitExceeded"


def test_authentication_comes_before_everything_else(person: Person) -> None:
    headers = headers_of(Request(action="DescribeUnicorns", service="cos"), person.account)
    headers["Authorization"] = headers["Authorization"][:-1] + "x"

    assert code_of(person.send_raw("POST", b"no json", headers)) == "AuthFailure.InvalidAuthorization"


def test_the_wire_is_at_every_path_that_no_door_has(person: Person, http: Http) -> None:
    answer = http.request("POST", "/some/where", b"{}", headers_of(Request(), person.account))

    assert code_of(answer.json()["Response"]) == "OK"


def test_metrics_count_answers_by_action_and_code(person: Person, http: Http) -> None:
    person.call("DescribeRegions", {"No": "such"})
    person.call("DescribeUnicorns")

    page = http.request("GET", "/metrics").body.decode()

    assert 'linocut_api_requests_total{action="DescribeRegions",code="UnknownParameter"}' in page
    assert 'linocut_api_requests_total{action="",code="InvalidAction"}' in page
    assert "Unicorns" not in page
    assert 'linocut_api_request_seconds_count{action="DescribeRegions"}' in page


def test_health_answers(http: Http) -> None:
    assert http.request("GET", "/health").status == 200
