"""Refusals: what the recording shows comes first, then what somebody says, then what servers usually do."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.core.auth import Auth, AuthMode
from simulator.core.events import Event, Response, header
from simulator.core.recording import Recording
from simulator.core.refusals import Answer, Hangup, Refusal
from simulator.core.rule import Rule, Selector
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.upgrade import accept_key
from simulator.core.values.tokens import sign
from simulator.faults.latency import LatencyFault
from tests.conversations import CREATED, UPGRADE, recording
from tests.core.playing import Heard, Staging, answer, briefly, data, get, post, upgrade

NOW = CREATED // SECOND
TOKEN, STALE = sign({"sub": "alice", "exp": NOW + 900}), sign({"exp": NOW})
BEARER, EXPIRED = (("Authorization", f"Bearer {TOKEN}"),), (("Authorization", f"Bearer {STALE}"),)
TEAPOT = Answer(status=418, body=b'{"says": "no"}')
HANGUP = Hangup(code=4401, reason="Who?", frame={"type": "denied", "timestamp": None}, delay=50 * MILLISECOND)


def verify(*refusals: Refusal) -> Auth:
    return Auth(mode=AuthMode.VERIFY, refusals=refusals)


def me(*more: Event) -> Recording:
    return recording(
        post("1", 0, "/login"),
        answer("1", 10, access_token=TOKEN),
        get("2", 20, "/me", BEARER),
        answer("2", 30, name="Alice"),
        *upgrade("3", 40, "/ws", BEARER),
        *more,
    )


def asked(played: Recording, auth: Auth, headers: Any = EXPIRED) -> Response:
    staging = Staging(played, auth=auth)
    staging.hears(get("x", 1000, "/me", headers))
    (said,) = staging.says(3000)
    assert isinstance(said, Response)
    return said


def opened(played: Recording, auth: Auth, *rules: Rule, headers: Any = EXPIRED) -> list[Event]:
    staging = Staging(played, *rules, auth=auth)
    staging.opens("x", 1000, "/ws", headers)
    return staging.says(5000)


def heard(*given: Any, **named: Any) -> list[Heard]:
    return briefly(opened(*given, **named))


def test_what_is_said_comes_before_the_default() -> None:
    auth = verify(Refusal(http=TEAPOT, websocket=Answer(status=401)))
    said = asked(me(), auth)
    assert (said.status, said.reason, data(said)) == (418, "I'm a Teapot", {"says": "no"})
    assert heard(me(), auth) == [(1000, "401")]
    assert heard(me(), verify(Refusal(http=TEAPOT))) == [(1000, "403")], "nothing is said of WebSockets"
    assert asked(me(), verify(Refusal(websocket=HANGUP))).status == 401, "nor here of HTTP"


def test_the_first_that_speaks_of_it_says_it() -> None:
    auth = verify(
        Refusal(select=Selector(path="/other*"), http=Answer(status=404)),
        Refusal(select=Selector(service="auth"), http=Answer(status=404)),
        Refusal(states=frozenset({"missing", "malformed"}), http=Answer(status=403)),
        Refusal(select=Selector(path="/m*", method="get"), http=TEAPOT),
        Refusal(http=Answer(status=404)),
    )
    assert asked(me(), auth).status == 418
    assert asked(me(), auth, ()).status == 403


def test_what_the_recording_shows_for_a_request_comes_first() -> None:
    auth = verify(Refusal(http=TEAPOT, websocket=HANGUP))
    stale = (get("7", 500, "/me", (("Authorization", "Bearer something"),)), answer("7", 510, 401, error="stale"))
    assert data(asked(me(*stale), auth)) == {"error": "stale"}
    assert asked(me(*stale), auth, ()).status == 418, "it shows no refusal of one without a token"
    elsewhere = (get("7", 500, "/you", BEARER), answer("7", 510, 403, error="not you"))
    assert asked(me(*elsewhere), auth).status == 418
    assert asked(me(*elsewhere), verify()).status == 403
    gone = (get("7", 500, "/ws", (*UPGRADE, ("Authorization", "Bearer something"))), answer("7", 510, 401))
    assert heard(me(*gone), auth) == [(1010, "401")]


@pytest.mark.parametrize("more", [(), BEARER], ids=["none", "one that is valid"])
def test_who_is_let_in_or_was_never_asked_hears_nothing_of_it(more: Any) -> None:
    auth = verify(Refusal(http=TEAPOT, websocket=HANGUP))
    played = me(get("8", 600, "/health"), answer("8", 610, says="fine"))
    staging = Staging(played, auth=auth)
    staging.hears(get("a", 0, "/health", more), get("b", 0, "/me", BEARER), get("c", 0, "/nowhere"))
    assert sorted(event.status for event in staging.says(100) if isinstance(event, Response)) == [200, 200, 501]


def test_a_challenge_and_a_reason_are_added_to_what_does_not_say_them() -> None:
    said = asked(me(), verify(Refusal(http=Answer(status=401))))
    assert data(said) == {"detail": "Token has expired"}
    assert 'error="invalid_token"' in str(header(said.headers, "www-authenticate"))
    own = Answer(status=401, headers=(("WWW-Authenticate", "Negotiate"),), body=b"")
    said = asked(me(), verify(Refusal(http=own)))
    assert (said.body, header(said.headers, "content-length")) == (b"", "0")
    assert [value for name, value in said.headers if name.lower() == "www-authenticate"] == ["Negotiate"]


def test_a_websocket_is_opened_told_why_and_closed() -> None:
    auth = verify(Refusal(websocket=HANGUP))
    key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    said = opened(me(), auth, headers=(*EXPIRED, key))
    assert briefly(said) == [(1000, "101"), (1000, "denied"), (1050, "close 4401")]
    assert isinstance(said[0], Response)
    assert header(said[0].headers, "sec-websocket-accept") == accept_key(key[1])
    assert data(said[1])["timestamp"] == NOW + 1
    assert heard(me(), verify(Refusal(websocket=Hangup(code=1008)))) == [(1000, "101"), (1100, "close 1008")]


def test_faults_lie_over_a_refusal_as_over_everything() -> None:
    """What is said on a WebSocket waits for its 101, however late that is."""
    slow = Rule(name="slow", fault=LatencyFault(delay=SECOND), select=Selector(status=101))
    said = heard(me(), verify(Refusal(websocket=HANGUP)), slow)
    assert said == [(2000, "101"), (2000, "denied"), (2000, "close 4401")]


def test_a_subprotocol_is_chosen_only_if_it_was_offered() -> None:
    auth = verify(Refusal(websocket=Hangup(code=1008, headers=(("Sec-WebSocket-Protocol", "jwt-auth"),))))
    for offer, chosen in ("jwt-auth", "jwt-auth"), ("other", None):
        said = opened(me(), auth, headers=(*EXPIRED, ("Sec-WebSocket-Protocol", offer)))[0]
        assert isinstance(said, Response)
        assert header(said.headers, "sec-websocket-protocol") == chosen
