"""The driver: what the client does follows what it followed, in its order, with this run's values."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

from simulator.core.driver import Driver, client_plan
from simulator.core.events import Close, Event, Message, Request, Reset, Response
from simulator.core.recording import Recording
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.planning import plan
from tests.conversations import DOWN, UP, UPGRADE, agent_run, recording, text

RECORDED, LIVE = str(UUID(int=7 << 80 | 0xABCDEF, version=4)), str(UUID(int=9 << 90 | 0xFEDCBA, version=4))


def kernel(name: str) -> Recording:
    """A server that makes an id, and a client that uses it in a path and in a message."""
    made, target = json.dumps({"id": name}).encode(), f"/kernels/{name}"
    return recording(
        Request(flow="1", at=0, service="backend", method="POST", target="/kernels"),
        Response(flow="1", at=10 * MILLISECOND, status=201, body=made),
        Request(
            flow="2",
            at=15 * MILLISECOND,
            service="backend",
            method="GET",
            target=target,
            headers=UPGRADE,
        ),
        Response(flow="2", at=20 * MILLISECOND, status=101),
        text("2", 25, UP, type="run", kernel_id=name, mine="client-7f3a99bc01"),
    )


def test_what_the_server_made_is_sent_back_and_what_the_client_made_stays() -> None:
    whole, live = kernel(RECORDED), kernel(LIVE).events
    driver = Driver(whole, client_plan(plan(whole)))
    assert driver.due(0) == [whole.events[0]]
    assert driver.deadline() is None
    driver.receive(replace(live[1], at=SECOND))
    (opening,) = driver.due(2 * SECOND)
    assert isinstance(opening, Request)
    assert (opening.target, opening.at) == (f"/kernels/{LIVE}", SECOND + 5 * MILLISECOND)
    driver.receive(replace(live[3], at=2 * SECOND))
    (message,) = driver.due(3 * SECOND)
    assert isinstance(message, Message)
    assert message.data == live[4].data
    assert driver.unseen() == []


def test_a_client_that_gives_up_does_so_after_its_request_however_late_that_is() -> None:
    whole = recording(
        *agent_run().events[:2],
        Request(flow="2", at=400 * MILLISECOND, service="backend", method="GET", target="/slow"),
        Reset(flow="2", at=450 * MILLISECOND, direction=UP),
    )
    driver = Driver(whole)
    driver.due(SECOND)
    assert driver.deadline() is None
    driver.receive(replace(whole.events[1], at=9 * SECOND))
    sent = driver.due(10 * SECOND)
    assert [(event.kind, event.at) for event in sent] == [
        ("request", 9_100 * MILLISECOND),
        ("reset", 9_150 * MILLISECOND),
    ]


def test_nothing_overtakes_what_the_client_said_before_it() -> None:
    whole = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=0, status=101),
        text("1", 10, DOWN, type="one"),
        text("1", 100, DOWN, type="two"),
        text("1", 110, UP, type="answer", to="two"),
        text("1", 120, UP, type="later"),
    )
    late = [replace(event, cause="one") if index == 4 else event for index, event in enumerate(whole.events)]
    late[2] = replace(late[2], id="one")
    driver = Driver(replace(whole, events=tuple(late)))
    driver.due(0)
    for index in (1, 2, 3):  # the second message comes at once, and what it causes would be due earlier
        driver.receive(replace(whole.events[index], at=0))
    assert driver.due(50 * MILLISECOND) == []
    assert [event.at for event in driver.due(SECOND)] == [100 * MILLISECOND, 100 * MILLISECOND]


def test_a_flow_that_ends_early_holds_up_no_other() -> None:
    whole = recording(
        Request(flow="1", at=0, service="backend", method="GET", target="/ws", headers=UPGRADE),
        Response(flow="1", at=0, status=101),
        text("1", 100, DOWN, type="done"),
        text("1", 110, UP, type="thanks"),
        Request(flow="2", at=200 * MILLISECOND, service="backend", method="GET", target="/next"),
    )
    driver = Driver(whole)
    driver.due(0)
    driver.receive(replace(whole.events[1], at=0))
    driver.receive(Close(flow="1", at=SECOND, direction=DOWN, code=1011))
    assert [event.kind for event in driver.due(9 * SECOND)] == ["request"]
    assert [event.kind for event in driver.unseen()] == ["message"]


def test_a_driver_may_hurry() -> None:
    driver = Driver(agent_run(), speed=10)
    driver.due(0)
    response: Event = replace(agent_run().events[1], at=SECOND)
    driver.receive(response)
    assert driver.deadline() == SECOND + 10 * MILLISECOND


def test_a_message_that_has_drifted_is_taken_for_what_was_recorded() -> None:
    """Another shape of the same name: the client goes on with what it learned, and it is told."""
    whole = recording(
        *agent_run().events[2:4],
        text("2", 800, DOWN, type="made", kernel_id=RECORDED, slots=3),
        text("2", 900, UP, type="run", kernel_id=RECORDED),
    )
    driver = Driver(whole, client_plan(plan(whole)))
    driver.due(SECOND)
    driver.receive(replace(whole.events[1], at=SECOND))
    assert driver.receive(text("2", 1100, DOWN, type="made", kernel_id=LIVE, slots="three"))
    (message,) = driver.due(2 * SECOND)
    assert isinstance(message, Message)
    assert json.loads(message.data)["kernel_id"] == LIVE
    assert driver.otherwise() == [whole.events[2]]
    assert driver.unseen() == []


def test_what_comes_as_recorded_after_all_has_not_drifted() -> None:
    whole = recording(
        *agent_run().events[2:4],
        text("2", 800, DOWN, type="status", state="ready"),
        text("2", 900, UP, type="start_agent"),
    )
    driver = Driver(whole)
    driver.due(SECOND)
    driver.receive(replace(whole.events[1], at=SECOND))
    said = text("2", 1100, DOWN, type="status", state=["not", "yet"])
    assert driver.receive(said)
    assert [event.kind for event in driver.due(2 * SECOND)] == ["message"]
    assert driver.otherwise() == [whole.events[2]]
    driver.receive(replace(whole.events[2], at=2 * SECOND))
    assert (driver.otherwise(), driver.unseen(), driver.due(9 * SECOND)) == ([], [], [])
    assert not driver.receive(text("2", 3000, DOWN, type="news"))
