"""Cassettes: what PyYAML writes, in the types that it meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.core.events import Request, Response
from simulator.core.recording import Header, Recording
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import SECOND
from simulator.files.importers import cassette
from simulator.files.importers.bodies import NO_CODING
from tests.files.importers.reading import SAMPLES, read_text


def taped(path: Path, **response: object) -> tuple[Request, Response, tuple[str, ...]]:
    """What is read of one interaction with such a response."""
    answer = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "x"}} | response
    request = {"method": "GET", "uri": "https://api.staging/x", "body": None, "headers": {"Accept": ["*/*"]}}
    path.write_text(json.dumps({"version": 1, "interactions": [{"request": request, "response": answer}]}))
    imported = read_text(path)
    asked, answered = imported.events
    assert isinstance(asked, Request) and isinstance(answered, Response)
    return asked, answered, imported.losses


@pytest.mark.parametrize("value", ["12e45", "1e3", "0o17", "08:15", "2026-11-22x"])
def test_a_plain_text_that_yaml_1_2_takes_for_a_number_is_a_text(tmp_path: Path, value: str) -> None:
    text = (SAMPLES / "requests.yaml").read_text().replace("theme=dark; Path=/", value)
    (tmp_path / "x.yaml").write_text(text)
    assert any(("Set-Cookie", value) in event.headers for event in read_text(tmp_path / "x.yaml").events)  # type: ignore[attr-defined]


def test_a_date_says_when_it_was(tmp_path: Path) -> None:
    headers = {"Date": ["Tue, 09 Sep 2025 06:40:00 GMT"], "Set-Cookie": ["a=1", "b=2"], "ETag": "x"}
    _, answered, losses = taped(tmp_path / "x.json", headers=headers)
    assert read_text(tmp_path / "x.json").created == 1_757_400_000 * SECOND
    assert [value for name, value in answered.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert losses == (f"{cassette.NO_TIMES}: 1",)
    for date in ({}, {"Date": ["yesterday"]}):
        assert f"{cassette.NO_DATE}: 1" in taped(tmp_path / "x.json", headers=date)[2]


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2020 00:00:00 +99999999999999999999",
        "Mon, 99999999999999999999 Jan 2020 00:00:00 GMT",
    ],
)
def test_a_date_that_is_none_says_nothing(tmp_path: Path, date: str) -> None:
    _, _, losses = taped(tmp_path / "x.json", headers={"Date": [date]})
    assert any(line.startswith(cassette.NO_DATE) for line in losses)


def test_a_text_under_a_coding_that_is_not_written_here_is_left_decoded(tmp_path: Path) -> None:
    _, answered, losses = taped(tmp_path / "x.json", headers={"Content-Encoding": ["br"]})
    assert (answered.body, answered.headers) == (b"x", ())
    assert f"{NO_CODING}: 1" in losses


def test_bytes_under_such_a_coding_stay_as_they_were(tmp_path: Path) -> None:
    text = (
        (SAMPLES / "requests.yaml").read_text().replace("Content-Type:\n      - image/png", "Content-Encoding: br")
    )
    (tmp_path / "x.yaml").write_text(text)
    imported = read_text(tmp_path / "x.yaml")
    dot = next(event for event in imported.events if isinstance(event, Response) and event.body[:4] == b"\x89PNG")
    assert ("Content-Encoding", "br") in dot.headers


def test_a_cassette_replays_in_order() -> None:
    imported = read_text(SAMPLES / "requests.yaml")
    recording = Recording(header=Header(created=imported.created), events=imported.events)
    assert len(compile_script(recording).flows) == 4
    journal = simulate(recording, settings=Settings(wall=imported.created, fresh=False))
    answers = [event.body for event in journal.events if isinstance(event, Response)]
    assert answers == [event.body for event in imported.events if isinstance(event, Response)]
