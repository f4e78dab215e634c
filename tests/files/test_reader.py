"""Reading recordings: every mistake is one line with its place, and a killed recorder costs one line at most."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import RecordingError
from simulator.core.events import Message
from simulator.core.journal import Note
from simulator.files import reader
from simulator.files.reader import load
from simulator.files.writer import save
from tests.conversations import agent_run

HEADER = b'{"stagesim": 1, "title": "t", "services": {"backend": ["https://a"]}}\n'
END = b'{"at": 1, "flow": "1", "kind": "end"}\n'
TEXT = b'{"at": 2, "flow": "1", "kind": "message", "from": "client", "text": "hi"}\n'
Place = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> Place:
    """Puts bytes into a file."""

    def put(*parts: bytes, name: str = "a.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(parts))
        return path

    return put


def problem(path: Path) -> str:
    """What is wrong with a file, without the folder it is in."""
    with pytest.raises(RecordingError) as error:
        load(path)
    line = str(error.value)
    assert "\n" not in line
    return line.replace(f"{path.parent}{os.sep}", "")


# --- line 1 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "a.jsonl: the file is empty; expected a recording's header in line 1"),
        (b"\n", "a.jsonl: the file is empty; expected a recording's header in line 1"),
        (b"GIF89a\x00\xff", 'a.jsonl: not a recording: line 1 has no "stagesim" format version'),
        (b'{"log": {"version": "1.2"}}\n', 'a.jsonl: not a recording: line 1 has no "stagesim" format version'),
        (b'{"stagesim": 1', "a.jsonl:1: not JSON: "),
        (b'{"stagesim": 2}\n', "a.jsonl:1: format version 2; this stagesim reads version 1"),
        (b'{"stagesim": "x"}\n', "a.jsonl:1: stagesim: input should be a valid integer"),
        (b'{"stagesim": 1, "titel": "x"}\n', "a.jsonl:1: titel: not known here"),
        (b'{"stagesim": 1, "created": "soon"}\n', "a.jsonl:1: created: input should be a valid datetime"),
        (b'{"stagesim": 1, "services": ["a"]}\n', "a.jsonl:1: services: input should be an object"),
        (b'{"stagesim": 1, "correlate": [{"name": "x"}]}\n', "a.jsonl:1: correlate[0].kind: missing"),
        (b'["stagesim", 1]\n', "a.jsonl:1: input should be an object"),
        (b'\xef\xbb\xbf{"stagesim": 1}\n', "a.jsonl:1: not JSON: "),
    ],
)
def test_a_bad_first_line_is_told(file: Place, line: bytes, said: str) -> None:
    assert problem(file(line)).startswith(said)


def test_a_header_alone_is_a_recording_of_nothing(file: Place) -> None:
    loaded = load(file(b'{"stagesim": 1}'))
    assert (loaded.recording.events, loaded.notes, loaded.warnings) == ((), (), ())
    assert (loaded.recording.length, loaded.recording.flows()) == (0, {})


def test_the_header_is_read_whole(file: Place) -> None:
    header = {
        "stagesim": 1,
        "created": "2025-09-09T06:40:00",
        "services": {"b": ["https://b"], "a": []},
        "correlate": [{"name": "n", "kind": "echoed", "from": "x > $.a", "to": ["x < $.a"]}],
        "ignore": ["x < $.b"],
        "redacted": {"jwt": 2},
        "seed": 7,
    }
    found = load(file(json.dumps(header).encode())).recording.header
    assert found.created == 1_757_400_000_000_000, "a time without a zone is UTC"
    assert [service.name for service in found.services] == ["b", "a"], "the first service is the default one"
    assert found.correlate is not None
    assert found.correlate[0].targets == ("x < $.a",)
    assert (found.ignore, dict(found.redacted), found.seed) == (("x < $.b",), {"jwt": 2}, 7)


# --- the other lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{]\n", "a.jsonl:2: not JSON: "),
        (b"\xff\n", "a.jsonl:2: not JSON: "),
        (TEXT.replace(b"hi", b"\xff"), "a.jsonl:2: not JSON: "),
        (TEXT.replace(b"hi", b"\\ud800"), "a.jsonl:2: not JSON: "),
        (b'{"at": 1, "flow": "1"}\n', "a.jsonl:2: unable to extract tag using discriminator 'kind'"),
        (END.replace(b"end", b"ende"), "a.jsonl:2: input tag 'ende' found using 'kind' does not match"),
        (END.replace(b"1,", b"-1,"), "a.jsonl:2: end.at: input should be greater than or equal to 0, got -1"),
        (END.replace(b"1,", b"NaN,"), "a.jsonl:2: end.at: input should be"),
        (END.replace(b"1,", b"1e400,"), "a.jsonl:2: end.at: input should be"),
        (END.replace(b'"1"', b'""'), "a.jsonl:2: end.flow: string should have at least 1 character"),
        (TEXT.replace(b"client", b"nobody"), "a.jsonl:2: message.from: input should be 'client' or 'server'"),
        (TEXT.replace(b"text", b"base64"), "a.jsonl:2: message: base64: "),
        (TEXT.replace(b"}", b', "json": 1}'), "a.jsonl:2: message: expected only one of json, text and base64"),
        (TEXT.replace(b"}", b', "style": "compact"}'), "a.jsonl:2: message: style goes with json"),
        (TEXT.replace(b"}", b', "texte": "x"}'), "a.jsonl:2: message.texte: not known here"),
        (TEXT.replace(b"}", b', "fragments": [[1, Infinity]]}'), "a.jsonl:2: message.fragments[0][1]: "),
        (TEXT.replace(b"}", b', "fragments": [[-1, 0]]}'), "a.jsonl:2: message.fragments[0][0]: "),
        (TEXT.replace(b'"text": "hi"', b'"json": ' + b"[" * 9000 + b"]" * 9000), "a.jsonl:2: not JSON: "),
        (TEXT.replace(b'"hi"', b"9" * 9000), "a.jsonl:2: "),
    ],
)
def test_a_bad_line_is_told_with_its_number(file: Place, line: bytes, said: str) -> None:
    assert problem(file(HEADER, line, END)).startswith(said)


def test_empty_lines_are_passed_over_and_counted(file: Place) -> None:
    assert len(load(file(HEADER, b"\n  \n", END, b"\r\n")).recording.events) == 1
    assert problem(file(HEADER, b"\n\n", b"{}\n")).startswith("a.jsonl:4: ")


def test_line_ends_of_other_systems_are_read(file: Place) -> None:
    path = file(HEADER.replace(b"\n", b"\r\n"), END.replace(b"\n", b"\r\n"))
    assert len(load(path).recording.events) == 1


def test_notes_stand_apart_from_events(file: Place) -> None:
    note = b'{"at": 1, "flow": "1", "kind": "note", "what": "fired", "detail": {"rule": "x"}}\n'
    loaded = load(file(HEADER, note, END))
    assert loaded.notes == (Note(at=1_000_000, flow="1", what="fired", detail={"rule": "x"}),)
    assert len(loaded.recording.events) == 1


def test_events_stand_in_order_of_time(file: Place) -> None:
    assert problem(file(HEADER, TEXT, END)) == (
        "a.jsonl: event 2 (flow 1): happens at 1.0 s, before the event above it at 2.0 s"
        " (events stand in order of time)"
    )
    assert len(load(file(HEADER, END, END)).recording.events) == 2, "what happens at once is in order"


# --- torn ------------------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_dropped_with_a_warning(file: Place) -> None:
    loaded = load(file(HEADER, END, TEXT[:-9]))
    assert len(loaded.recording.events) == 1
    (warning,) = loaded.warnings
    assert warning.endswith("a.jsonl:3: the last line is torn and was dropped; the writer was cut off there")


def test_a_last_line_that_only_lacks_its_newline_is_kept(file: Place) -> None:
    loaded = load(file(HEADER, END, TEXT.rstrip()))
    assert len(loaded.recording.events) == 2
    assert loaded.warnings == ()


def test_a_mistake_in_the_last_line_is_no_tear(file: Place) -> None:
    assert problem(file(HEADER, END.replace(b"end", b"ende").rstrip())).startswith("a.jsonl:2: input tag 'ende'")


def test_a_torn_line_with_lines_after_it_is_a_mistake(file: Place) -> None:
    assert problem(file(HEADER, TEXT[:-9], b"\n", END)).startswith("a.jsonl:2: not JSON: ")
    assert problem(file(HEADER, END, TEXT[:-9], b"\n")).startswith("a.jsonl:3: not JSON: ")


@given(st.data())
def test_a_recording_cut_off_anywhere_gives_what_was_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    save(agent_run(), path)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    cut = data.draw(st.integers(first, len(whole)))
    path.write_bytes(whole[:cut])
    loaded = load(path)
    lines, tail = whole[:cut].count(b"\n") - 1, whole[:cut].rpartition(b"\n")[2]
    complete = bool(tail) and whole[cut : cut + 1] == b"\n"
    assert loaded.recording.events == agent_run().events[: lines + complete]
    assert len(loaded.warnings) == bool(tail and not complete)


# --- the file itself -------------------------------------------------------------------------------------------


def test_a_compressed_recording_is_read_as_it_is(file: Place) -> None:
    packed = zstandard.ZstdCompressor().compress(HEADER + END + TEXT)
    assert len(load(file(packed, name="a.jsonl.zst")).recording.events) == 2


def test_a_recording_compressed_in_pieces_is_read_whole(file: Place) -> None:
    pieces = [zstandard.ZstdCompressor().compress(piece) for piece in (HEADER, END, TEXT)]
    assert len(load(file(*pieces, name="a.jsonl.zst")).recording.events) == 2


def test_what_is_not_compressed_is_told(file: Place) -> None:
    assert problem(file(HEADER, END, name="a.jsonl.zst")).startswith("a.jsonl.zst: not a zstd file: ")
    broken = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(HEADER + END * 100))
    broken[-1] ^= 1
    assert problem(file(bytes(broken), name="a.jsonl.zst")).startswith("a.jsonl.zst: not a zstd file: ")


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert problem(tmp_path / "nowhere.jsonl") == "nowhere.jsonl: cannot be read: No such file or directory"
    (tmp_path / "folder.jsonl").mkdir()
    assert problem(tmp_path / "folder.jsonl") == "folder.jsonl: cannot be read: Is a directory"
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    assert problem(tmp_path / "loop.jsonl").startswith("loop.jsonl: cannot be read: Too many levels")
    assert "cannot be read" in problem(tmp_path / "folder.jsonl" / "x" / "y")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_is_told(file: Place) -> None:
    path = file(HEADER)
    path.chmod(0)
    assert problem(path) == "a.jsonl: cannot be read: Permission denied"


def test_a_line_over_the_limit_is_an_error_and_not_read_to_its_end(
    file: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_LINE", 200)
    assert problem(file(HEADER, TEXT.replace(b"hi", b"x" * 200))) == "a.jsonl:2: a line of more than 200 bytes"
    assert problem(file(b'{"stagesim": 1}' + b" " * 200)) == "a.jsonl:1: a line of more than 200 bytes"
    longest = TEXT.replace(b"hi", b"x" * (200 - len(TEXT) + 2))
    assert len(longest) == 200
    assert len(load(file(HEADER, longest)).recording.events) == 1


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_whatever_give_anything_but_a_recording_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, headed: bool
) -> None:
    path = tmp_path_factory.mktemp("noise") / "a.jsonl"
    path.write_bytes((HEADER if headed else b"") + noise)
    try:
        assert all(isinstance(event, Message) for event in load(path).recording.events)
    except RecordingError as error:
        assert "\n" not in str(error)
