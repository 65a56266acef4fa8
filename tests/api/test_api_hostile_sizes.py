"""However long a list or a text of a request is, its answer comes soon, and says what its action may say.

The actions and their parameters come from the table, so that a new one is tried without being named here.
"""

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from belongings import ZONE, one_of_each
from signed_calls import Person, Request, code_of
from wire_values import EVERY_ACTION, bare, fields_of, item_of

from linocut.api import chinese
from linocut.api.chinese import catalogue
from linocut.api.envelope import Shape
from linocut.api.failures import COMMON_CODES, Failure
from linocut.api.parameters import read_parameters
from linocut.api.table import Action, Service
from linocut.cloud.context import Cloud

CATALOGUE = tomllib.loads(Path(chinese.__file__).with_suffix(".toml").read_text())
SOON_S = 2.0
"""Of the processor, for one request: many times what is needed, and a fraction of what a loop within a loop takes."""
ITEMS = 10_000
TEXTS = ("x" * 1_000_000, "1,:/" * 10_000)
FILTERS = (
    *("image-name", "instance-name", "disk-name", "snapshot-name", "key-name", "vpc-name", "subnet-name", "security-group-name"),
    *(
        "tag:k",
        "tag-key",
        "zone",
        "ip-address",
        "description",
        "image-id",
        "cidr-block",
        "creation-start-time",
        "action",
        "state",
    ),
)

Known = Mapping[str, Any]


def _known(cloud: Cloud, person: Person) -> Known:
    """Return values that get a request past its first checks, by the names of their parameters."""
    ids = asdict(one_of_each(cloud, person))
    named = {
        "ImageId": "image_id",
        "InstanceId": "instance_id",
        "KeyId": "key_id",
        "VpcId": "vpc_id",
        "SubnetId": "subnet_id",
        "SecurityGroupId": "group_id",
        "DiskId": "disk_id",
        "SnapshotId": "snapshot_id",
    }
    return {name: ids[field] for name, field in named.items()} | {
        "Zone": ZONE,
        "Protocol": "TCP",
        "Action": "ACCEPT",
        "CidrBlock": "10.0.0.1",
        "Key": "k",
        "Permission": "SHARE",
        "Ingress": [],
        "Resource": f"qcs::cvm:ap-guangzhou:uin/{person.account.uin}:image/{ids['image_id']}",
    }


def _sensible(kind: Any, name: str, known: Known, number: int = 0) -> Any:
    """Return a value that may pass; those of different numbers differ where they can."""
    if isinstance(kind, type) and issubclass(kind, Shape):
        ids = {"ImageId", "InstanceId", "KeyId", "DiskId", "SnapshotId", "VpcId", "SubnetId", "SecurityGroupId"}
        return {
            field: _sensible(inner, field, known, number)
            for field, (inner, needed) in fields_of(kind).items()
            if needed or (field in known and field not in ids)
        } | ({"Port": str(number + 1)} if "Port" in fields_of(kind) else {})
    if item_of(kind) is not None:
        return [_sensible(item_of(kind), name.removesuffix("s"), known)]
    if kind is str and number:
        return f"{str(known.get(name, 'x')).partition('-')[0]}-{number:08d}" if name != "CidrBlock" else known[name]
    return known.get(name, {str: "x", bool: True, int: 1, float: 1.0}[kind])


def _hostile(kind: Any, name: str, known: Known) -> Iterator[Any]:
    """Yield values of a type, each with one list or text in it that is far too long."""
    if isinstance(kind, type) and issubclass(kind, Shape):
        for field, (inner, _) in fields_of(kind).items():
            for value in _hostile(inner, field, known):
                yield _sensible(kind, name, known) | {field: value}
    elif (item := item_of(kind)) is not None:
        yield [_sensible(item, name.removesuffix("s"), known, number) for number in range(ITEMS)]
        for value in _hostile(item, name, known):
            yield [value]
    elif kind is str:
        yield from TEXTS


@pytest.mark.parametrize("entry", EVERY_ACTION, ids=lambda entry: entry[1].name)
def test_a_request_of_any_size_is_answered_soon_and_as_documented(
    cloud: Cloud, person: Person, entry: tuple[Service, Action[Any]]
) -> None:
    service, action = entry
    for parameters in _hostile(bare(action.request), "", _known(cloud, person)):
        request = Request(action=action.name, service=service.name, body=json.dumps(parameters).encode())
        began = time.process_time()

        code = code_of(person.send(request))

        took = time.process_time() - began
        longest = max(parameters, key=lambda name: len(json.dumps(parameters[name])))
        assert code in {"OK"} | action.codes.every() | COMMON_CODES, longest
        assert code != "InternalError", longest
        assert took < SOON_S, (longest, code)


@pytest.mark.parametrize(
    "entry", [entry for entry in EVERY_ACTION if "Filters" in fields_of(entry[1].request)], ids=lambda entry: entry[1].name
)
def test_a_filter_of_any_length_is_answered_as_documented(person: Person, entry: tuple[Service, Action[Any]]) -> None:
    service, action = entry
    for name in FILTERS:
        for text in (TEXTS[0], "a" * 20_000, "%_" * 500):
            filters = {"Filters": [{"Name": name, "Values": [text]}]}
            code = person.code(action.name, filters, service=service.name)

            assert code in {"OK"} | action.codes.every() | COMMON_CODES, name


def test_a_long_name_is_not_copied_for_each_of_the_names_inside_it() -> None:
    began = time.process_time()

    with pytest.raises(Failure, match="not known") as refused:
        read_parameters(Shape, {}, {"x" * 1_000_000: {str(number): 1 for number in range(100_000)}})

    assert time.process_time() - began < SOON_S
    assert len(str(refused.value)) < 400


def test_what_is_nearly_a_sentence_many_times_over_is_translated_soon() -> None:
    spoken = catalogue()
    sentences = [sentence.split("{}") for sentence in CATALOGUE["sentences"]]
    began = time.process_time()

    for first, *inner, last in (parts for parts in sentences if len(parts) > 2):
        each = 1800 // len(inner)
        values = "".join(text * (each // max(1, len(text))) for text in inner)
        spoken.failure(Failure("InvalidParameter", first + values + last[:-1]))

    assert time.process_time() - began < SOON_S
