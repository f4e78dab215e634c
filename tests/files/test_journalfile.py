"""The file of a journal is a recording when the run has ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simulator.core.errors import RecordingError
from simulator.core.journal import Note
from simulator.core.recording import Header, Service
from simulator.files.journalfile import JournalFile, check_journal
from simulator.files.reader import load
from simulator.files.suspects import suspects
from tests.core.playing import answer, get

KEY = "sk_live_8d9f5c1d3e7b4f0e9d620b7a"


def test_a_journal_says_at_its_end_what_was_redacted_and_by_which_urls_it_was_served(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    header = Header(title="a run", services=(Service(name="backend", origins=("https://staging.example",)),))
    note = Note(at=2, flow="1", what="matched", detail={"event": "GET /x"})
    with JournalFile(path, header) as journal:
        journal.served_at({"backend": "http://127.0.0.1:1"})
        for entry in (get("1", 0, "/x", (("X-Api-Key", KEY),)), note, answer("1", 10)):
            journal.write(entry)
        assert KEY not in path.read_text(), "nothing waits for the end to be redacted"
    recording = load(path).recording
    assert recording.header.services == (
        Service(name="backend", origins=("http://127.0.0.1:1", "https://staging.example")),
    )
    assert dict(recording.header.redacted) == {"api key": 1}
    assert suspects(recording) == []
    assert len(recording.events) == 2
    assert len(path.read_text().splitlines()) == 4
    assert list(tmp_path.iterdir()) == [path]


def test_a_journal_that_is_no_file_is_written_and_left(tmp_path: Path) -> None:
    with JournalFile(Path("/dev/null"), Header(title="a run")) as journal:
        journal.write(get("1", 0, "/x"))


@pytest.mark.parametrize("said", [b"# my thesis\n", b"\x00\xff" * 99, b'{"at": 0.1}\n'])
def test_what_is_no_journal_is_not_replaced(said: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thesis.md"
    path.write_bytes(said)
    with pytest.raises(
        RecordingError, match=r"thesis\.md: is no old journal .* \(choose another name, or remove it\)"
    ):
        JournalFile(path, Header(title="a run"))
    assert path.read_bytes() == said


def test_a_recording_that_is_played_is_not_replaced_by_any_name(tmp_path: Path) -> None:
    path, link, new = tmp_path / "a.jsonl", tmp_path / "link.jsonl", tmp_path / "new.jsonl"
    path.touch()
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(RecordingError, match="is one of the recordings that are played"):
            check_journal(name, [path])
    check_journal(new, [path])


def test_an_old_journal_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for title in ("a much longer title than the other", "short"):
        with JournalFile(path, replace(Header(), title=title)) as journal:
            journal.write(get("1", 0, "/x"))
    assert load(path).recording.header.title == "short"


def test_a_run_that_never_began_leaves_the_old_journal(tmp_path: Path) -> None:
    path, new = tmp_path / "run.jsonl", tmp_path / "new.jsonl"
    with JournalFile(path, Header(title="old")) as journal:
        journal.write(get("1", 0, "/x"))
    before = path.read_bytes()
    for name in (path, new):
        with pytest.raises(OSError, match="in use"), JournalFile(name, Header(title="never")):
            raise OSError("the port is in use")
    assert path.read_bytes() == before
    assert not new.exists()
