"""Bindings: what recorded values are called in this run, for this client, on this flow."""

from __future__ import annotations

import random
import re

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Event, Message
from simulator.core.recording import Recording
from simulator.core.units import SECOND
from simulator.core.values.bindings import Bindings, Scope
from simulator.core.values.planning import plan
from simulator.core.values.tokens import SIMULATOR_KEY, claims_of, is_ours, resign, sign
from tests.conversations import CREATED, agent_run, recording
from tests.core.playing import answer, data, down, get, message, post, socket, up

DAY = 86_400 * SECOND
OTHERS_KEY = "a key that only the recorded server has, of decent length"


def binding(played: Recording, seed: int = 1, **fields: object) -> Bindings:
    return Bindings(plan=plan(played), client=Scope(), rng=random.Random(seed), **fields)  # type: ignore[arg-type]


def served(bindings: Bindings, played: Recording, index: int, later: int = DAY) -> dict[str, object]:
    """A recorded event as the client gets it, a day after it was recorded."""
    event = played.events[index]
    return data(bindings.substitute(index, event, CREATED + event.at + later))


# --- echoes ----------------------------------------------------------------------------------------------------

ECHO = socket(
    up(200, type="start", thread_id="thread_7", text="Cut the costs"),
    down(300, type="started", thread_id="thread_7", prompt="Cut the costs", more="thread_8"),
)


def test_what_the_client_sent_comes_back() -> None:
    bindings = binding(ECHO)
    bindings.learn(2, up(0, type="start", thread_id="mine", text="Raise them"))
    assert served(bindings, ECHO, 3) == {
        "type": "started",
        "thread_id": "mine",
        "prompt": "Raise them",
        "more": "thread_8",
    }
    assert bindings.stands_for("thread_7", "mine")
    assert not bindings.stands_for("thread_7", "unknown")


def test_what_the_client_did_not_send_stays_as_it_was_recorded() -> None:
    bindings = binding(ECHO)
    assert served(bindings, ECHO, 3)["thread_id"] == "thread_7"
    bindings.learn(2, up(0, type="start", text=None))
    assert served(bindings, ECHO, 3)["thread_id"] == "thread_7"
    assert served(bindings, ECHO, 3)["prompt"] is None


def test_the_latest_that_the_client_sent_counts() -> None:
    bindings = binding(ECHO)
    for name in ("first", "second"):
        bindings.learn(2, up(0, type="start", thread_id=name))
    assert served(bindings, ECHO, 3)["thread_id"] == "second"
    assert bindings.stands_for("thread_7", "first"), "the first one is still known"


def test_an_echo_is_given_though_nothing_is_to_be_fresh() -> None:
    bindings = binding(ECHO, fresh=False)
    bindings.learn(2, up(0, type="start", thread_id="mine", text="x"))
    assert served(bindings, ECHO, 3)["thread_id"] == "mine"


def test_a_number_stays_a_number_and_a_text_a_text() -> None:
    played = recording(get("1", 0, "/items/48213"), answer("1", 10, id=48213, name="48213"))
    bindings = binding(played)
    bindings.learn(0, get("x", 0, "/items/7"))
    assert served(bindings, played, 1) == {"id": 7, "name": "7"}
    bindings.learn(0, get("x", 0, "/items/-12"))
    assert served(bindings, played, 1) == {"id": -12, "name": "-12"}


@pytest.mark.parametrize("odd", ["seven", "7b", "--7", "²", "٣٣", "9" * 5000, ""])
def test_what_is_no_number_stands_as_the_text_it_is(odd: str) -> None:
    played = recording(get("1", 0, "/items/48213"), answer("1", 10, id=48213))
    bindings = binding(played)
    bindings.learn(0, get("x", 0, f"/items/{odd}"))
    assert served(bindings, played, 1)["id"] == odd


# --- what the server makes -------------------------------------------------------------------------------------


def test_a_minted_id_is_one_and_the_same_within_a_flow() -> None:
    played = agent_run()
    bindings = binding(played)
    runs = [served(bindings, played, index)["data"]["run_id"] for index in (7, 8, 9)]  # type: ignore[index]
    assert len(set(runs)) == 1
    assert re.fullmatch(r"run_start_agent_1_[0-9a-f]{8}", str(runs[0]))
    assert runs[0] != "run_start_agent_1_ab12cd34"
    assert bindings.stands_for("run_start_agent_1_ab12cd34", str(runs[0]))


def test_a_minted_id_is_made_anew_when_its_first_event_is_served_again() -> None:
    played = agent_run()
    bindings = binding(played)
    first, second = (served(bindings, played, 7)["data"]["run_id"] for _ in range(2))  # type: ignore[index]
    assert first != second
    assert served(bindings, played, 8)["data"]["run_id"] == second  # type: ignore[index]


def test_each_luck_makes_other_ids_and_the_same_luck_the_same() -> None:
    played = agent_run()
    made = [str(served(binding(played, seed), played, 7)["data"]["run_id"]) for seed in (1, 1, 2)]  # type: ignore[index]
    assert made[0] == made[1] != made[2]


def test_nothing_is_minted_if_nothing_is_to_be_fresh() -> None:
    played = agent_run()
    bindings = binding(played, fresh=False)
    event = played.events[7]
    assert bindings.substitute(7, event, CREATED + DAY) == event


def test_one_flow_of_a_client_knows_what_another_was_given() -> None:
    uuid = "0b8f3c52-7d0e-4c55-9a55-5d3b8d0e6a11"
    played = recording(
        post("1", 0, "/threads"), answer("1", 10, id=uuid), get("2", 20, "/me"), answer("2", 30, t=uuid)
    )
    login = binding(played)
    me = Bindings(plan=login.plan, client=login.client, rng=random.Random(9))
    given_ = served(login, played, 1)["id"]
    assert served(me, played, 3)["t"] == given_ != uuid
    assert me.stands_for(uuid, str(given_))


def test_who_sends_what_was_made_is_told() -> None:
    told: list[str] = []
    played = agent_run()
    bindings = binding(played, minted=told.append, heard=told.append)
    bindings.learn(6, message("x", 0, played.events[6].direction, type="start_agent", thread_id="mine-1"))
    made = served(bindings, played, 7)["data"]["run_id"]  # type: ignore[index]
    assert told == ["mine-1", made]
    served(bindings, played, 4)
    assert told == ["mine-1", made], "times are nobody's"


def test_a_sentence_that_many_may_send_tells_nothing() -> None:
    told: list[str] = []
    bindings = binding(ECHO, heard=told.append)
    bindings.learn(2, up(0, type="start", thread_id="mine", text="Raise them"))
    assert told == ["mine"]


# --- times -----------------------------------------------------------------------------------------------------


def test_times_are_as_far_from_now_as_they_were_from_then() -> None:
    played = socket(
        down(200, type="a", now=1757400000.2, ago="2025-09-09T06:39:00Z"), down(300, same=1757400000.2)
    )
    bindings = binding(played)
    assert served(bindings, played, 2) == {"type": "a", "now": 1757486400.2, "ago": "2025-09-10T06:39:00Z"}
    assert served(bindings, played, 3)["same"] == 1757486400.2


# --- tokens ----------------------------------------------------------------------------------------------------


def token(**claims: object) -> str:
    return jwt.encode(dict(claims), OTHERS_KEY, algorithm="HS256")


def test_a_token_is_signed_again_with_its_claims_and_later_dates() -> None:
    old = token(sub="alice", iat=1757400000, exp=1757400900, roles=["a"])
    played = recording(post("1", 0, "/login"), answer("1", 10, access_token=old))
    new = str(served(binding(played), played, 1)["access_token"])
    claims = jwt.decode(
        new, SIMULATOR_KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert len(claims.pop("jti")) == 32
    assert claims == {"sub": "alice", "iat": 1757486400, "exp": 1757487300, "roles": ["a"]}
    assert is_ours(new) and not is_ours(old)


USER = "usr_340fffa5a3ce"


def test_the_claims_of_a_token_name_whom_the_rest_names() -> None:
    """A user id that is made anew is so in the token too, before and behind it; other claims stay."""
    claims = {
        "sub": USER,
        "name": "Ada \u2028",
        "roles": ["admin", f"owner:{USER}"],
        "exp": CREATED // SECOND + 900,
    }
    token = jwt.encode(claims, OTHERS_KEY, algorithm="HS256")
    played = recording(
        post("1", 0, "/login"),
        answer("1", 100, access_token=token, user_id=USER),
        get("2", 200, f"/users/{USER}"),
        answer("2", 300, user_id=USER),
    )
    bindings = binding(played)
    login = served(bindings, played, 1)
    found = claims_of(str(login["access_token"]))
    user = str(login["user_id"])
    assert found is not None
    assert user != USER
    assert found["sub"] == user == served(bindings, played, 3)["user_id"]
    assert (found["name"], found["roles"]) == (claims["name"], ["admin", f"owner:{user}"])
    assert served(binding(played, fresh=False), played, 1) == {"access_token": token, "user_id": USER}


def test_a_claim_is_what_the_client_has_called_itself_whatever_that_is() -> None:
    token = jwt.encode({"sub": USER, "n": 7}, OTHERS_KEY, algorithm="HS256")
    played = recording(post("1", 0, "/login", id=USER), answer("1", 100, access_token=token, id=USER))
    bindings = binding(played)
    odd = 'q"uo\\te\n'
    bindings.learn(0, post("1", 0, "/login", id=odd))
    found = claims_of(str(served(bindings, played, 1)["access_token"]))
    assert found is not None
    assert (found["sub"], found["n"]) == (odd, 7)


def test_each_client_has_a_token_of_its_own() -> None:
    played = recording(post("1", 0, "/login"), answer("1", 10, access_token=token(sub="alice")))
    tokens = {str(served(binding(played, seed), played, 1)["access_token"]) for seed in range(5)}
    assert len(tokens) == 5


@pytest.mark.parametrize(
    "value", ["", "hello", "a.b.c", "eyJh.eyJi.c", "eyJhbGciOiJIUzI1NiJ9.WzFd.x", "\ud800.\ud800.x"], ids=ascii
)
def test_what_is_no_token_is_given_back(value: str) -> None:
    assert claims_of(value) is None
    assert resign(value, DAY, jti="x") == value
    assert not is_ours(value)


def test_claims_that_others_would_not_write_are_kept() -> None:
    odd = sign({"iss": ["a", "b"], "sub": 7, "exp": "soon", "iat": None, "é": "\ud800"})
    claims = claims_of(resign(odd, DAY, jti="x"))
    assert claims is not None
    assert claims["iss"] == ["a", "b"]
    assert (claims["sub"], claims["exp"], claims["iat"]) == (7, "soon", None)


# --- laws ------------------------------------------------------------------------------------------------------

live_values = st.none() | st.booleans() | st.integers() | st.text(st.characters())


@given(live_values, live_values)
def test_whatever_a_client_sends_comes_back_as_it_was_sent(thread: object, text: object) -> None:
    bindings = binding(ECHO)
    bindings.learn(2, up(0, type="start", thread_id=thread, text=text))
    event: Event = bindings.substitute(3, ECHO.events[3], CREATED)
    assert isinstance(event, Message)
    event.payload.decode()
    found = data(event)
    for name, sent in (("thread_id", thread), ("prompt", text)):
        assert found[name] == (str(sent) if type(sent) is int else sent), "a number stands where a text did"
