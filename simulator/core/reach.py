"""Rules that could never fire on a recording, and the nearest selector that would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from simulator.core.events import Event, Request
from simulator.core.jsontext import MISSING, at_path, path_text
from simulator.core.matching.compare import label, shown
from simulator.core.recording import Recording
from simulator.core.rule import Condition, Rule, Selector
from simulator.core.values.places import documents_of

_SUGGESTED = 3


def unreachable(recording: Recording, rules: Iterable[Rule]) -> Iterator[tuple[Rule, str]]:
    """Every rule that matches no event of the recording, with a hint.

    A client may send what the recording does not have, and a rule may mean what another rule injects, so this is a
    warning and not an error.
    """
    events = Seen(recording)
    for rule in rules:
        rule = replace(rule, select=replace(rule.select, client=None))
        if not _reached(rule, events):
            yield rule, _nearest(rule, events)


class Seen:
    """The events with the requests of their flows, as often as somebody goes through them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __iter__(self) -> Iterator[tuple[Event, Request | None]]:
        requests: dict[str, Request] = {}
        for event in self._recording.events:
            if isinstance(event, Request):
                requests[event.flow] = event
            yield event, requests.get(event.flow)


def _reached(rule: Rule, events: Seen) -> Event | None:
    return next((event for event, request in events if rule.means(event, request)), None)


def _nearest(rule: Rule, events: Seen) -> str:
    """What it would match if one thing were otherwise."""
    for condition in rule.select.json:
        others = tuple(other for other in rule.select.json if other is not condition)
        looser = replace(rule, select=replace(rule.select, json=others))
        values = _values(looser, condition, events)
        if values:
            return f"{path_text(condition.path)} is {', '.join(values)} there"
    for field in fields(Selector):
        if field.name != "json" and getattr(rule.select, field.name) is not None:
            looser = replace(rule, select=_without(rule.select, field.name))
            event = _reached(looser, events)
            if event is not None:
                return f"without {field.name!r} it would match {label(event)}"
    return "nothing that this fault can act on is in the recording"


def _without(select: Selector, name: str) -> Selector:
    changes: dict[str, Any] = {name: None}
    return replace(select, **changes)


def _values(rule: Rule, condition: Condition, events: Seen) -> list[str]:
    """What stands at the condition's path in the events that the rest of the rule means."""
    found: dict[str, None] = {}
    for event, request in events:
        if rule.means(event, request):
            values = (at_path(document, condition.path) for document in documents_of(event))
            found.update((shown(value), None) for value in values if value is not MISSING)
    return [*found][:_SUGGESTED] + (["…"] if len(found) > _SUGGESTED else [])
