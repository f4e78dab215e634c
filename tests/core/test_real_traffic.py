"""What recordings of other people's servers taught: one test for each thing that was found missing.

The traffic is written down here in small; tests/real has the servers themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from simulator.core.events import Event, Message, Request, Response
from simulator.core.matching.compare import compare, label
from simulator.core.recording import Recording
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.underway import HASTE
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.correlation import COMPOSED, propose
from simulator.core.values.inside import Finder, can_stand_inside
from simulator.core.values.planning import plan
from tests.conversations import CREATED, DOWN, UP, UPGRADE, recording, text

KERNEL, OTHER = "7e9818f7-6022-468b-b16e-a003117e7c1d", "0b117d00-94f1-4496-d6ce-633f5db65311"
SESSION = "e4380af9-1bd5c8be3e26c57e073f22b1"
MD5 = "9fc8b0cc31056c1eccc37756672f4461"
SOMEBODY = (("Authorization", "Bearer one-and-only-token"),)
ANEW = Settings(wall=CREATED, seed=3)


def socket(*events: Event, target: str = "/ws") -> Recording:
    """A WebSocket that was asked for at 0 and open after 10 ms."""
    return recording(
        Request(flow="1", at=0, service="backend", method="GET", target=target, headers=UPGRADE),
        Response(flow="1", at=10 * MILLISECOND, status=101),
        *events,
    )


def exchange(flow: str, at: int, ask: str, status: int, body: object, **headers: str) -> tuple[Request, Response]:
    """A request of somebody whose token tells who it is, and the answer to it."""
    method, target = ask.split()
    asked = Request(
        flow=flow, at=at * MILLISECOND, service="backend", method=method, target=target, headers=SOMEBODY
    )
    data = json.dumps(body).encode()
    answer = Response(
        flow=flow, at=(at + 5) * MILLISECOND, status=status, headers=tuple(headers.items()), body=data
    )
    return asked, answer


def asked(source: Recording, index: int = 0, **other: object) -> Request:
    """A request of a recording, some of it changed."""
    event = source.events[index]
    assert isinstance(event, Request)
    return replace(event, **other)  # type: ignore[arg-type]


def bodies(events: Iterable[Event]) -> list[dict[str, object]]:
    """The bodies of the answers, read."""
    return [json.loads(event.body) for event in events if isinstance(event, Response)]


def messages(events: Iterable[Event]) -> list[dict[str, object]]:
    """What the server said, read."""
    found = [event.data for event in events if isinstance(event, Message) and event.direction is DOWN]
    return [json.loads(data) for data in found]


def played(session: Session, *events: Event) -> list[Event]:
    """What a session sends when these come from a client, each at its time."""
    out: list[Event] = []
    for event in events:
        out += session.due(event.at)
        session.receive(event)
    while (now := session.deadline()) is not None:
        out += session.due(now)
    return out


# --- data is no id ---------------------------------------------------------------------------------------------


def test_what_a_server_says_is_left_alone_though_there_are_ids_in_it() -> None:
    said = [
        f"{MD5}\n",
        f"'{MD5}'",
        "1048576",
        "epoch 12345 of 16777216",
        "/kernels/ipykernel_19018/863095540.py:1: UserWarning: careful",
        f"UUID('{KERNEL}')",
        f"name 'x_{MD5}' is not defined",
        f"'{MD5}'",
        "[100000, 100001, 100002]",
        "1795302929.1939738",
    ]
    answers = [text("1", 40 + n, DOWN, type="out", data={"text/plain": one}) for n, one in enumerate(said)]
    source = socket(text("1", 30, UP, type="run"), *answers)
    assert not [item for item in propose(source) if item.kind == "minted"]
    assert [message["data"]["text/plain"] for message in messages(simulate(source, settings=ANEW).events)] == said  # type: ignore[index]


@pytest.mark.parametrize("alone", [MD5, f"saved as {MD5}", f"'{KERNEL}'", f"order {KERNEL} made"])
def test_data_is_left_alone_though_nothing_else_stands_at_its_place(alone: str) -> None:
    source = socket(text("1", 30, UP, type="run"), text("1", 40, DOWN, type="out", value=alone))
    assert [message["value"] for message in messages(simulate(source, settings=ANEW).events)] == [alone]


def test_ids_are_made_anew_by_their_name_their_return_or_their_shape() -> None:
    job = "3d1f0a9be477c2d1"
    source = socket(
        text("1", 30, UP, type="run"),
        text("1", 40, DOWN, type="a", run_id="run_12345", session=SESSION, engine=KERNEL, job=job),
        text("1", 41, DOWN, type="b", session=SESSION),
        text("1", 50, UP, type="stop", job=job),
    )
    first, second = messages(simulate(source, settings=ANEW).events)
    assert first["session"] == second["session"]
    for name, value in {"run_id": "run_12345", "session": SESSION, "engine": KERNEL, "job": job}.items():
        assert first[name] != value, name


# --- ids inside of other values ----------------------------------------------------------------------------------


def test_an_id_is_the_same_inside_of_what_is_made_of_it() -> None:
    source = recording(
        *exchange("1", 0, "POST /kernels", 201, {"id": KERNEL}, Location=f"/kernels/{KERNEL}"),
        *exchange("2", 20, "GET /log", 200, {"line": f"kernel {KERNEL} started", "other": f"not {OTHER}"}),
        *exchange("3", 40, "POST /run", 200, {"msg_id": f"{SESSION}_17137_9", "session": SESSION}),
        *exchange("4", 60, "POST /run", 200, {"msg_id": f"{SESSION}_17137_10", "session": SESSION}),
    )
    events = simulate(source, settings=ANEW).events
    created, log, first, second = bodies(events)
    kernel = created["id"]
    assert kernel != KERNEL
    assert dict(next(event for event in events if isinstance(event, Response)).headers) == {
        "Location": f"/kernels/{kernel}"
    }
    assert log == {"line": f"kernel {kernel} started", "other": f"not {OTHER}"}
    session = first["session"]
    assert session != SESSION
    assert first["msg_id"] == f"{session}_17137_9"
    assert second == {"msg_id": f"{session}_17137_10", "session": session}


def test_an_id_that_is_told_before_it_stands_alone_is_the_same_in_both() -> None:
    source = recording(
        *exchange("1", 0, "GET /log", 200, {"line": f"kernel {KERNEL} started"}),
        *exchange("2", 20, "GET /kernel", 200, {"id": KERNEL}),
    )
    log, found = bodies(simulate(source, settings=ANEW).events)
    assert found["id"] != KERNEL
    assert log["line"] == f"kernel {found['id']} started"


def test_each_client_has_ids_of_its_own_inside_of_others_too() -> None:
    source = recording(
        *exchange("1", 0, "POST /kernels", 201, {"id": KERNEL, "url": f"/kernels/{KERNEL}/channels"})
    )
    session = Session(compile_script(source), settings=ANEW)
    requests = [asked(source, flow=str(n), headers=(), at=n * SECOND) for n in range(2)]
    first, second = bodies(played(session, *requests))
    assert first["id"] != second["id"]
    for body in (first, second):
        assert body["url"] == f"/kernels/{body['id']}/channels"


def test_what_the_client_sent_comes_back_inside_of_a_sentence() -> None:
    source = recording(
        *exchange("1", 0, f"GET /kernels/{KERNEL}", 404, {"message": f"Kernel does not exist: {KERNEL}"})
    )
    (found,) = propose(source)
    assert (found.kind, found.targets) == ("echoed", ("backend /kernels/{} < $.message",))
    session = Session(compile_script(source), settings=ANEW)
    (answer,) = bodies(played(session, asked(source, target=f"/kernels/{OTHER}")))
    assert answer == {"message": f"Kernel does not exist: {OTHER}"}


def test_the_clients_session_is_inside_of_the_servers_ids() -> None:
    source = socket(
        text("1", 40, DOWN, type="status", parent_id=f"{KERNEL}_17096_1"), target=f"/channels?session_id={KERNEL}"
    )
    session = Session(compile_script(source), settings=ANEW)
    (status,) = messages(played(session, asked(source, target=f"/channels?session_id={OTHER}")))
    assert status["parent_id"] == f"{OTHER}_17096_1"


def test_the_server_does_not_know_what_the_client_has_yet_to_send() -> None:
    source = socket(
        text("1", 20, DOWN, type="offer", line=f"ticket {KERNEL} is free"),
        text("1", 30, UP, type="take", ticket=KERNEL),
        text("1", 40, DOWN, type="taken", ticket=KERNEL),
    )
    assert not [variable for variable in plan(source).variables if variable.kind == COMPOSED]
    mine = text("1", 30, UP, type="take", ticket=OTHER)
    offer, taken = messages(played(Session(compile_script(source), settings=ANEW), source.events[0], mine))
    assert offer["line"] == f"ticket {KERNEL} is free"
    assert taken["ticket"] == OTHER


def test_with_recorded_ids_only_the_clients_own_are_put_inside() -> None:
    source = recording(
        *exchange("1", 0, "POST /kernels", 201, {"id": KERNEL, "url": f"/kernels/{KERNEL}"}),
        *exchange("2", 20, f"GET /tickets/{OTHER}", 404, {"message": f"no {OTHER} in {KERNEL}"}),
    )
    session = Session(compile_script(source), settings=replace(ANEW, fresh=False))
    created, missing = bodies(played(session, asked(source), asked(source, 2, target=f"/tickets/{MD5}")))
    assert created == {"id": KERNEL, "url": f"/kernels/{KERNEL}"}
    assert missing == {"message": f"no {MD5} in {KERNEL}"}


def test_ids_are_found_as_words_and_as_pieces_of_words() -> None:
    finder = Finder([KERNEL, SESSION, MD5])

    def found(line: str) -> list[str]:
        return [line[begin:end] for begin, end in finder.find(line)]

    assert found(f"/kernels/{KERNEL}/channels") == [KERNEL]
    assert found(f"{SESSION}_17137_9") == [SESSION]
    assert found(f"x-{MD5}-{KERNEL}, {SESSION}.") == [MD5, KERNEL, SESSION]
    assert found(KERNEL) == []
    assert found(f"a{MD5}") == []
    assert found(f"{KERNEL[:-1]}-and-more") == []
    assert list(Finder().find(KERNEL * 2)) == []


def test_an_id_is_found_even_in_one_that_begins_alike() -> None:
    finder = Finder([MD5, f"{MD5}-{KERNEL}"])
    line = f"{MD5}-{KERNEL} {MD5}-more"
    assert [line[begin:end] for begin, end in finder.find(line)] == [f"{MD5}-{KERNEL}", MD5]


def test_only_distinctive_words_stand_inside_of_others() -> None:
    assert can_stand_inside(KERNEL)
    assert can_stand_inside("pipeline_test_1757400000")
    assert not any(can_stand_inside(value) for value in ("active", "run_1", "a b 1757400000", 1757400000, None))


# --- secrets in queries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["token", "access_token", "X-Amz-Signature", "api_key", "apiKey"])
def test_another_secret_in_a_query_is_no_other_request(name: str) -> None:
    recorded = Request(flow="1", at=0, service="backend", method="GET", target=f"/ws?room=a&{name}=z8lo2t-rrm")
    assert compare(recorded, replace(recorded, target=f"/ws?room=a&{name}=my own")).matches
    assert not compare(recorded, replace(recorded, target="/ws?room=a")).matches
    assert not compare(recorded, replace(recorded, target=f"/ws?room=b&{name}=z8lo2t-rrm")).matches


def test_a_secret_that_agrees_is_the_better_match() -> None:
    pages = [
        Request(flow=str(n), at=n, service="backend", method="GET", target=f"/list?page_token={n}") for n in (1, 2)
    ]
    scores = [compare(page, pages[1]).score for page in pages]
    assert scores[1] > scores[0]


# --- names -----------------------------------------------------------------------------------------------------


def test_a_message_is_called_by_what_it_is_rather_than_by_where_it_goes() -> None:
    assert label(text("1", 1, UP, channel="shell", header={"msg_type": "execute_request"})) == "execute_request"
    assert label(text("1", 1, UP, topic="room:1", event="join")) == "join"
    assert label(text("1", 1, UP, topic="room:1")) == "room:1"


# --- order -----------------------------------------------------------------------------------------------------


def greeted_late(second: int) -> Recording:
    """A server that greets twice, the second time just before its client speaks, and then answers."""
    return socket(
        text("1", 20, DOWN, type="hello"),
        text("1", second, DOWN, type="ready"),
        text("1", second + 1, UP, type="run", id=MD5),
        text("1", second + 3, DOWN, type="answer", id=MD5),
    )


def kinds(source: Recording, at: int) -> list[tuple[object, int]]:
    """What a client hears, and when, that speaks at a time of its own."""
    session = Session(compile_script(source), settings=ANEW)
    out = played(session, source.events[0], text("1", at, UP, type="run", id=MD5))
    return [(json.loads(e.data)["type"], e.at // MILLISECOND) for e in out if isinstance(e, Message)]


def test_a_client_that_is_a_little_faster_is_not_answered_out_of_order() -> None:
    assert kinds(greeted_late(100), 101) == [("hello", 20), ("ready", 100), ("answer", 103)]
    assert kinds(greeted_late(100), 95) == [("hello", 20), ("ready", 97), ("answer", 97)]
    assert kinds(greeted_late(100), 300) == [("hello", 20), ("ready", 100), ("answer", 302)]


def test_what_comes_much_later_by_itself_keeps_its_time() -> None:
    assert 60_000 * MILLISECOND > HASTE
    assert kinds(greeted_late(60_000), 95) == [("hello", 20), ("answer", 97), ("ready", 60_000)]


def test_heartbeats_keep_their_time() -> None:
    source = socket(
        text("1", 100, DOWN, type="ping"),
        text("1", 101, UP, type="run", id=MD5),
        text("1", 103, DOWN, type="answer", id=MD5),
    )
    assert kinds(source, 95) == [("answer", 97), ("ping", 100)]


def test_a_greeting_ends_where_the_client_is_heard_inside_of_something() -> None:
    """The first answer only has the client's id inside; what comes after it is an answer as well."""
    source = socket(
        text("1", 30, UP, type="run", id=MD5),
        text("1", 40, DOWN, type="hello"),
        text("1", 50, DOWN, type="log", line=f"{MD5} begins"),
        text("1", 60, DOWN, type="answer", id=MD5),
    )
    script = compile_script(source).flows[0]
    events = source.events
    caused = [[events[item.index] for item in script.opening.reactions]]
    caused += [[events[item.index] for item in other.reactions] for other in script.expectations]
    assert [[message["type"] for message in messages(some)] for some in caused] == [["hello"], ["log", "answer"]]
