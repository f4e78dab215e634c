"""Several recordings answer like the service that they came from."""

from __future__ import annotations

import json

from hypothesis import given, settings

from simulator.core.events import Message
from simulator.core.recording import Recording, Service
from simulator.core.script import Script, compile_script
from tests.conversations import agent_run, corpus, recording, recordings
from tests.core.playing import DOWN, UP, Staging, answer, brief, briefly, data, get, message, post, upgrade

USERS = ("7f0c8a52-8f7b-4f0e-9d62-0b7a4f5c1d3e", "6e0c8a52-8f7b-4f0e-9d62-0b7a4f5c1d3f")


def day(number: int, word: str, reply: str) -> Recording:
    """A login, then a WebSocket on which one thing is asked."""
    user = USERS[number]
    return recording(
        post("1", 0, "/login", email="e2e@example.com"),
        answer("1", 100, user_id=user),
        *upgrade("2", 200, target=f"/ws?user={user}"),
        message("2", 400, DOWN, type="hello", user_id=user),
        message("2", 500, UP, type=word),
        message("2", 600, DOWN, type=reply, user_id=user),
        services=(Service(name="backend", origins=(f"https://{number}.example",)),),
    )


def two() -> Script:
    return corpus(("good", day(0, "start", "started")), ("bad", day(1, "stop", "stopped")))


def run(word: str) -> tuple[Staging, list[str], set[object]]:
    staging = Staging(two())
    staging.hears(post("a", 0, "/login", email="e2e@example.com"))
    given_ = data(staging.says(200)[0])
    staging.opens("b", 300, target=f"/ws?user={given_['user_id']}")
    staging.hears(message("b", 1000, UP, type=word))
    said = staging.says(9000)
    users = {json.loads(event.data)["user_id"] for event in said if isinstance(event, Message)}
    return staging, [brief(event) for event in said], users | {given_["user_id"]}


def test_the_recording_is_followed_that_has_what_the_client_does() -> None:
    assert run("start")[1] == ["101", "hello", "started"]
    assert run("stop")[1] == ["101", "hello", "stopped"]


def test_a_client_keeps_its_ids_from_one_recording_to_another() -> None:
    for word in ("start", "stop"):
        _, _, users = run(word)
        assert len(users) == 1
        assert not users & set(USERS)


def test_what_is_in_one_only_is_answered_by_that_one() -> None:
    more = recording(get("1", 0, "/more"), answer("1", 10, status=200))
    less = recording(get("1", 0, "/less"), answer("1", 10, status=404))
    staging = Staging(corpus(("more", more), ("less", less)))
    staging.hears(*(get(name, 0, f"/{name}") for name in ("more", "less", "none")))
    assert sorted(brief(event) for event in staging.says(100)) == ["200", "404", "501"]
    assert [note.detail["as"] for note in staging.notes("opened")] == ["more/1", "less/1"]


def test_where_both_fit_the_first_recording_answers_until_another_is_followed() -> None:
    def health(status: int, extra: str) -> Recording:
        return recording(
            get("1", 0, "/health"), answer("1", 10, status=status), get("2", 20, extra), answer("2", 30)
        )

    staging = Staging(corpus(("good", health(200, "/fine")), ("bad", health(503, "/broken"))))

    def status(at: int, target: str) -> str:
        staging.hears(get(f"{target} {at}", at, target))
        (said,) = staging.says(at + 50)
        return brief(said)

    assert status(0, "/health") == "200"
    assert status(100, "/broken") == "200"
    assert status(200, "/health") == "503"
    assert status(300, "/fine") == "200"
    assert status(400, "/health") == "200"


def test_two_of_one_name_are_told_apart() -> None:
    script = corpus(("run", agent_run()), ("run", agent_run()))
    assert [flow.flow for flow in script.flows] == ["run/1", "run/2", "run 2/1", "run 2/2"]
    assert script.services == ("backend",)


def test_each_recording_keeps_its_own_rules() -> None:
    plain, exact = ({}, {"backend /x > $.agent": "exact"})
    played = [
        recording(post("1", 0, "/x", agent=name), answer("1", 10, status=status), match=match)
        for name, status, match in (("triage", 200, exact), ("data", 201, plain))
    ]
    staging = Staging(corpus(("one", played[0]), ("two", played[1])))
    staging.hears(*(post(name, 0, "/x", agent=name) for name in ("triage", "other")))
    assert sorted(brief(event) for event in staging.says(100)) == ["200", "201"]


def test_one_recording_is_itself() -> None:
    assert corpus(("run", agent_run())) == compile_script(agent_run())


@settings(max_examples=40)
@given(recordings())
def test_a_recording_beside_its_copy_says_what_it_says_alone(played: Recording) -> None:
    alone, twice = (
        Staging(played, fresh=False),
        Staging(corpus(("a", played), ("b", played)), fresh=False),
    )
    upstream = [event for event in played.events if event.direction is UP]
    for staging in (alone, twice):
        staging.hears(*upstream)
    heard = briefly(alone.says(100_000))
    assert briefly(twice.says(100_000)) == heard
    assert not twice.notes("followed")


def test_what_the_headers_say_of_matching_and_secrets_is_joined() -> None:
    def said(standins: tuple[str, ...], rule: str | int, **redacted: int) -> Recording:
        match = {"/ws > order": rule, f"POST /{standins[0]} > json.$.a": "exact"}
        ignore = ("GET /x > json.$.at", f"GET /{standins[0]} > json.$.at")
        return recording(
            get("1", 0, "/x"), answer("1", 10), standins=standins, match=match, ignore=ignore, redacted=redacted
        )

    one, other = said(("a", "b"), 3, password=1, jwt=2), said(("c", "b"), "recorded", jwt=5)
    header = corpus(("one", one), ("other", other)).recording.header
    assert header.standins == ("a", "b", "c")
    assert header.redacted == {"password": 1, "jwt": 7}
    assert header.ignore == ("GET /x > json.$.at", "GET /a > json.$.at", "GET /c > json.$.at")
    both = {"POST /a > json.$.a": "exact", "POST /c > json.$.a": "exact"}
    assert header.match == {"/ws > order": 3, **both}, "of two orders that of the first, as it answers first"
