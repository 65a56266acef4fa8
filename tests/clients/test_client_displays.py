"""The screen of an instance, as a viewer in a browser opens it: over a WebSocket, with the URL that the API hands out."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote

import pytest
from official_clients import DEADLINE_S, Sdk, Service, wait_until
from test_client_sdk import code, import_image, run, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from rfb_client import Viewer

Open = Callable[[str], ClientConnection]


@pytest.fixture
def instance(sdk: Sdk, disk_url: str) -> Any:
    return run(sdk, import_image(sdk, disk_url).ImageId)[0]


def url_of(sdk: Sdk, instance: Any) -> str:
    return unquote(sdk.DescribeInstanceVncUrl(InstanceId=instance.InstanceId).InstanceVncUrl)


def opened(url: str) -> ClientConnection:
    return connect(url, subprotocols=[Subprotocol("binary")], open_timeout=DEADLINE_S, close_timeout=1)


def viewer_of(connection: ClientConnection) -> Viewer:
    def receive() -> bytes:
        data = connection.recv(DEADLINE_S)
        assert isinstance(data, bytes)
        return data

    return Viewer(receive, connection.send)


def drain(connection: ClientConnection) -> int | None:
    """Read until the service closes; return the code it gives."""
    try:
        while True:
            connection.recv(DEADLINE_S)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


def test_the_url_opens_the_screen_once(service: Service, sdk: Sdk, instance: Any) -> None:
    url = url_of(sdk, instance)
    assert url.startswith(f"ws://{service.host}/")

    with opened(url) as connection:
        assert connection.subprotocol == "binary"
        viewer = viewer_of(connection)
        viewer.greet()
        viewer.press(ord("a"))
        [picture] = viewer.look()
        assert (picture.width, picture.height) == (viewer.width, viewer.height)

        with pytest.raises(InvalidStatus) as refused, opened(url):
            pass

    assert refused.value.response.status_code == 403


def test_a_url_is_as_unguessable_as_a_key_and_is_for_its_instance_only(sdk: Sdk, instance: Any) -> None:
    first, second = url_of(sdk, instance), url_of(sdk, instance)
    assert first != second
    assert len(first.partition("=")[2]) == 64

    with pytest.raises(InvalidStatus), opened(first[:-1] + ("0" if first[-1] != "0" else "1")):
        pass
    with pytest.raises(InvalidStatus), opened(first.partition("?")[0]):
        pass


def test_the_screen_closes_when_the_instance_stops_and_does_not_open_then(sdk: Sdk, instance: Any) -> None:
    ids = [instance.InstanceId]
    unused = url_of(sdk, instance)
    with opened(url_of(sdk, instance)) as connection:
        viewer_of(connection).greet()
        sdk.StopInstances(InstanceIds=ids, StopType="HARD")
        drain(connection)
    wait_for(sdk, ids, "STOPPED")

    assert code(sdk.DescribeInstanceVncUrl, InstanceId=ids[0]) == "UnsupportedOperation.InstanceStateStopped"
    with pytest.raises(InvalidStatus), opened(unused):
        pass


def test_what_is_not_binary_ends_the_connection(sdk: Sdk, instance: Any) -> None:
    with opened(url_of(sdk, instance)) as connection:
        connection.send("text")
        assert drain(connection) == 1003


def test_only_so_many_displays_of_an_instance_are_open_at_a_time(sdk: Sdk, instance: Any) -> None:
    with ExitStack() as stack:
        shown = [stack.enter_context(opened(url_of(sdk, instance))) for _ in range(4)]
        for connection in shown:
            viewer_of(connection).greet()
        with opened(url_of(sdk, instance)) as one_more:
            assert drain(one_more) == 1013
        shown[0].close()

        def opens() -> bool:
            with opened(url_of(sdk, instance)) as again:
                try:
                    viewer_of(again).greet()
                except ConnectionClosed:
                    return False
                return True

        wait_until("the place of who left is free", opens)


def test_a_display_is_for_the_owner_of_a_running_instance(sdk: Sdk, other: Sdk, instance: Any) -> None:
    assert code(other.DescribeInstanceVncUrl, InstanceId=instance.InstanceId) == "InvalidInstanceId.NotFound"
    assert code(sdk.DescribeInstanceVncUrl, InstanceId="ins-1") == "InvalidInstanceId.Malformed"
