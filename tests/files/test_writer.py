"""Writing recordings: a line at a time, whole or not at all, whatever the bytes are."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import RecordingError
from simulator.core.events import Event, Message, Request
from simulator.core.journal import Note
from simulator.core.recording import Header
from simulator.files.reader import load
from simulator.files.writer import RecordingWriter, line_bytes, replace_header, save
from tests.conversations import CREATED, DOWN, UP, agent_run


def as_it_is(event: Event) -> Event:
    return event


def message(data: str | bytes) -> Message:
    return Message(flow="1", at=0, direction=UP, data=data)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: a write is cut short there, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- the file --------------------------------------------------------------------------------------------------


def test_every_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with RecordingWriter(path, redact=as_it_is) as writer:
        assert path.read_bytes() == b"", "the file is there at once"
        writer.begin(Header(title="t", created=CREATED))
        assert load(path).recording.header.title == "t"
        for number, event in enumerate(agent_run().events):
            writer.write(event)
            assert len(load(path).recording.events) == number + 1
        writer.write(Note(at=9_000_000, flow="2", what="fired", detail={"rule": "é"}))
    loaded = load(path)
    assert loaded.recording.events == agent_run().events
    assert [note.detail for note in loaded.notes] == [{"rule": "é"}]


def test_every_event_is_redacted_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with RecordingWriter(path, redact=lambda event: message("kept out")) as writer:
        writer.begin(Header())
        writer.write(message("hunter2"))
    assert b"hunter2" not in path.read_bytes()
    assert load(path).recording.events == (message("kept out"),)


def test_a_file_that_exists_is_overwritten_only_if_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("precious")
    with pytest.raises(RecordingError) as error:
        RecordingWriter(path, redact=as_it_is)
    assert str(error.value) == f"{path}: exists already (--force overwrites it, or choose another name)"
    assert path.read_text() == "precious"
    with RecordingWriter(path, redact=as_it_is, overwrite=True) as writer:
        writer.begin(Header())
    assert load(path).recording.events == ()


def test_what_is_not_compressed_is_not_called_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"a\.jsonl, and run `zstd` when it is done"):
        RecordingWriter(tmp_path / "a.jsonl.zst", redact=as_it_is)
    assert list(tmp_path.iterdir()) == []


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "a.jsonl"
    RecordingWriter(path, redact=as_it_is).close()
    assert path.is_file()


def test_a_file_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file" / "a.jsonl", tmp_path / "file" / "deep" / "a.jsonl"):
        with pytest.raises(RecordingError, match=r"file.*: cannot be a folder for a\.jsonl: "):
            RecordingWriter(path, redact=as_it_is, overwrite=True)
    with pytest.raises(RecordingError, match="cannot be written: Is a directory"):
        RecordingWriter(tmp_path, redact=as_it_is, overwrite=True)


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "a.jsonl", redact=as_it_is)
    writer.close()
    writer.close()
    with writer:
        pass


# --- disks that are full ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk at hand")
def test_a_full_disk_is_one_line() -> None:
    writer = RecordingWriter(Path("/dev/full"), redact=as_it_is, overwrite=True)
    with writer, pytest.raises(RecordingError, match="/dev/full: cannot be written: No space left on device"):
        writer.begin(Header())


@pytest.mark.parametrize("room", [1, 100, 4095])
def test_a_write_that_was_cut_short_leaves_all_lines_before_it(tmp_path: Path, room: int) -> None:
    path = tmp_path / "a.jsonl"
    with RecordingWriter(path, redact=as_it_is) as writer:
        writer.begin(Header())
        writer.write(message("before"))
        size = path.stat().st_size
        with (
            file_size_limit(size + room),
            pytest.raises(RecordingError, match="cannot be written: File too large"),
        ):
            writer.write(message("x" * 5000))
    assert path.stat().st_size == size + room
    loaded = load(path)
    assert loaded.recording.events == (message("before"),)
    assert "the last line is torn and was dropped" in loaded.warnings[0]


# --- bytes of any kind -----------------------------------------------------------------------------------------


def test_a_header_field_of_any_bytes_becomes_latin_1_and_nothing_else_changes(tmp_path: Path) -> None:
    raw = b"\xe9\xff".decode("utf-8", "surrogateescape")
    request = Request(
        flow="1",
        at=0,
        service="backend",
        method="POST",
        target="/caf%C3%A9?q=é",
        headers=(("X-Name", raw), ("X-Other", "Zoë")),
        body='{"name": "José"}'.encode(),
    )
    path = tmp_path / "a.jsonl"
    with RecordingWriter(path, redact=as_it_is) as writer:
        writer.begin(Header())
        writer.write(request)
    (read,) = load(path).recording.events
    assert isinstance(read, Request)
    assert read.headers == (("X-Name", "éÿ"), ("X-Other", "Zoë"))
    assert (read.target, read.body) == (request.target, request.body)


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_text_is_written_as_a_line_of_unicode(value: object) -> None:
    line = line_bytes({"value": value})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    json.loads(line.decode())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_unicode_is_written_as_it_is(text: str) -> None:
    assert json.loads(line_bytes({"value": text})) == {"value": text}


@given(st.text(st.characters(codec="latin-1")).map(lambda text: text.encode("latin-1")))
def test_bytes_in_a_text_come_back_as_themselves_or_as_unicode(data: bytes) -> None:
    written = json.loads(line_bytes({"value": data.decode("utf-8", "surrogateescape")}))["value"]
    assert data in (written.encode(), written.encode("latin-1", "ignore"))


# --- whole recordings ------------------------------------------------------------------------------------------


def test_a_recording_is_saved_in_one_step_with_its_notes_between(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    note = Note(at=350_000, flow="2", what="fired")
    save(agent_run(), path, notes=[note])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("kind") for line in lines[:5]] == [None, "request", "response", "note", "request"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]
    assert load(path).notes == (note,)


@pytest.mark.parametrize(
    ("old", "umask", "new"), [(0o600, 0o022, 0o600), (None, 0o077, 0o600), (None, 0o002, 0o664)]
)
def test_a_file_is_as_private_as_the_one_before_it_or_as_the_umask_says(
    old: int | None, umask: int, new: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    if old is not None:
        path.touch(old)
    before = os.umask(umask)
    try:
        save(agent_run(), path)
        replace_header(path, Header(title="another"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == new


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("precious")
    with file_size_limit(100), pytest.raises(OSError):
        save(agent_run(), path)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_binary_message_stays_binary_whatever_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    said = [message('{"a": 1}'), message(b'{"a": 1}'), message(""), message(b""), message("\ud800")]
    with RecordingWriter(path, redact=as_it_is) as writer:
        writer.begin(Header())
        for event in said:
            writer.write(event)
    read = [event.data for event in load(path).recording.events if isinstance(event, Message)]
    assert read[:4] == ['{"a": 1}', b'{"a": 1}', "", b""]
    assert read[4] == "\\ud800", "what no line can hold is told by its number"
    assert all(event.direction is not DOWN for event in said)
