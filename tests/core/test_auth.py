"""Auth: which tokens are let in, and what the others are told."""

from __future__ import annotations

import base64
import math

import jwt
import pytest

from simulator.core.auth import Auth, AuthMode, unasked
from simulator.core.events import Close, Event, Message, Response, header
from simulator.core.recording import Recording
from simulator.core.script import compile_script
from simulator.core.units import MILLISECOND, SECOND
from simulator.core.values.tokens import OTHER_KEY, sign
from tests.conversations import CREATED, DOWN, UPGRADE, recording
from tests.core.playing import Staging, answer, brief, data, get, message, post, upgrade

NOW = CREATED // SECOND
MINE = "the-secret-of-the-users-own-suite"
VERIFY, OFF = Auth(mode=AuthMode.VERIFY, keys=(MINE,)), Auth(mode=AuthMode.OFF)
Fields = tuple[tuple[str, str], ...]
TOKEN = sign({"sub": "alice", "exp": NOW + 900})
LOGIN = (post("1", 0, "/login"), answer("1", 10, access_token=TOKEN))


def bearer(token: str) -> Fields:
    return (("Authorization", f"Bearer {token}"),)


def protocol(token: str) -> Fields:
    return (("Sec-WebSocket-Protocol", f"jwt.{base64.urlsafe_b64encode(token.encode()).decode().rstrip('=')}"),)


def me(*more: Event) -> Recording:
    """A login, /me and a WebSocket with its token, and /health without."""
    return recording(
        *LOGIN,
        get("2", 20, "/me", bearer(TOKEN)),
        answer("2", 30, name="Alice"),
        get("3", 40, "/health"),
        answer("3", 50, says="fine"),
        *upgrade("4", 60, f"/ws?token={TOKEN}"),
        message("4", 200, DOWN, type="welcome"),
        *more,
    )


def asked(played: Recording, auth: Auth, target: str = "/me", headers: Fields = ()) -> Response:
    """What a request is answered, a second after the start."""
    staging = Staging(played, auth=auth)
    staging.hears(get("x", 1000, target, headers))
    (said,) = staging.says(3000)
    assert isinstance(said, Response)
    return said


def hears(played: Recording, auth: Auth, target: str = "/ws", headers: Fields = ()) -> list[str]:
    """What a WebSocket is told."""
    staging = Staging(played, auth=auth)
    staging.opens("x", 1000, target, headers)
    return [brief(event) for event in staging.says(5000)]


INVALID = {
    "missing": ((), "No authentication token provided"),
    "malformed": (bearer("who-knows-what"), "Token is malformed"),
    "half": (bearer(TOKEN[:40]), "Token is malformed"),
    "no date": (bearer(sign({"exp": "tomorrow"})), "Token is malformed"),
    "no number": (bearer(sign({"exp": math.nan})), "Token is malformed"),
    "true": (bearer(sign({"nbf": True})), "Token is malformed"),
    "expired": (bearer(sign({"exp": NOW + 1})), "Token has expired"),
    "expired, mine": (bearer(jwt.encode({"exp": NOW - 9}, MINE, "HS256")), "Token has expired"),
    "early": (bearer(sign({"nbf": NOW + 90})), "Token is not yet valid"),
    "another key": (bearer(sign({"exp": NOW + 900}, OTHER_KEY)), "Token signature is invalid"),
    "no key": (bearer(jwt.encode({"exp": NOW + 900}, None, "none")), "Token signature is invalid"),
}


@pytest.mark.parametrize("shown", INVALID)
def test_a_token_that_will_not_do_is_refused_and_says_why(shown: str) -> None:
    headers, why = INVALID[shown]
    said = asked(me(), VERIFY, headers=headers)
    assert (said.status, data(said)) == (401, {"detail": why})
    error = "" if shown == "missing" else f' error="invalid_token", error_description="{why}"'
    assert header(said.headers, "www-authenticate") == f"Bearer{error}"
    assert hears(me(), VERIFY, headers=headers) == ["403"]
    assert asked(me(), VERIFY, "/health", headers).status == 200, "what was open stays open"


GOOD = sign({"sub": "bob", "nbf": NOW + 30, "exp": NOW + 900})


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/me", bearer(GOOD)),
        ("/me", bearer(sign({"sub": "bob"}))),
        ("/me", bearer(jwt.encode({"exp": NOW + 2}, MINE, "HS256"))),
        ("/me", (("Cookie", f"a=b; session={GOOD}"),)),
        (f"/me?access_token={GOOD}", ()),
    ],
    ids=["issued", "without dates", "the users' own", "cookie", "query"],
)
def test_a_valid_token_is_let_in_wherever_it_stands(target: str, headers: Fields) -> None:
    assert data(asked(me(), VERIFY, target, headers)) == {"name": "Alice"}


@pytest.mark.parametrize(
    ("target", "headers"),
    [(f"/ws?token={GOOD}", ()), ("/ws", bearer(GOOD)), ("/ws", protocol(GOOD))],
    ids=["query", "Authorization", "subprotocol"],
)
def test_a_valid_token_opens_a_websocket_wherever_it_stands(target: str, headers: Fields) -> None:
    assert hears(me(), VERIFY, target, headers) == ["101", "welcome"]
    expired = protocol(sign({"exp": NOW}))
    assert hears(me(), VERIFY, "/ws", expired) == ["403"]


def test_what_the_replay_issues_is_let_in_until_it_expires() -> None:
    staging = Staging(me(), auth=VERIFY)
    staging.hears(post("l", 0, "/login"))
    token = str(data(staging.says(20)[0])["access_token"])
    assert token != TOKEN
    for flow, at, status in ("a", 1000, 200), ("b", 899_000, 200), ("c", 901_000, 401):
        staging.hears(get(flow, at, "/me", bearer(token)))
        assert brief(staging.says(at + 20)[0]) == str(status)
    assert [note.detail for note in staging.notes("refused")] == [{"event": "GET /me", "why": "expired"}]
    assert not staging.notes("missed")


def test_a_refusal_is_the_recorded_one() -> None:
    denied = {"error": "session_over"}
    stale = (get("7", 500, "/me", bearer("x" * 20)), answer("7", 510, 401, **denied))
    assert data(asked(me(*stale), VERIFY, headers=bearer("nonsense"))) == denied
    assert data(asked(me(*stale), VERIFY)) == denied
    elsewhere = (get("7", 500, "/admin", bearer("x" * 20)), answer("7", 510, 403, **denied))
    said = asked(me(*elsewhere), VERIFY, headers=bearer("nonsense"))
    assert (said.status, data(said)) == (403, denied)
    assert data(asked(me(*elsewhere), VERIFY, headers=bearer(GOOD))) == {"name": "Alice"}


def test_one_without_a_token_is_told_what_one_without_a_token_was_told() -> None:
    both = (
        get("6", 400, "/me", bearer("x" * 20)),
        answer("6", 410, 401, error="stale"),
        get("7", 500, "/me"),
        answer("7", 510, 401, error="who are you?"),
    )
    assert data(asked(me(*both), VERIFY)) == {"error": "who are you?"}
    assert data(asked(me(*both), VERIFY, headers=bearer("nonsense"))) == {"error": "stale"}
    assert data(asked(me(*both), Auth())) == {"error": "who are you?"}, "verified or not"
    assert data(asked(me(*both), OFF)) == {"name": "Alice"}


def test_a_websocket_is_refused_as_recorded_with_a_frame_and_a_close() -> None:
    frame = message("9", 650, DOWN, type="error_message", error_code="VALIDATION_FAILED")
    refused = (
        *upgrade("9", 500, "/ws?token=something-stale"),
        frame,
        Close(flow="9", at=750 * MILLISECOND, direction=DOWN, code=1008, reason="SSOT Auth failed"),
    )
    for headers in (), protocol(sign({"exp": NOW})):
        assert hears(me(*refused), VERIFY, headers=headers) == ["101", "error_message", "close 1008"]
    assert hears(me(*refused), VERIFY, headers=protocol(GOOD)) == ["101", "welcome"]
    assert hears(me(*refused), OFF) == ["101", "welcome"]


def test_off_lets_everybody_in() -> None:
    for shown, _ in INVALID.values():
        assert data(asked(me(), OFF, headers=shown)) == {"name": "Alice"}
        assert hears(me(), OFF, headers=shown) == ["101", "welcome"]
    assert data(asked(me(), OFF, f"/me?token={GOOD}")) == {"name": "Alice"}
    assert data(asked(me(), OFF, "/health?access_token=x")) == {"says": "fine"}
    assert asked(me(), OFF, "/me?page_token=x").status == 501, "that is no credential"


def test_as_recorded_a_token_is_asked_for_and_not_looked_at() -> None:
    for shown, _ in INVALID.values():
        assert data(asked(me(), Auth(), headers=shown)) == {"name": "Alice"}
    assert hears(me(), Auth(), "/ws?token=anything") == ["101", "welcome"]
    assert asked(me(), Auth(), "/ws", UPGRADE).status == 501


def test_what_was_only_refused_in_the_recording_is_refused_to_everybody() -> None:
    only = recording(get("1", 0, "/me", bearer(TOKEN)), answer("1", 10, 403, error="forbidden"))
    for auth in (VERIFY, OFF, Auth()):
        assert data(asked(only, auth, headers=bearer(GOOD))) == {"error": "forbidden"}


def test_of_a_token_that_was_no_jwt_it_is_known_only_whether_there_is_one() -> None:
    opaque = recording(get("1", 0, "/me", bearer("0123456789abcdef")), answer("1", 10, name="Alice"))
    assert asked(opaque, VERIFY).status == 401
    assert asked(opaque, VERIFY, headers=bearer("any-other-token-at-all")).status == 200


def test_where_no_token_lets_anybody_in_it_is_told_that_verifying_comes_to_nothing() -> None:
    nothing = recording(get("1", 0, "/me"), answer("1", 10, name="Alice"))
    denied = recording(get("1", 0, "/me", bearer(TOKEN)), answer("1", 10, 401))
    for played, told in (nothing, True), (denied, True), (me(), False):
        flows = compile_script(played).flows
        assert (unasked(VERIFY, flows) is not None) is told
        assert unasked(OFF, flows) is unasked(Auth(), flows) is None


def test_a_refused_websocket_says_nothing_more() -> None:
    staging = Staging(me(), auth=VERIFY)
    staging.opens("x", 1000)
    assert [brief(event) for event in staging.says(2000)] == ["403"]
    staging.hears(Message(flow="x", at=SECOND * 3, direction=DOWN, data="late"))
    assert staging.says(10_000) == []
