"""Clients: who is behind a connection, and which take it gets."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from simulator.core.events import Close, Event, Request, Response
from simulator.core.matching.clients import Client, Clients, next_take, same
from simulator.core.recording import Recording
from simulator.core.script import FlowScript, compile_script
from simulator.core.units import MILLISECOND
from simulator.core.values.correlation import Plan
from simulator.core.values.tokens import sign
from tests.conversations import DOWN, recording
from tests.core.playing import Staging, answer, brief, data, down, get, message, post, upgrade

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
COOKIE = "8f14e45fceea167a5a36dedd4bea2543"


def clients() -> Clients:
    return Clients(Plan(), seed=1, fresh=True)


def names(*requests: Request) -> list[str]:
    everybody = clients()
    return [everybody.of(request).name for request in requests]


def wrapped(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).rstrip(b"=").decode()


def asking(flow: str, **fields: str) -> Request:
    """A request with these header fields; '_' stands for '-'."""
    return get(flow, 0, "/a", tuple((name.replace("_", "-"), value) for name, value in fields.items()))


# --- credentials -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "again",
    [
        asking("2", Authorization=f"Bearer {TOKEN}"),
        asking("2", authorization=f"bearer  {TOKEN}"),
        asking("2", Cookie=f"theme=dark; access_token={TOKEN}"),
        asking("2", Sec_WebSocket_Protocol=f"chat, jwt.{wrapped(TOKEN)}"),
        asking("2", Sec_WebSocket_Protocol=f"jwt.{TOKEN}"),
        asking("2", Sec_WebSocket_Protocol=f"graphql-transport-ws, {TOKEN}"),
        get("2", 0, f"/ws?token={TOKEN}"),
        get("2", 0, f"/ws?access_token={TOKEN}&x=1"),
        post("2", 0, "/refresh", refresh={"token": TOKEN}),
    ],
    ids=lambda request: request.target + str(request.headers[:1])[:40],
)
def test_a_token_is_the_same_client_wherever_it_stands(again: Request) -> None:
    first = asking("1", Authorization=f"Bearer {TOKEN}")
    assert names(first, again) == ["client 1", "client 1"]
    assert len(set(names(first, asking("3", Authorization=f"Bearer {TOKEN}x")))) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"Cookie": f"laravel_session={COOKIE}"},
        {"Cookie": f"a=b; session={COOKIE}; theme=dark"},
        {"Authorization": "Basic YWxpY2U6d29uZGVybGFuZA=="},
        {"Authorization": "Bearer an-opaque-word"},
        {"Authorization": "an-opaque-word-without-a-scheme"},
        {"Proxy_Authorization": f"Bearer {COOKIE}"},
        {"X_Api_Key": COOKIE},
        {"X_Stagesim_Client": "bob"},
    ],
)
def test_a_credential_tells_a_client_again(fields: dict[str, str]) -> None:
    assert names(asking("1", **fields), asking("2"), asking("3", **fields)) == ["client 1", "client 2", "client 1"]


@pytest.mark.parametrize(
    "fields",
    [
        {"Sec_WebSocket_Protocol": "graphql-transport-ws"},
        {"Sec_WebSocket_Protocol": "v1.kernel.websocket.jupyter.org"},
        {"Sec_WebSocket_Protocol": "jwt-auth, v10.stomp.example.org"},
        {"Cookie": "theme=dark-as-the-night; locale=en"},
        {"User_Agent": "python-httpx/0.27.0 x86_64"},
        {"X_Request_Id": "8f14e45f-ceea-467a-9a36-dedd4bea2543"},
        {"Authorization": "Bearer short"},
        {"X_Api_Key": "short"},
    ],
)
def test_what_many_clients_have_tells_nothing(fields: dict[str, str]) -> None:
    assert names(asking("1", **fields), asking("2", **fields)) == ["client 1", "client 2"]


def test_the_name_of_a_cookie_is_no_credential() -> None:
    cookies = [asking(f"{n}", Cookie=f"laravel_session={COOKIE[n:]}") for n in range(3)]
    assert names(*cookies) == ["client 1", "client 2", "client 3"]


def test_a_subprotocol_that_is_no_base64_is_taken_as_it_is() -> None:
    odd = "jwt.%%%not-base64-at-all%%%"
    assert names(asking("1", Sec_WebSocket_Protocol=odd), asking("2", Sec_WebSocket_Protocol=odd))[1] == "client 1"


# --- what was minted -------------------------------------------------------------------------------------------

LOGIN = recording(
    post("1", 0, "/sessions"),
    answer("1", 10, 201, id="session_8f14e45fceea"),
    *upgrade("2", 100, "/ws/session_8f14e45fceea"),
    message("2", 300, DOWN, type="hello", session="session_8f14e45fceea"),
)


def test_an_id_that_was_made_for_a_client_tells_it_again() -> None:
    staging = Staging(LOGIN)
    made = []
    for number in range(3):
        staging.hears(post(f"p{number}", number, "/sessions"))
        made.append(str(data(staging.says(20 + number)[-1])["id"]))
    assert len(set(made)) == 3
    for number, session in reversed(list(enumerate(made))):
        staging.opens(f"w{number}", at=1000, target=f"/ws/{session}")
    heard = {event.flow: data(event)["session"] for event in staging.says(5000) if brief(event) == "hello"}
    assert heard == {f"w{number}": session for number, session in enumerate(made)}
    opened = {str(note.flow): note.detail["client"] for note in staging.notes("opened")}
    assert [opened[f"p{number}"] == opened[f"w{number}"] for number in range(3)] == [True] * 3


def test_two_that_send_the_same_sentence_are_two() -> None:
    played = recording(post("1", 0, "/ask", text="Cut the costs"), answer("1", 10, prompt="Cut the costs"))
    staging = Staging(played)
    for flow in ("a", "b"):
        staging.hears(post(flow, 0, "/ask", text="What everybody asks"))
        staging.says(100)
    assert [note.detail["client"] for note in staging.notes("opened")] == ["client 1", "client 2"]


# --- takes -----------------------------------------------------------------------------------------------------


def takes(*events: Event) -> list[FlowScript]:
    return list(compile_script(recording(*events)).flows)


def polls() -> list[FlowScript]:
    return takes(
        *(event for n in range(3) for event in (get(f"{n}", n * 100, "/a"), answer(f"{n}", n * 100 + 10)))
    )


def test_each_take_is_played_once_and_then_the_last_again() -> None:
    client = Client(name="x")
    assert [next_take(client, polls(), set()).flow for _ in range(5)] == ["0", "1", "2", "2", "2"]


def test_strangers_share_their_takes_and_known_clients_have_their_own() -> None:
    played = recording(*(event for n in range(2) for event in (get(f"{n}", n, "/a"), answer(f"{n}", n, 200 + n))))

    def statuses(*requests: Request) -> list[str]:
        staging = Staging(played)
        staging.hears(*requests)
        return [brief(event) for event in staging.says(1000)]

    assert statuses(get("a", 0, "/a"), get("b", 1, "/a")) == ["200", "201"]
    alice, bob = ((("Authorization", f"Bearer token-of-{name}"),) for name in ("alice", "bob"))
    assert statuses(*(get(f"{n}", n, "/a", who) for n, who in enumerate([alice, bob, alice, bob]))) == [
        "200",
        "200",
        "201",
        "201",
    ]


def sockets(first_ends: int) -> Recording:
    """Two connections to one socket; the second begins at 2 s."""
    return recording(
        *upgrade("1", 0),
        down(200, type="one"),
        Close(flow="1", at=first_ends * MILLISECOND, direction=DOWN, code=1012),
        *upgrade("2", 2000),
        message("2", 2200, DOWN, type="two"),
    )


def test_who_comes_back_after_the_end_gets_the_second_take() -> None:
    staging = Staging(sockets(first_ends=1000))
    staging.opens("a", at=0)
    staging.says(1500)
    staging.session.forget("a")
    staging.opens("b", at=2000)
    assert [brief(event) for event in staging.says(9000)] == ["101", "two"]


def test_who_comes_while_the_first_is_still_there_is_somebody_else() -> None:
    staging = Staging(sockets(first_ends=1000))
    staging.opens("a", at=0)
    staging.opens("b", at=500)
    assert [brief(event) for event in staging.says(9000) if event.flow == "b"] == ["101", "one", "close 1012"]


def test_a_second_connection_that_was_recorded_beside_the_first_is_one() -> None:
    staging = Staging(sockets(first_ends=5000))
    staging.opens("a", at=0)
    staging.opens("b", at=500)
    assert [brief(event) for event in staging.says(4000) if event.flow == "b"] == ["101", "two"]


def test_strangers_are_one_and_known_clients_are_themselves() -> None:
    stranger, other = Client(name="1"), Client(name="2")
    known, another = Client(name="3", known=True), Client(name="4", known=True)
    assert same(stranger, other) and same(known, known)
    assert not same(known, another) and not same(stranger, known)


def test_after_a_new_beginning_nobody_is_known() -> None:
    everybody = clients()
    first = everybody.of(asking("1", Authorization=f"Bearer {TOKEN}"))
    everybody.of(asking("2"))
    assert everybody.forget() == 2
    again = everybody.of(asking("3", Authorization=f"Bearer {TOKEN}"))
    assert again is not first
    assert again.name == "client 3"
    assert everybody.forget() == 1


# --- what others have as well -----------------------------------------------------------------------------------

KEY, MINE, YOURS = "one-key-of-the-application", "alice-has-this-token", "bob-has-another-token"


def test_an_api_key_that_all_have_does_not_make_them_one() -> None:
    alice = asking("1", X_Api_Key=KEY, Authorization=f"Bearer {MINE}")
    bob = asking("2", X_Api_Key=KEY, Authorization=f"Bearer {YOURS}")
    assert names(alice, bob, alice, bob) == ["client 1", "client 2", "client 1", "client 2"]
    cookie = asking("3", X_Api_Key=KEY, Cookie=f"sid={COOKIE}")
    assert names(cookie, alice, bob, cookie) == ["client 1", "client 2", "client 3", "client 1"]


def test_who_shows_one_more_thing_is_the_same() -> None:
    asked = [asking("1", X_Api_Key=KEY), asking("2", X_Api_Key=KEY, Authorization=f"Bearer {MINE}")]
    asked += [
        asking("3", Authorization=f"Bearer {MINE}", Cookie=f"sid={COOKIE}"),
        asking("4", Cookie=f"sid={COOKIE}"),
    ]
    assert names(*asked) == ["client 1"] * 4


def test_a_new_token_about_the_same_subject_is_no_other_client() -> None:
    mine, refreshed, yours = (sign({"sub": sub, "iat": at}) for sub, at in (("a", 1), ("a", 2), ("b", 1)))
    asked = [asking("1", X_Api_Key=KEY, Authorization=f"Bearer {token}") for token in (mine, refreshed, yours)]
    assert names(*asked) == ["client 1", "client 1", "client 2"]


@pytest.mark.parametrize("name", ["page_token", "nextPageToken", "csrf_token"])
def test_a_token_that_is_no_credential_tells_nothing(name: str) -> None:
    assert names(*(get(f"{n}", 0, f"/items?{name}={COOKIE}") for n in range(2))) == ["client 1", "client 2"]


NAMED = recording(
    post("1", 0, "/rooms", name="the-room-of-alice-1", model="a-model-of-size-7"),
    answer("1", 10, 201, name="the-room-of-alice-1", model="a-model-of-size-7"),
    get("2", 20, "/rooms/the-room-of-alice-1"),
    answer("2", 30, name="the-room-of-alice-1", model="a-model-of-size-7"),
)


def told(staging: Staging, *asked: Request) -> list[dict[str, object]]:
    found = []
    for request in asked:
        staging.hears(request)
        found.append(data(staging.says(request.at // MILLISECOND + 50)[-1]))
    return found


def test_a_name_that_many_may_say_tells_only_who_asks_for_it() -> None:
    """Two who use the same model are two; who asks for the room that it has named is known."""
    staging = Staging(NAMED)
    first, second = told(
        staging,
        post("a", 0, "/rooms", name="where-alice-is-7", model="a-model-that-all-use"),
        post("b", 100, "/rooms", name="where-bob-is-8", model="a-model-that-all-use"),
    )
    assert (first["name"], second["name"]) == ("where-alice-is-7", "where-bob-is-8")
    opened = [note.detail["client"] for note in staging.notes("opened")]
    assert len(set(opened)) == 2
    (room,) = told(staging, get("c", 200, "/rooms/where-alice-is-7"))
    assert room == {"name": "where-alice-is-7", "model": "a-model-that-all-use"}
    assert staging.notes("opened")[-1].detail["client"] == opened[0]


def test_who_shows_a_token_and_knows_an_id_of_another_is_not_the_other() -> None:
    staging = Staging(LOGIN)
    told(staging, replace(post("a", 0, "/sessions"), headers=(("Authorization", f"Bearer {MINE}"),)))
    (made,) = [event for event in staging.session.journal.events if isinstance(event, Response)]
    staging.opens("b", 100, f"/ws/{data(made)['id']}", (("Authorization", f"Bearer {YOURS}"),))
    staging.says(200)
    staging.opens("c", 300, f"/ws/{data(made)['id']}")
    staging.says(400)
    assert [note.detail["client"] for note in staging.notes("opened")] == ["client 1", "client 2", "client 1"]


def test_short_ids_are_never_made_twice_while_there_are_others() -> None:
    staging = Staging(recording(post("1", 0, "/sessions"), answer("1", 10, 201, id="room_of_1234")))
    made = {str(room["id"]) for room in told(staging, *(post(f"{n}", n * 100, "/sessions") for n in range(300)))}
    assert len(made) == 300


def test_a_session_of_letters_and_a_long_token_are_made_for_one_client() -> None:
    token = sign({"sub": "alice", "scope": "read " * 40})
    played = recording(
        post("1", 0, "/login", email="alice@example.com"),
        answer("1", 10, access_token=token, refresh_token="rt.QwErTyUiOp.AsDfGh12345"),
        get("2", 20, "/me", (("Authorization", f"Bearer {token}"),)),
        answer("2", 30, email="alice@example.com"),
    )
    staging = Staging(played)
    logins = told(staging, *(post(f"l{n}", n, "/login", email=f"{n}@example.com") for n in range(3)))
    assert len({str(login["refresh_token"]) for login in logins}) == 3
    asked = (
        get(f"m{n}", 500, "/me", (("Authorization", f"Bearer {login['access_token']}"),))
        for n, login in enumerate(logins)
    )
    assert [said["email"] for said in told(staging, *asked)] == [f"{n}@example.com" for n in range(3)]
