"""What can go wrong with messages, as clients see it that other people wrote.

What they see of each fault as its example file has it stands in the README; here are the variants.
"""

from __future__ import annotations

import json
import random
from datetime import date

import pytest

from simulator.core.events import Message
from simulator.core.fault import Context
from simulator.core.units import MILLISECOND
from simulator.faults.latency import LatencyFault
from simulator.files.rulemodels import rule_of
from tests.conversations import DOWN, recording, text
from tests.faults.foreign import CLIENTS, Conversation
from tests.faults.wire import ALL, look, rules_of, sees, ticking, watch

each_client = pytest.mark.parametrize("client", CLIENTS)


@pytest.mark.parametrize(
    ("fault", "params", "words"),
    [
        ("duplicate", {"every": 3}, ["welcome", "tick 1", "tick 2", "tick 2", *ALL[4:6], "tick 5", "tick 5"]),
        ("duplicate", {"every": 6, "copies": 2}, [*ALL[1:6], "tick 5", "tick 5", "tick 5"]),
        ("duplicate", {"every": 6, "gap": "10ms"}, [*ALL[1:6], "tick 5", "tick 5"]),
        ("replay-old", {"back": 1, "every": 6}, [*ALL[1:6], "tick 4", "tick 5"]),
        ("replay-old", {"back": 5, "every": 6}, [*ALL[1:6], "welcome", "tick 5"]),
        ("reorder", {"hold": "20ms"}, ["welcome", "tick 2", "tick 4", "tick 1", "tick 3", "tick 5"]),
        ("fragment", {"gap": "2ms"}, ALL[1:7]),
        ("throttle", {"rate": 100_000}, ALL[1:7]),
        ("latency", {"delay": "10ms", "jitter": "10ms", "distribution": "pareto"}, ALL[1:7]),
    ],
)
@each_client
def test_messages_come_as_declared(client: str, fault: str, params: dict[str, object], words: list[str]) -> None:
    assert sees(client, fault, **params) == ["open", *words, "closed 1000 done"]


def said(client: str, fault: str, **params: object) -> list[str]:
    """The texts that a client gets under an example file, and without it in between."""
    seen, server = look(client, rules_of(fault, **params))
    assert server.session.stages[0].fired
    return seen.texts


@each_client
def test_a_message_is_cut_short(client: str) -> None:
    whole = look(client, [])[0].texts
    assert said(client, "truncate")[2] == whole[2][: len(whole[2]) // 2]
    assert said(client, "truncate", keep=7) == [*whole[:2], whole[2][:7], *whole[3:5], whole[5][:7]]
    assert said(client, "truncate", keep=0)[2] == ""


@pytest.mark.parametrize("size", [100, 70_000])
def test_a_message_grows_to_its_size_and_says_the_same(size: int) -> None:
    whole, large = look("websockets", [])[0].texts[2], said("websockets", "oversize", size=size)[2]
    assert len(large) == size
    assert {**json.loads(whole), "padding": json.loads(large)["padding"]} == json.loads(large)


TICK = {"type": "tick", "number": 2}


@pytest.mark.parametrize(
    ("kind", "path", "becomes"),
    [
        ("missing-field", "$.number", {"type": "tick"}),
        ("null", "$.number", {**TICK, "number": None}),
        ("wrong-type", "$.number", {**TICK, "number": "2"}),
        ("wrong-type", "$.type", {**TICK, "type": 4}),
    ],
)
@each_client
def test_a_value_is_broken(client: str, kind: str, path: str, becomes: dict[str, object]) -> None:
    texts = said(client, "corrupt", kind=kind, path=path)
    found = json.loads(texts[2])
    assert found.pop("run_id")
    assert found == becomes
    assert json.loads(texts[1])["number"] == 1


@each_client
def test_a_message_is_malformed(client: str) -> None:
    texts = said(client, "corrupt")
    assert texts[2].startswith('{"type": "tick", "number": 2')
    with pytest.raises(json.JSONDecodeError):
        json.loads(texts[2])


@each_client
def test_an_id_is_stale(client: str) -> None:
    before, after = (json.loads(line)["run_id"] for line in said(client, "corrupt", kind="stale-id")[1:3])
    assert after.startswith("run_")
    assert len(after) == len(before)
    assert after != before


def test_a_stale_id_is_one_that_was_in_use() -> None:
    runs = [text("1", 100 + n, DOWN, type="tick", number=n, run_id=f"run_{n}a8f5f167f44f") for n in range(3)]
    flow = ticking().events
    played = recording(*flow[:4], *runs, flow[-2], flow[-1])
    seen, _ = look("aiohttp", rules_of("corrupt", kind="stale-id", path="$.run_id"), played)
    said = [json.loads(line)["run_id"] for line in seen.texts[1:]]
    assert said[1] == said[0]
    assert said[2] not in said[:2]


@each_client
def test_a_server_speaks_another_dialect(client: str) -> None:
    first, second = (json.loads(line) for line in said(client, "dialect")[:2])
    assert first["event"] == "welcome"
    assert list(second) == ["event", "number", "run_id"]


def test_a_dialect_is_about_fields_at_any_depth_and_about_types() -> None:
    played = recording(
        *ticking().events[:4],
        text("1", 100, DOWN, type="agent_completed", data={"type": "x", "steps": [{"data": 1}], "said": "type"}),
        *ticking().events[-2:],
    )
    line = look("wsproto", rules_of("dialect"), played)[0].texts[1]
    assert json.loads(line) == {
        "event": "final_report",
        "payload": {"event": "x", "steps": [{"payload": 1}], "said": "type"},
    }


@each_client
def test_a_request_is_acknowledged_and_nothing_else(client: str) -> None:
    assert watch(client, rules_of("ack-only"), "1h") == [["open", "welcome", "ack"]]


@pytest.mark.parametrize("gap", ["0s", "2ms"])
def test_a_message_comes_in_fragments(gap: str) -> None:
    plain, _ = look("wsproto", [])
    seen, _ = look("wsproto", rules_of("fragment", parts=4, gap=gap))
    assert plain.frames == [1] * 6
    assert seen.frames == [4] * 6
    assert seen.words == plain.words


def test_fragments_have_times_of_their_own() -> None:
    spans = watch("wsproto", rules_of("fragment", gap="1m"), "10s", "2m")
    assert spans[0] == ["open"]
    assert spans[1][:2] == ["open", "welcome"]


@each_client
def test_messages_are_held_back_and_come_at_once(client: str) -> None:
    played = ticking(closes=False)
    assert watch(client, rules_of("burst", count=7), "9s", "9s", played=played) == [["open"], ALL[:-1]]
    assert watch(client, rules_of("burst", count=4), "8s", "9s", played=played) == [ALL[:5], ALL[:-1]]


@each_client
def test_messages_are_joined(client: str) -> None:
    lines, array = said(client, "coalesce"), said(client, "coalesce", how="array")
    assert len(lines) == len(array) == 2
    assert [json.loads(line).get("number") for line in lines[0].split("\n")] == [None, 1, 2]
    assert [each["number"] for each in json.loads(array[1])] == [3, 4, 5]


def test_what_is_left_over_is_joined_as_well() -> None:
    seen, _ = look("websockets", rules_of("coalesce", count=4))
    assert [line.count("\n") for line in seen.texts] == [3, 1]


def test_binary_messages_are_joined_with_each_other_only() -> None:
    pieces = [
        Message(flow="1", at=100_000 + n, direction=DOWN, data=data)
        for n, data in enumerate((b"\x00", b"\x01", "text", b"\x02"))
    ]
    flow = ticking().events
    played = recording(*flow[:4], *pieces, flow[-2], flow[-1])
    seen, _ = look("aiohttp", rules_of("coalesce", count=9), played)
    assert seen.texts[1:] == ["0001", "text", "02"]


@pytest.mark.parametrize(
    ("distribution", "mean", "least", "most"),
    [
        ("fixed", 200, 200, 200),
        ("uniform", 200, 150, 250),
        ("normal", 200, 0, 400),
        ("pareto", 225, 200, 2000),
    ],
)
def test_a_latency_has_its_distribution(distribution: str, mean: int, least: int, most: int) -> None:
    delay, jitter = 200 * MILLISECOND, 50 * MILLISECOND
    fault = LatencyFault(delay=delay, jitter=jitter, distribution=distribution)  # type: ignore[arg-type]
    message = Message(flow="1", at=0, direction=DOWN, data="")
    context = Context(flow="1", now=0, rng=random.Random(1))
    found = [event.at / MILLISECOND for _ in range(2000) for event in fault.apply(message, context)]
    assert least <= min(found) <= max(found) <= most
    assert abs(sum(found) / len(found) - mean) < 5
    spread = sum(abs(each - mean) for each in found) / len(found)
    assert {"fixed": spread == 0, "uniform": 20 < spread < 30, "normal": 35 < spread < 45}.get(distribution, True)
    if distribution == "pareto":
        assert sum(each > 300 for each in found) > 20, "a long tail"


@pytest.mark.parametrize(
    ("fault", "fields", "problem"),
    [
        ("close", {"code": 70_000}, "code: expected 0 to 65535, got 70000"),
        ("close", {"reason": "é" * 62}, "reason: expected at most 123 bytes, got 124"),
        ("corrupt", {"path": "data"}, "path: a JSON path begins with '$', as in '$.data.id'"),
        ("ack-only", {"echo": {"id": "id"}}, "echo.id: a JSON path begins with '$', as in '$.data.id'"),
        ("burst", {"count": 1}, "count: expected 2 or more, got 1"),
        ("coalesce", {"count": 1}, "count: expected 2 or more, got 1"),
        ("duplicate", {"copies": 0}, "copies: expected 1 to 10000, got 0"),
        ("fragment", {"parts": 1}, "parts: expected 2 to 10000, got 1"),
        ("inject", {"json": {"a": 1}, "text": "b"}, "text: expected either json or text"),
        ("bad-length", {"extra": -1}, f"extra: expected 1 to {1 << 62}, got -1"),
        ("close", {"reason": "\ud800"}, "reason: is no text: half a surrogate pair"),
        (
            "inject",
            {"json": {"day": date(2025, 9, 8)}},
            "json: not JSON: Object of type date is not JSON serializable",
        ),
        ("limit", {"status": 42}, "status: expected 200 to 999, got 42"),
        ("oversize", {"size": 1 << 40}, f"size: expected 1 to {64 << 20}, got {1 << 40}"),
        ("wrong-accept", {"accept": "a\r\nb: c"}, "accept: expected one line of ASCII"),
        ("wrong-subprotocol", {"subprotocol": "ä"}, "subprotocol: expected one line of ASCII"),
        ("limit", {"connections": -1}, "connections: expected 0 or more, got -1"),
        ("ping-flood", {"count": 0}, "count: expected 1 to 100000, got 0"),
        ("replay-old", {"back": 0}, "back: expected 1 or more, got 0"),
        ("reset-mid-frame", {"share": 1.0}, "share: expected a share between 0 and 1, got 1.0"),
        ("throttle", {"rate": 0}, "rate: expected 1 byte per second or more, got 0"),
        ("truncate", {"keep": -1}, "keep: expected 0 or more, got -1"),
        ("unknown-opcode", {"opcode": 1}, "opcode: expected 3 to 7 or 11 to 15, got 1"),
        ("unsolicited-pong", {"data": "x" * 126}, "data: expected at most 125 bytes"),
    ],
)
def test_a_mistake_in_a_field_has_its_place(fault: str, fields: dict[str, object], problem: str) -> None:
    rule, wrong = rule_of({"fault": fault, **fields}, "rule")
    assert rule is None
    assert [str(error) for error in wrong] == [problem]


@each_client
def test_a_stall_of_data_lets_heartbeats_through(client: str) -> None:
    beats = [text("1", 150 + 100 * n, DOWN, type="ping", number=n) for n in range(3)]
    played = recording(*ticking().events, *beats)
    assert watch(client, rules_of("stall"), "8s", played=played) == [["open", "welcome"]]
    through = watch(client, rules_of("stall", only="data"), "8s", played=played)
    assert through == [["open", "welcome", "ping 0", "ping 1", "ping 2"]]


@each_client
def test_an_outage_has_its_time(client: str) -> None:
    outage = rules_of("outage", begin="200ms", end="30s")
    assert watch(client, outage, "16s", "16s") == [["open", "welcome"], ALL]


@each_client
def test_a_slow_connection_brings_one_after_the_other(client: str) -> None:
    slow = rules_of("throttle", rate=1)  # a message of 54 bytes takes 54 seconds, one of 59 takes 59
    assert watch(client, slow, "50s", "16s", "48s", played=ticking(closes=False)) == [
        ["open"],
        ["open", "welcome"],
        ["open", "welcome", "tick 1"],
    ]


@each_client
def test_what_the_client_says_is_lost_when_it_is_too_long(client: str) -> None:
    at_most, played = len(Conversation().says[0]), ticking(closes=False)
    lost = watch(client, rules_of("oversize-dropped", longer_than=at_most - 1), "1h", played=played)
    assert lost == [["open", "welcome"]]
    assert look(client, rules_of("oversize-dropped", longer_than=at_most))[0].words == ALL
