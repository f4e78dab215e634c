"""Law 5: a recording read back is the recording that was written. Law 6: a journal is a recording."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import (
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Fragment,
    Message,
    Ping,
    Pong,
    Request,
    Reset,
    Response,
)
from simulator.core.recording import Correlation, Header, Recording, Service
from simulator.core.rule import Rule, Trigger
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import SECOND
from simulator.faults.stall import StallFault
from simulator.files.reader import load
from simulator.files.writer import RecordingWriter, save
from tests.conversations import CREATED, agent_run, recordings

payloads = st.binary(max_size=40) | st.text(max_size=40).map(str.encode)
json_text = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=30) | st.builds(
    lambda value, style: style(value),
    json_text,
    st.sampled_from(
        [
            json.dumps,
            lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
            lambda value: json.dumps(value, indent=1),
        ]
    ),
)
headers = st.lists(st.tuples(st.sampled_from(["Accept", "X-Id"]), st.text("abc =/;", max_size=8)), max_size=3).map(
    tuple
)
ways = st.sampled_from(list(Direction))
common = {"flow": st.sampled_from(["1", "2"]), "at": st.integers(0, 10**13), "id": st.none() | st.just("a")}
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Request,
        **common,
        service=st.just("backend"),
        method=st.sampled_from(["GET", "POST"]),
        target=st.just("/x?y=1"),
        headers=headers,
        body=payloads,
    ),
    st.builds(
        Response, **common, status=st.integers(100, 999), headers=headers, body=payloads, streaming=st.booleans()
    ),
    st.builds(Chunk, **common, data=payloads),
    st.builds(End, **common),
    st.builds(
        Message,
        **common,
        direction=ways,
        data=texts | payloads,
        fragments=st.lists(
            st.builds(Fragment, size=st.integers(0, 9), after=st.integers(0, 10**9)), max_size=3
        ).map(tuple),
        compressed=st.booleans(),
    ),
    st.builds(Ping, **common, direction=ways, data=payloads),
    st.builds(Pong, **common, direction=ways, data=payloads),
    st.builds(Close, **common, direction=ways, code=st.none() | st.integers(0, 65535), reason=st.text(max_size=9)),
    st.builds(Reset, **common, direction=ways, rst=st.booleans()),
    st.builds(Bytes, **common, direction=ways, data=payloads),
)
made = st.lists(events, max_size=8).map(
    lambda found: Recording(
        header=Header(
            title="made up",
            created=CREATED + 123456,
            services=(Service(name="backend", origins=("https://a",)),),
            correlate=(Correlation(name="id", kind="echoed", source="a > $.id", targets=("a < $.id",)),),
            ignore=("a < $.x",),
            redacted={"jwt": 2},
            seed=7,
        ),
        events=tuple(sorted(found, key=lambda event: event.at)),
    )
)


def read_back(recording: Recording) -> Recording:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.jsonl"
        save(recording, path)
        return load(path).recording


@given(made)
def test_every_recording_survives_its_file(recording: Recording) -> None:
    assert read_back(recording) == recording


def test_an_agent_run_survives_its_file() -> None:
    assert read_back(agent_run()) == agent_run()


def test_the_journal_of_a_run_is_a_recording_that_replays(tmp_path: Path) -> None:
    stall = Rule(name="stall", fault=StallFault(), when=Trigger(nth=3, lasts=30 * SECOND))
    settings = Settings(wall=CREATED, fresh=False)
    journal = simulate(agent_run(), [stall], settings)
    path = tmp_path / "journal.jsonl"
    with RecordingWriter(path, redact=lambda event: event) as writer:
        writer.begin(Header(created=CREATED))
        for entry in journal:
            writer.write(entry)
    loaded = load(path)
    assert loaded.notes == journal.notes()
    assert loaded.recording.events == journal.events
    assert simulate(loaded.recording, settings=settings).events == journal.events


@given(recordings())
def test_every_journal_replays_to_itself(recording: Recording) -> None:
    settings = Settings(wall=CREATED, fresh=False)
    events = simulate(recording, settings=settings).events
    again = simulate(replace(recording, events=events), settings=settings).events
    assert sorted(again, key=_order) == sorted(events, key=_order)


def _order(event: Event) -> tuple[int, str]:
    return event.at, event.flow
