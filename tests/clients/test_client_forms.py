"""The official SDK in each of its signature methods and request methods, over real HTTP."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from official_clients import DEADLINE_S, REGION, Keys, Service
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import models as cvm
from tencentcloud.cvm.v20170312.cvm_client import CvmClient
from tencentcloud.sts.v20180813 import models as sts
from tencentcloud.sts.v20180813.sts_client import StsClient
from tencentcloud.tag.v20180813 import models as tag
from tencentcloud.tag.v20180813.tag_client import TagClient

METHODS = ["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"]


def profile(
    service: Service, sign: str = METHODS[0], method: str = "POST", *, unsigned: bool = False, endpoint: str | None = None
) -> ClientProfile:
    http = HttpProfile(protocol="http", endpoint=endpoint or service.host, reqMethod=method, reqTimeout=20)
    made = ClientProfile(signMethod=sign, httpProfile=http, language="en-US")
    made.unsignedPayload = unsigned
    return made


def request(model: Any, **fields: Any) -> Any:
    made = model()
    made._deserialize(fields)
    return made


@pytest.mark.parametrize("sign", METHODS)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_every_signature_and_request_method_works(
    service: Service, keys: Keys, sign: str, method: str, *, unsigned: bool, scheme: str
) -> None:
    told = profile(service, sign, method, unsigned=unsigned, endpoint=f"{scheme}{service.host}")
    credential = Credential(keys.secret_id, keys.secret_key)
    client = CvmClient(credential, REGION, told)

    made = client.CreateKeyPair(request(cvm.CreateKeyPairRequest, KeyName=f"k{sign[-1]}{method}{unsigned:d}", ProjectId=0))
    found = client.DescribeKeyPairs(
        request(cvm.DescribeKeyPairsRequest, KeyIds=[made.KeyPair.KeyId, "skey-00000000"], Limit=5, Offset=0)
    )
    assert [pair.KeyId for pair in found.KeyPairSet] == [made.KeyPair.KeyId]
    with pytest.raises(TencentCloudSDKException) as caught:
        client.DeleteImages(request(cvm.DeleteImagesRequest, ImageIds=["img-00000000"], DryRun=True))
    assert caught.value.code == "InvalidImageId.NotFound"
    assert StsClient(credential, REGION, told).GetCallerIdentity(sts.GetCallerIdentityRequest()).AccountId == keys.uin


@pytest.mark.parametrize("sign", METHODS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_temporary_credentials_work_in_every_form(service: Service, keys: Keys, sign: str, method: str) -> None:
    lasting = StsClient(Credential(keys.secret_id, keys.secret_key), REGION, profile(service, sign, method))
    role = f"qcs::cam::uin/{keys.uin}:roleName/build"
    made = lasting.AssumeRole(request(sts.AssumeRoleRequest, RoleArn=role, RoleSessionName="packer", DurationSeconds=7200))
    given = made.Credentials

    temporary = Credential(given.TmpSecretId, given.TmpSecretKey, given.Token)
    told = profile(service, sign, method)
    assert StsClient(temporary, REGION, told).GetCallerIdentity(sts.GetCallerIdentityRequest()).Type == "CAMRole"
    assert CvmClient(temporary, REGION, told).DescribeKeyPairs(cvm.DescribeKeyPairsRequest()).TotalCount == 0
    without = CvmClient(Credential(given.TmpSecretId, given.TmpSecretKey), REGION, told)
    with pytest.raises(TencentCloudSDKException) as caught:
        without.DescribeImages(cvm.DescribeImagesRequest())
    assert caught.value.code == "AuthFailure.TokenFailure"


def test_terraform_tags_a_key_pair_and_reads_its_tags_back(service: Service, keys: Keys) -> None:
    credential, told = Credential(keys.secret_id, keys.secret_key), profile(service)
    key = (
        CvmClient(credential, REGION, told)
        .CreateKeyPair(request(cvm.CreateKeyPairRequest, KeyName="tagged", ProjectId=0))
        .KeyPair
    )
    client = TagClient(credential, REGION, told)

    client.ModifyResourceTags(
        request(
            tag.ModifyResourceTagsRequest,
            Resource=f"qcs::cvm:{REGION}:uin/:keypair/{key.KeyId}",
            ReplaceTags=[{"TagKey": "team", "TagValue": "a"}],
        )
    )
    found = client.DescribeResourceTagsByResourceIds(
        request(
            tag.DescribeResourceTagsByResourceIdsRequest,
            ServiceType="cvm",
            ResourcePrefix="keypair",
            ResourceIds=[key.KeyId],
            ResourceRegion=REGION,
            Limit=20,
            Offset=0,
        )
    )
    assert [(one.ResourceId, one.TagKey, one.TagValue) for one in found.Tags] == [(key.KeyId, "team", "a")]


@contextlib.contextmanager
def http_proxy(service: Service) -> Iterator[str]:
    """Give the URL of a proxy that passes each request on as it came, in absolute form: the service stands behind it."""
    host, _, port = service.host.partition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                upstream = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
                ends.extend((client, upstream))
                for pair in ((client, upstream), (upstream, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(DEADLINE_S)
    for end in ends:
        end.close()


@pytest.mark.parametrize("sign", METHODS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_behind_a_proxy_reaches_the_service_by_any_name(service: Service, keys: Keys, sign: str, method: str) -> None:
    with http_proxy(service) as proxy:
        told = profile(service, sign, method, endpoint="cvm.tc.example")
        told.httpProfile.proxy = proxy
        client = CvmClient(Credential(keys.secret_id, keys.secret_key), REGION, told)

        assert client.DescribeRegions(cvm.DescribeRegionsRequest()).TotalCount > 0
