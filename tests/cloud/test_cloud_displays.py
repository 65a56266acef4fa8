"""Tickets to displays: seconds long, spent once, for the owner of a running instance."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cloud_bench import ELSEWHERE, Bench

from linocut.cloud.displays import TICKET_LIFE, offer_display, open_display
from linocut.machines import MachineError
from linocut.model import errors
from linocut.model.ids import InstanceId
from linocut.model.states import InstanceState


def opens(bench: Bench, token: str) -> bool:
    display = open_display(bench.cloud, token)
    if display is not None:
        display.connection.close()
    return display is not None


def test_a_ticket_opens_the_display_until_its_time_is_up(bench: Bench) -> None:
    owner = bench.caller("anna")
    instance_id = bench.instance(owner)
    in_time, late = offer_display(bench.cloud, owner, instance_id), offer_display(bench.cloud, owner, instance_id)

    bench.clock.advance(TICKET_LIFE)
    assert opens(bench, in_time)
    bench.clock.advance(timedelta(microseconds=1))
    assert not opens(bench, late)


def test_of_many_who_show_one_ticket_at_once_one_comes_in(bench: Bench) -> None:
    owner = bench.caller("anna")
    token = offer_display(bench.cloud, owner, bench.instance(owner))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: opens(bench, token), range(8))) == 1


def test_a_token_that_nobody_made_waits_for_no_writer(bench: Bench) -> None:
    with bench.cloud.catalog.begin() as tx:  # whoever waits for this to end waits for ever
        tx.displays.expire(bench.cloud.now())
        for junk in ("", "junk", "0" * 63, "0" * 64, "0" * 65, "\N{BULLET}" * 64, "\udcff", "0" * 1_000_000):
            assert not opens(bench, junk)


def test_a_ticket_is_spent_though_its_display_does_not_open(bench: Bench) -> None:
    owner = bench.caller("anna")
    instance_id = bench.instance(owner)
    token = offer_display(bench.cloud, owner, instance_id)

    def refuse(verb: str, _instance_id: InstanceId) -> None:
        if verb == "connect_display":
            raise MachineError("nobody listens")

    bench.machines.refused = refuse
    assert not opens(bench, token)
    bench.machines.refused = lambda _verb, _instance_id: None
    assert not opens(bench, token)


def test_a_ticket_opens_nothing_of_an_instance_that_is_about_to_stop(bench: Bench) -> None:
    owner = bench.caller("anna")
    instance_id = bench.instance(owner)
    token = offer_display(bench.cloud, owner, instance_id)
    with bench.cloud.catalog.begin() as tx:
        tx.instances.move(bench.instance_row(instance_id), InstanceState.STOPPING)

    assert not opens(bench, token)


@pytest.mark.parametrize("state", set(InstanceState) - {InstanceState.RUNNING})
def test_only_a_running_instance_has_a_display(bench: Bench, state: InstanceState) -> None:
    owner = bench.caller("anna")
    instance_id = bench.instance_in(owner, state)

    with pytest.raises(errors.InstanceStateForbids):
        offer_display(bench.cloud, owner, instance_id)


def test_an_instance_of_somebody_else_or_of_elsewhere_has_none(bench: Bench) -> None:
    instance_id = bench.instance(bench.caller("anna"))

    for stranger in (bench.caller("berta"), bench.caller("anna", ELSEWHERE)):
        with pytest.raises(errors.InstanceNotFound):
            offer_display(bench.cloud, stranger, instance_id)
