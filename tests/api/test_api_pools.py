"""Who waits for whom: reads of the catalog wait for no call that waits for something else."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from asgi_http import http_of
from sdk_requests import Form, written
from signed_calls import Person

from linocut.api.app import create_app
from linocut.cloud.context import Cloud


def test_calls_that_wait_for_a_bucket_keep_no_read_waiting_whatever_their_headers_claim(cloud: Cloud, person: Person) -> None:
    with ExitStack() as open_, socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = replace(cloud.settings, bucket=f"s3://?endpoint={endpoint}&region=x&access_key_id=a&secret_access_key=b")
        http = open_.enter_context(http_of(create_app(replace(cloud, settings=settings))))
        pool = open_.enter_context(ThreadPoolExecutor(4))
        request = written(Form(method="GET", sign="HmacSHA1"), person.account, "DescribeBucketFiles", {}, service="linocut")
        claiming = replace(request, headers={**request.headers, "X-TC-Action": "DescribeImages"})

        waiting = [pool.submit(claiming.send, http) for _ in range(4)]
        asking = [open_.enter_context(silent.accept()[0]) for _ in waiting]
        code = Person(http, person.account).code("DescribeImages")

        assert code == "OK"
        assert not any(call.done() for call in waiting)
        for connection in asking:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        assert {call.result()["Error"]["Code"] for call in waiting} == {"InvalidParameterValue.BucketNotFound"}
