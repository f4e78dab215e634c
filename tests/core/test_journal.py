"""The journal: what was forgotten is what nobody needs any more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Ping
from simulator.core.journal import Entry, Journal, Note
from tests.conversations import DOWN

ENTRIES = st.lists(st.sampled_from(("ping", "opened", "matched", "fired", "missed")), max_size=60)


def entry(at: int, what: str) -> Entry:
    return Ping(flow="1", at=at, direction=DOWN) if what == "ping" else Note(at=at, flow="1", what=what)


@given(ENTRIES, st.integers(1, 5))
def test_the_latest_and_what_proves_are_kept(kinds: list[str], but: int) -> None:
    journal, everything = Journal(), [entry(at, what) for at, what in enumerate(kinds)]
    for number, each in enumerate(everything):
        assert journal.since(number) == []
        journal.add(each)
        assert journal.since(number) == [each]
        journal.forget(but)
        assert len(journal) == number + 1
    assert list(journal)[-but:] == everything[-but:]
    proof = [each for each in everything if isinstance(each, Note) and each.what in ("fired", "missed")]
    assert [note for note in journal.notes() if note in proof] == proof
    plain = [each for each in journal if not (isinstance(each, Note) and each.what in ("fired", "missed"))]
    assert len(plain) <= 2 * but


def test_a_journal_forgets_nothing_by_itself() -> None:
    journal = Journal()
    for at in range(1000):
        journal.add(entry(at, "ping"))
    assert len(journal.events) == 1000
    journal.forget(10)
    assert [event.at for event in journal.events] == list(range(990, 1000))
    assert len(journal.since(500)) == 10
