"""The official command line, unchanged, pointed at the service by its endpoint."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from official_clients import REGION, Keys, Service

Tccli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tccli(service: Service, keys: Keys, tmp_path: Path) -> Tccli:
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TENCENTCLOUD_SECRET_ID": keys.secret_id,
        "TENCENTCLOUD_SECRET_KEY": keys.secret_key,
        "TENCENTCLOUD_REGION": REGION,
    }
    program = str(Path(sys.executable).parent / "tccli")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments, "--endpoint", service.endpoint], env=environment, capture_output=True, text=True, check=False
        )

    return run


def _answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_tccli_lists_images_and_makes_keys(tccli: Tccli) -> None:
    filters = json.dumps([{"Name": "image-name", "Values": ["nothing of that name"]}])
    assert _answer(tccli("cvm", "DescribeImages", "--Filters", filters))["ImageSet"] == []
    made = _answer(tccli("cvm", "CreateKeyPair", "--KeyName", "mine", "--ProjectId", "0"))
    assert made["KeyPair"]["PrivateKey"].startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_tccli_shows_an_error_with_code_and_request_id(tccli: Tccli) -> None:
    done = tccli("cvm", "DeleteImages", "--ImageIds", '["img-00000000"]')

    assert done.returncode != 0
    assert "InvalidImageId.NotFound" in done.stdout + done.stderr
    assert "requestId" in done.stdout + done.stderr


def test_tccli_asks_who_it_is_and_tags_a_key(tccli: Tccli, keys: Keys) -> None:
    assert _answer(tccli("sts", "GetCallerIdentity"))["AccountId"] == keys.uin
    key_id = _answer(tccli("cvm", "CreateKeyPair", "--KeyName", "tagged", "--ProjectId", "0"))["KeyPair"]["KeyId"]
    resource = f"qcs::cvm:{REGION}:uin/:keypair/{key_id}"

    _answer(tccli("tag", "ModifyResourceTags", "--Resource", resource, "--ReplaceTags", '[{"TagKey":"k","TagValue":"v"}]'))

    listed = _answer(tccli("cvm", "DescribeKeyPairs", "--KeyIds", json.dumps([key_id])))["KeyPairSet"]
    assert listed[0]["Tags"] == [{"Key": "k", "Value": "v"}]
