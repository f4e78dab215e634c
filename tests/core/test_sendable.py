"""Recordings that nobody could have sent are an error with its place, before anything is served."""

from __future__ import annotations

import pytest

from simulator.core.errors import RecordingError
from simulator.core.events import Chunk, Close, Event, Ping, Request, Response
from simulator.core.script import compile_script
from simulator.core.visible import visible
from tests.conversations import DOWN, UPGRADE, agent_run, recording

PLAIN = Request(flow="1", at=0, service="a", method="GET", target="/x")
SOCKET = Request(flow="1", at=0, service="a", method="GET", target="/ws", headers=UPGRADE)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((PLAIN, Response(flow="1", at=1, status=103)), "status 103 is not a final response"),
        (
            (PLAIN, Response(flow="1", at=1, status=200, headers=(("X", "a\r\nSet-Cookie: b"),))),
            "one line of Latin-1",
        ),
        ((PLAIN, Response(flow="1", at=1, status=200, headers=(("X Y", "a"),))), "a header field's name"),
        ((PLAIN, Response(flow="1", at=1, status=200, reason="S\r\n\r\nevil")), "a reason phrase of one line"),
        ((PLAIN, Response(flow="1", at=1, status=200, headers=(("X", "☃"),))), "one line of Latin-1"),
        ((PLAIN, Response(flow="1", at=1, status=101)), "asks for no WebSocket"),
        ((PLAIN, Chunk(flow="1", at=1, data=b"x")), "without a streaming response"),
        ((SOCKET, Ping(flow="1", at=1, direction=DOWN, data=b"x" * 126)), "at most 125"),
        ((SOCKET, Close(flow="1", at=1, direction=DOWN, code=1000, reason="x" * 124)), "more than 123 bytes"),
    ],
)
def test_what_cannot_be_sent_is_told_with_its_place(events: tuple[Event, ...], said: str) -> None:
    with pytest.raises(RecordingError, match=r"event 2 \(flow 1\): ") as error:
        compile_script(recording(*events))
    assert said in str(error.value)


def test_what_was_sent_can_be_sent() -> None:
    compile_script(agent_run())


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert visible("a\x1b]0;evil\x07\n\x9b31m b ☃") == "a\\x1b]0;evil\\x07\\x0a\\x9b31m b ☃"
    error = RecordingError("bad\x1b[2J", place="x\ny")
    assert str(error) == "x\\x0ay: bad\\x1b[2J"
