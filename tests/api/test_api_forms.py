"""Every form of a request, written and signed by the official SDK."""

import time
from urllib.parse import urlencode

import pytest
from asgi_http import Http
from belongings import an_import
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sdk_requests import FORMS, Form, Written, written
from signed_calls import Person, Request, code_of, headers_of
from tencentcloud.common.sign import Sign

from linocut.api.failures import COMMON_CODES, Failure
from linocut.api.multipart import read_multipart

FLAT = [form for form in FORMS.values() if form.method == "GET" or form.sign != "TC3-HMAC-SHA256"]
OLD = [form for form in FORMS.values() if form.sign != "TC3-HMAC-SHA256"]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_request_says_the_same_in_every_form(person: Person, http: Http, form: Form) -> None:
    order = an_import(
        ImageDescription="a/b?c=d&e%20 ~*+ é 像",
        TagSpecification=[{"ResourceType": "image", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "空", "Value": ""}]}],
    )
    image_id = written(form, person.account, "ImportImage", order).send(http)["ImageId"]

    [image] = person.call("DescribeImages", {"ImageIds": [image_id]})["ImageSet"]
    assert image["ImageDescription"] == order["ImageDescription"]
    assert image["Tags"] == order["TagSpecification"][0]["Tags"]
    listed: dict[str, object] = {"Filters": [{"Name": "image-type", "Values": ["PRIVATE_IMAGE", "SHARED_IMAGE"]}]}
    if not form.multipart:
        listed |= {"Limit": 1, "Offset": 0}
    assert written(form, person.account, "DescribeImages", listed).send(http)["TotalCount"] == 1


@pytest.mark.parametrize("form", FLAT)
@pytest.mark.parametrize("flag", [True, False, "true", "FALSE", "1", "0"])
def test_a_flag_may_be_spelled_as_any_client_does(person: Person, http: Http, form: Form, flag: object) -> None:
    asked = {"ImageIds": ["img-00000000"], "DryRun": flag}

    assert code_of(written(form, person.account, "DeleteImages", asked).send(http)) == "InvalidImageId.NotFound"
    wrong = written(form, person.account, "DeleteImages", asked | {"DryRun": "maybe"}).send(http)
    assert code_of(wrong) == "InvalidParameter"
    assert "`DryRun`" in wrong["Error"]["Message"]


@pytest.mark.parametrize("form", FLAT)
@pytest.mark.parametrize("number", ["x", "1.5", "", "0x1", "9" * 30])
def test_a_text_that_is_no_number_is_refused_by_the_parameters_name(person: Person, http: Http, form: Form, number: str) -> None:
    said = written(form, person.account, "DescribeImages", {"Limit": number}).send(http)

    assert code_of(said) == "InvalidParameter"
    assert "`Limit`" in said["Error"]["Message"]


@pytest.mark.parametrize("form", FLAT)
def test_an_unsupported_parameter_may_be_given_where_it_asks_for_nothing(person: Person, http: Http, form: Form) -> None:
    def code(**more: object) -> str:
        role = f"qcs::cam::uin/{person.account.uin}:roleName/build"
        asked = {"RoleArn": role, "RoleSessionName": "ci"} | more
        return code_of(written(form, person.account, "AssumeRole", asked, service="sts").send(http))

    assert code(Policy="") == "OK"
    assert code(Policy="{}") == "UnsupportedOperation"
    assert code(DurationSeconds=900) == "OK"


@pytest.mark.parametrize("form", OLD)
def test_the_service_of_an_old_request_is_found_by_its_version_and_action(person: Person, http: Http, form: Form) -> None:
    def code(action: str, service: str, endpoint: str) -> str:
        return code_of(written(form.with_(endpoint=endpoint), person.account, action, {}, service=service).send(http))

    for endpoint in ("127.0.0.1:8774", "cvm.tc.example", "sts.tc.example:99"):
        assert code("DescribeImages", "cvm", endpoint) == "OK"
        assert code("GetCallerIdentity", "sts", endpoint) == "OK"
        assert code("DescribeUnicorns", "cvm", endpoint) in {"InvalidAction", "NoSuchVersion"}


@pytest.mark.parametrize("form", OLD)
@pytest.mark.parametrize(
    ("endpoint", "sent"),
    [
        ("cvm.tc.example", None),
        ("CVM.Tc.example:8080", None),
        ("http://127.0.0.1:8774", None),
        ("http://127.0.0.1:8774", "127.0.0.1:8774"),
        ("https://cvm.tc.example", "cvm.tc.example"),
        ("cvm.tc.example:80", "cvm.tc.example"),
    ],
)
def test_an_old_signature_covers_the_host_that_the_client_was_pointed_at(
    person: Person, http: Http, form: Form, endpoint: str, sent: str | None
) -> None:
    pointed = form.with_(endpoint=endpoint, sent_host=sent)

    assert code_of(written(pointed, person.account, "DescribeImages", {}).send(http)) == "OK"
    elsewhere = pointed.with_(sent_host="elsewhere")
    assert code_of(written(elsewhere, person.account, "DescribeImages", {}).send(http)) == "AuthFailure.SignatureFailure"


def _old(person: Person, http: Http, *, drop: str = "", **changes: str) -> str:
    pairs = {
        "Action": "DescribeImages",
        "Version": "2017-03-12",
        "Region": "ap-guangzhou",
        "Timestamp": str(int(time.time())),
        "Nonce": "7",
        "SecretId": person.account.secret_id,
    } | changes
    pairs.pop(drop, None)
    source = "GETx/?" + "&".join(f"{name}={pairs[name]}" for name in sorted(pairs))
    pairs["Signature"] = Sign.sign(person.account.secret_key, source, "HmacSHA1")
    return code_of(Written("GET", "/?" + urlencode(pairs), {"Host": "x"}, b"").send(http))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "OK"),
        ({"drop": "Action"}, "MissingParameter"),
        ({"drop": "Version"}, "MissingParameter"),
        ({"drop": "Region"}, "MissingParameter"),
        ({"drop": "Timestamp"}, "MissingParameter"),
        ({"drop": "Nonce"}, "MissingParameter"),
        ({"drop": "SecretId"}, "MissingParameter"),
        ({"Timestamp": "soon"}, "InvalidParameter"),
        ({"Timestamp": "1000000000"}, "AuthFailure.SignatureExpire"),
        ({"SecretId": "AKIDx"}, "AuthFailure.SecretIdNotFound"),
        ({"SignatureMethod": "HmacSHA1"}, "OK"),
        ({"SignatureMethod": "HmacSHA256"}, "AuthFailure.SignatureFailure"),
        ({"SignatureMethod": "MD5"}, "AuthFailure.SignatureFailure"),
        ({"Token": "t"}, "AuthFailure.TokenFailure"),
        ({"Version": "2001-01-01"}, "NoSuchVersion"),
        ({"Action": "DescribeUnicorns"}, "InvalidAction"),
        ({"Region": "ap-atlantis"}, "UnsupportedRegion"),
        ({"Unicorn": "1"}, "UnknownParameter"),
        ({"ImageIds_0": "img-00000000"}, "UnknownParameter"),
    ],
)
def test_the_common_parameters_of_an_old_request_are_checked(
    person: Person, http: Http, changes: dict[str, str], code: str
) -> None:
    assert _old(person, http, **changes) == code


def test_a_signature_that_was_not_percent_encoded_is_understood(person: Person, http: Http) -> None:
    for nonce in range(40):
        request = written(Form(method="GET", sign="HmacSHA1"), person.account, "DescribeZones", {"Nonce": nonce})
        if "%2B" in request.target:
            break
    plain = Written("GET", request.target.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="), request.headers, b"")

    assert code_of(plain.send(http)) == "OK"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_changed_after_signing_is_refused_in_every_form(person: Person, http: Http, form: Form) -> None:
    request = written(form, person.account, "DescribeImages", {"ImageIds": ["img-00000001"]})
    changed = Written(
        request.method,
        request.target.replace("img-00000001", "img-00000002"),
        request.headers,
        request.body.replace(b"img-00000001", b"img-00000002"),
    )

    assert code_of(request.send(http)) == "OK"
    covered = not form.unsigned or form.method == "GET"
    assert code_of(changed.send(http)) == ("AuthFailure.SignatureFailure" if covered else "OK")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_has_a_limit_of_its_own(person: Person, http: Http, form: Form) -> None:
    most = 32 << 10 if form.method == "GET" else 10 << 20 if form.sign.startswith("TC3") else 1 << 20

    def code(size: int) -> str:
        return code_of(written(form, person.account, "DescribeImages", {"InstanceType": "x" * size}).send(http))

    assert code(most - 2000) == "InvalidInstanceType.Malformed"
    assert code(most) == "RequestSizeLimitExceeded"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_language_is_asked_for_in_every_form(person: Person, http: Http, form: Form) -> None:
    def named(language: str) -> object:
        asked = written(form.with_(language=language), person.account, "DescribeRegions", {}).send(http)
        return next(one["RegionName"] for one in asked["RegionSet"] if one["Region"] == "ap-guangzhou")

    assert named("zh-CN") != named("en-US")


def test_a_posted_form_may_be_signed_with_tc3(person: Person) -> None:
    def code(body: bytes) -> str:
        return code_of(person.send(Request(content_type="application/x-www-form-urlencoded", body=body)))

    assert code(b"Limit=1") == "OK"
    assert code(b"Limit=x") == "InvalidParameter"


_NAMED = b'--b\r\nContent-Disposition: form-data; name="Limit"\r\n'


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("multipart/form-data", b"x", "InvalidRequest"),
        ("multipart/form-data; boundary=b", b"x", "InvalidRequest"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n", "InvalidRequest"),
        ("multipart/form-data; boundary=b", _NAMED + b"\r\n5\r\n", "InvalidRequest"),
        ("multipart/form-data; boundary=b", _NAMED + b"\r\n5\r\n--b--", "OK"),
        ("multipart/form-data; boundary=b", _NAMED + b"\r\n\xff\r\n--b--", "InvalidRequest"),
        ("multipart/form-data; boundary=b", (_NAMED + b"\r\n5\r\n") * 2 + b"--b--", "InvalidParameter"),
        ("multipart/form-data; boundary=b", _NAMED + b"Content-Type: application/json\r\n\r\n5\r\n--b--", "OK"),
        ("multipart/form-data; boundary=b", _NAMED + b"Content-Type: application/json\r\n\r\n[\r\n--b--", "InvalidRequest"),
        (
            'Multipart/Form-Data; charset=x; boundary="b"',
            _NAMED.replace(b"C", b"c", 1) + b"\r\n5\r\n--b--\r\n",
            "OK",
        ),
        ("multipart/form-data; boundary=b", b"", "OK"),
        ("multipart/form-data; boundary=b", b"--b--", "OK"),
        ("multipart/form-data; boundary=b", b"\r\n--b" * 5000, "InvalidRequest"),
        ("multipart/form-data; boundary=b; boundary=c", b"--b--", "InvalidRequest"),
        ("multipart/form-data; boundary=" + "b" * 71, b"--b--", "InvalidRequest"),
        ("multipart/form-data; boundary=b", _NAMED.replace(b";", b";\n") + b"\r\n5\r\n--b--", "InvalidRequest"),
        (
            "multipart/form-data; boundary=b",
            _NAMED.replace(b";", b"; x=" + b"y" * 9000 + b";") + b"\r\n5\r\n--b--",
            "InvalidRequest",
        ),
        ("application/octet-stream", b"", "UnsupportedProtocol"),
        ("text/plain", b"{}", "UnsupportedProtocol"),
    ],
)
def test_a_multipart_body_is_read_strictly(person: Person, content_type: str, body: bytes, code: str) -> None:
    assert code_of(person.send(Request(content_type=content_type, body=body))) == code


_NAMES = b';name="a";' * 150_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data;" + _NAMES + b"\nx\r\n\r\n5\r\n--b--\r\n"),
        ("multipart/form-data;" + ";boundary=a;" * 5000 + "\nx", b"--b--"),
    ],
    ids=["a part's head", "the boundary"],
)
def test_a_multipart_head_is_read_in_no_more_than_a_moment_whatever_it_repeats(content_type: str, body: bytes) -> None:
    began = time.process_time()

    with pytest.raises(Failure, match=r"multipart|boundary"):
        read_multipart(content_type, body)

    assert time.process_time() - began < 0.5


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=80) | st.text('AIl.019=&%[]"{}:,xé', max_size=60).map(str.encode),
    content_type=st.sampled_from(
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "multipart/form-data; boundary="]
    ),
)
def test_whatever_is_signed_gets_a_documented_answer(person: Person, body: bytes, content_type: str) -> None:
    said = person.send(Request(content_type=content_type, body=body))

    assert code_of(said) in COMMON_CODES | {"OK"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text("AIl.019=&%+xSecretIdnatuNoce", max_size=60), signed=st.booleans())
def test_any_query_gets_a_documented_answer(person: Person, http: Http, query: str, *, signed: bool) -> None:
    headers = headers_of(Request(method="GET", payload=b""), person.account) if signed else {}

    answer = http.request("GET", f"/?{query}", b"", headers).json()["Response"]

    assert code_of(answer) in COMMON_CODES | {"OK"}
