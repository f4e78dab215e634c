"""A journal with questions: what was seen, in what order, how often, how soon; answers that fail show it all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from simulator.core.events import Direction, Event, Message, Request, Response
from simulator.core.journal import Entry, Note
from simulator.core.matching.compare import NearMiss, label
from simulator.core.units import Time, duration, seconds
from simulator.core.visible import visible
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_entry

_SHOWN = 100
_NEXT = "\n" + " " * 20


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything that happened, in order of time.

    A label is what `stagesim show` prints in bold: a message's type such as 'agent_started', 'GET /health',
    'close 1011', 'response 503'. Assertions raise AssertionError with the whole conversation. Its text is without
    secrets, since it ends up in the logs of test runs; its entries are as they were on the wire.
    """

    entries: Sequence[Entry] = field(repr=False)

    @property
    def events(self) -> list[Event]:
        return [entry for entry in self.entries if isinstance(entry, Event)]

    def notes(self, what: str) -> list[Note]:
        return [entry for entry in self.entries if isinstance(entry, Note) and entry.what == what]

    @property
    def missed(self) -> list[Note]:
        """What clients sent that is not in the recording."""
        return self.notes("missed")

    def sent(self) -> list[str]:
        """Labels of what clients sent."""
        return [label(event) for event in self.events if event.direction is Direction.UPSTREAM]

    def received(self) -> list[str]:
        """Labels of what clients were sent."""
        return [label(event) for event in self.events if event.direction is Direction.DOWNSTREAM]

    def assert_received(self, *labels: str) -> None:
        """All of these were sent to a client, whatever their order."""
        missing = [wanted for wanted in labels if wanted not in self.received()]
        self._check(not missing, f"expected {', '.join(missing)} to be sent to a client")

    def assert_order(self, *labels: str) -> None:
        """These were sent to clients in this order, with anything in between."""
        rest = iter(self.received())
        first_missing = next((wanted for wanted in labels if wanted not in rest), None)
        self._check(first_missing is None, f"expected {first_missing} in the order {', '.join(labels)}")

    def assert_count(self, wanted: str, count: int) -> None:
        """This was sent to clients exactly so often."""
        found = self.received().count(wanted)
        self._check(found == count, f"expected {wanted} {count} times, it was sent {found} times")

    def assert_sent(self, *labels: str) -> None:
        """A client sent all of these, whatever their order."""
        missing = [wanted for wanted in labels if wanted not in self.sent()]
        self._check(not missing, f"expected a client to send {', '.join(missing)}")

    def assert_within(self, wanted: str, time: str, *, of: str | None = None) -> None:
        """This came at most '5s' after the first `of`, or after the beginning."""
        took = self._took(wanted, of)
        self._check(took <= duration(time), f"expected {wanted} within {time}, it came after {seconds(took)}")

    def assert_not_before(self, wanted: str, time: str, *, of: str | None = None) -> None:
        """This came '5s' or more after the first `of`, or after the beginning: a client that waits to retry."""
        took = self._took(wanted, of)
        self._check(took >= duration(time), f"expected {wanted} not before {time}, it came after {seconds(took)}")

    def _took(self, wanted: str, of: str | None) -> Time:
        """The time to what was wanted from the first `of` before it, or from the beginning."""
        rest = iter(self.events)
        start = next((event.at for event in rest if label(event) == of), None) if of is not None else 0
        came = next((event.at for event in rest if label(event) == wanted), None)
        if start is None or came is None:
            raise AssertionError(f"expected {wanted if start is not None else of}\n{self}")
        return came - start

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            raise AssertionError(f"{problem}\n{self}")

    def __str__(self) -> str:
        return "\n".join(["the conversation:", *self._lines()])

    def end(self, lines: int) -> str:
        """The last lines of it, and how many came before."""
        told = list(self._lines())
        before = [f"  … {len(told) - lines} before"] if len(told) > lines else []
        return "\n".join([*before, *told[-lines:]])

    def _lines(self) -> Iterator[str]:
        redact = Redactor().event
        for entry in (redacted_entry(entry, redact) for entry in self.entries):
            at = f"  {seconds(entry.at):>10}  flow {entry.flow}"
            if isinstance(entry, Note):
                if entry.what in ("missed", "fired"):
                    yield f"{at}  ** {entry.what}: {_told(entry)}"
            else:
                arrow = "→" if entry.direction is Direction.UPSTREAM else "←"
                yield f"{at}  {arrow} {label(entry)}{_data(entry)}"


def _told(note: Note) -> str:
    if note.what == "fired":
        return str(note.detail.get("rule"))
    nearest = NearMiss.read(note.detail.get("nearest"))
    return f"{note.detail.get('event')}{''.join(f'{_NEXT}{miss}' for miss in nearest)}"


def _data(event: Event) -> str:
    if isinstance(event, Message):
        return f"  {visible(str(event.data)[:_SHOWN])}"
    if isinstance(event, Request | Response) and event.body:
        return f"  {visible(event.body[:_SHOWN].decode(errors='replace'))}"
    return ""
