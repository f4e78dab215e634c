"""What can go wrong with a connection, as clients see it that other people wrote.

What they see of each fault as its example file has it stands in the README; here are the variants.
"""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from simulator.core.events import Close, Reset
from simulator.core.rule import Rule
from simulator.faults.status import RefuseFault
from tests.faults.foreign import CLIENTS, Conversation, by_half_closing
from tests.faults.wire import (
    ALL,
    PATIENCE,
    heard,
    look,
    on_the_wire,
    rules_of,
    sees,
    serving,
    settled,
    ticking,
    watch,
    ws_url,
)

BEFORE = ["open", "welcome", "tick 1"]
"""What comes before the third message."""

each_client = pytest.mark.parametrize("client", CLIENTS)


@each_client
def test_without_faults_there_is_a_whole_conversation(client: str) -> None:
    assert look(client, [])[0].words == ALL


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("websockets", 'refused 418 {"short": "and stout"}'),
        ("aiohttp", "refused 418"),
        ("wsproto", 'refused 418 {"short": "and stout"}'),
    ],
)
def test_an_upgrade_is_refused_in_any_way(client: str, words: str) -> None:
    fault = RefuseFault(status=418, json={"short": "and stout"}, headers={"X-Pot": "tea"}, delay=1)
    assert look(client, [Rule(name="refuse", fault=fault)])[0].words == [words]


def test_a_refusal_has_the_headers_that_it_was_given_and_comes_late() -> None:
    fault = RefuseFault(status=503, headers={"Retry-After": "10"}, delay=3_000_000)

    async def talk(url: str, _: Conversation, seen: object) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
        seen.words.append(refused.value.response.headers["Retry-After"])  # type: ignore[attr-defined]

    assert watch(talk, [Rule(name="refuse", fault=fault)], "2s", "2s") == [[], ["10"]]


def test_who_gives_up_on_a_hanging_upgrade_is_gone() -> None:
    async def talk() -> None:
        async with serving(ticking(), *rules_of("hang")) as server, asyncio.timeout(PATIENCE):
            opening = asyncio.ensure_future(connect(ws_url(server)).__aenter__())
            while not server.session.stages[0].fired:
                await settled(server)
            opening.cancel()
            while not heard(server, Reset):
                await settled(server)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("websockets", "handshake fails: InvalidMessage"),
        ("aiohttp", "handshake fails: ServerDisconnectedError"),
        ("wsproto", "handshake fails: RemoteProtocolError"),
    ],
)
def test_a_connection_ends_at_accept(client: str, words: str) -> None:
    assert sees(client, "reset-at-accept", rst=False) == [words]


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("websockets", ["handshake fails: NegotiationError"]),
        ("aiohttp", ALL),  # it only warns
        ("wsproto", ["handshake fails: RemoteProtocolError"]),
    ],
)
def test_another_subprotocol_is_chosen_than_was_offered(client: str, words: list[str]) -> None:
    assert sees(client, "wrong-subprotocol", talk=Conversation(offers=("chat",))) == words


@each_client
def test_a_subprotocol_is_chosen_as_recorded_or_not_at_all(client: str) -> None:
    offering = Conversation(offers=("other", "chat"))
    assert look(client, [], talk=offering)[0].words == ["open chat", *ALL[1:]]
    assert sees(client, "wrong-subprotocol", talk=offering, subprotocol=None) == ALL


@each_client
def test_a_limit_closes_what_is_too_many(client: str) -> None:
    assert sees(client, "limit", connections=0, how="close") == ["open", "closed 1013 Try again later"]
    assert look(client, rules_of("limit", connections=1))[0].words == ALL


def test_a_limit_counts_those_that_are_open() -> None:
    async def talk() -> None:
        async with (
            serving(ticking(closes=False), *rules_of("limit")) as server,
            asyncio.timeout(PATIENCE),
            connect(ws_url(server)) as first,
        ):
            async with connect(ws_url(server)):
                with pytest.raises(InvalidStatus):
                    await connect(ws_url(server))
            async with connect(ws_url(server)) as third:  # the second has left
                await third.recv()
                with pytest.raises(InvalidStatus):
                    await connect(ws_url(server))
            await first.recv()
            assert server.session.stages[0].fired == 2

    asyncio.run(talk())


def test_a_reset_is_an_rst_and_an_abnormal_end_is_a_fin() -> None:
    assert on_the_wire("reset")[1] == "RST"
    assert on_the_wire("abnormal-end")[1] == "FIN"


@each_client
def test_a_connection_ends_in_the_middle_of_a_frame(client: str) -> None:
    assert sees(client, "reset-mid-frame", rst=False) == [*BEFORE, "1006"]


@pytest.mark.parametrize(("rst", "how"), [(True, "RST"), (False, "FIN")])
def test_half_a_frame_is_on_the_wire(rst: bool, how: str) -> None:
    data, end = on_the_wire("reset-mid-frame", rst=rst)
    assert data.endswith(b'\x81;{"type": "tick", "number": 2')
    assert end == how


@each_client
def test_a_half_open_connection_says_nothing_more_not_even_pongs(client: str) -> None:
    pinging = Conversation(pings_at="tick 1", leaves_at="tick 2")
    assert watch(client, rules_of("half-open"), "1h", talk=pinging) == [BEFORE]


def test_a_half_open_connection_does_not_end_when_the_client_leaves() -> None:
    assert watch(by_half_closing, [], "1h", played=ticking(closes=False)) == [["FIN"]]
    assert watch(by_half_closing, rules_of("half-open", nth=2), "1h", played=ticking(closes=False)) == [[]]


@each_client
def test_a_close_has_any_code_and_reason(client: str) -> None:
    assert sees(client, "close", code=4321, reason="Grüße") == ["open", "closed 4321 Grüße"]


def test_a_close_without_a_code_is_an_empty_frame() -> None:
    data, _ = on_the_wire("close-without-code", until=b"\x88\x00")
    assert data.endswith(b"}\x88\x00")


def test_what_comes_after_a_close_is_on_the_wire() -> None:
    data, _ = on_the_wire("close-then-talk", code=1012, reason="bye")
    _, close, after = data.partition(b"\x88\x05\x03\xf4bye")
    assert close
    assert after.startswith(b'\x81;{"type": "tick", "number": 2')
    assert b'"number": 5' in after


@each_client
def test_a_close_is_answered_otherwise(client: str) -> None:
    leaving = Conversation(leaves_at="tick 5")
    seen, server = look(client, [], ticking(closes=False), leaving)
    assert seen.words == [*ALL[:-1], "closed 1000"]
    assert [event.code for event in heard(server, Close)] == [1000]  # type: ignore[attr-defined]


def test_a_client_of_a_silent_server_gives_up_by_itself() -> None:
    async def talk() -> None:
        async with serving(ticking(closes=False), *rules_of("ignore-close")) as server, asyncio.timeout(PATIENCE):
            ws = await connect(ws_url(server), close_timeout=0.05)
            await ws.close()
            assert ws.close_code == 1006

    asyncio.run(talk())
