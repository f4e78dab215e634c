"""Which recorded flow or event a live one stands for; and what to say when there is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from simulator.core.auth import Auth, admitted
from simulator.core.events import Bytes, Close, Direction, Event, Message, Ping, Pong, Request, Response
from simulator.core.jsontext import MISSING, count
from simulator.core.lazy import Lazy
from simulator.core.matching.compare import Comparison, Mismatch, NearMiss, compare, could_match, label
from simulator.core.matching.overrides import NO_RULES, Rules
from simulator.core.script import Expectation, FlowScript, Reaction, Script
from simulator.core.units import Time
from simulator.core.values.bindings import Bindings
from simulator.core.values.places import json_of

NEAREST = 3
"""How many near misses are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was found: takes of a flow, and `others` that fit as well; or one expectation; or the nearest misses.

    `refused` says why a request is not let in, as a key of `auth.WHY`; takes are then recorded refusals, if any.
    """

    takes: list[FlowScript] = field(default_factory=list)
    others: list[FlowScript] = field(default_factory=list)
    expectation: Expectation | None = None
    score: int = 0
    misses: tuple[NearMiss, ...] = ()
    refused: str | None = None


def choose_flow(
    script: Script,
    request: Request,
    bindings: Bindings,
    *,
    followed: int = 0,
    auth: Auth | None = None,
    wall: Time = 0,
) -> Choice:
    """The takes that fit a request best, in recorded order, or why it is not let in.

    Of several recordings, those of the `followed` one are taken if they fit as well as any.

    A request without a service, from a port that speaks for all, is compared with the first service's flows
    first, and with the others' only if none fits. `wall` is now, since the Unix epoch, for the dates of tokens.
    """
    auth = auth or Auth()
    live, same = auth.compared(request), bindings.stands_for

    def compared(flows: Iterable[FlowScript]) -> list[tuple[FlowScript, Comparison]]:
        return [(flow, compare(auth.compared(flow.request), live, same, flow.rules)) for flow in flows]

    alike = compared(flow for flow in script.flows if could_match(flow.request, request))
    fitting = [(flow, outcome.score) for flow, outcome in alike if outcome.matches]
    if not fitting:
        every = compared(script.flows)
        return Choice(misses=_nearest((flow.opening, outcome, False) for flow, outcome in every))
    services = script.services
    first = min(services.index(flow.request.service) for flow, _ in fitting)
    fitting = [(flow, score) for flow, score in fitting if flow.request.service == services[first]]
    fitting, refused = admitted(auth, fitting, request, wall)
    best = max((score for _, score in fitting), default=0)
    takes = [flow for flow, score in fitting if score == best]
    parts = {flow.part for flow in takes}
    chosen = [flow for flow in takes if flow.part == (followed if followed in parts else min(parts))]
    others = [flow for flow, _ in sorted(fitting, key=lambda item: -item[1]) if flow not in chosen]
    return Choice(takes=chosen, others=others, score=best, refused=refused)


def choose_expectation(
    expectations: Sequence[Expectation], event: Event, used: set[int], bindings: Bindings, rules: Rules = NO_RULES
) -> Choice:
    """The unused expectation that fits an event best, the earliest of equals; heartbeats are never used up.

    They may come in any order, unless the rules have one.
    """
    if rules.order is None and (found := _best(expectations, event, used, bindings, rules)):
        return found
    alike = [item for item in expectations if item.event.kind == event.kind]
    compared = [
        (item, compare(item.event, event, bindings.stands_for, rules), item.index in used) for item in alike
    ]
    if rules.order is not None and isinstance(event, Message):
        compared = list(_in_order(compared, rules.order))
    fitting = [(item, outcome) for item, outcome, spent in compared if outcome.matches and not spent]
    if not fitting:
        return Choice(misses=_nearest(compared))
    best = max(outcome.score for _, outcome in fitting)
    return Choice(expectation=next(item for item, outcome in fitting if outcome.score == best), score=best)


def _best(
    expectations: Sequence[Expectation], event: Event, used: set[int], bindings: Bindings, rules: Rules
) -> Choice | None:
    """The same for a match in any order: found without a look at what is used, or comes after a perfect one."""
    found, best, most = None, -1, _most(event)
    for item in _unused(expectations, used):
        outcome = compare(item.event, event, bindings.stands_for, rules)
        if outcome.matches and outcome.score > best:
            found, best = item, outcome.score
            if best >= most:
                break
    return None if found is None else Choice(expectation=found, score=best)


def _unused(expectations: Sequence[Expectation], used: set[int]) -> Iterator[Expectation]:
    if isinstance(expectations, Lazy):  # its keys are the indices
        yield from (expectations[nth] for nth, index in enumerate(expectations.keys) if index not in used)
    else:
        yield from (item for item in expectations if item.index not in used)


def _most(event: Event) -> int:
    """A score that nothing exceeds: every recorded value that agrees does so with another one of the event's."""
    document = json_of(event)
    return 1 if document is MISSING else max(1, count(document))


Compared = tuple[Expectation, Comparison, bool]


def _in_order(compared: list[Compared], ahead: int) -> Iterator[Compared]:
    """Whatever is not among the next `ahead` messages is out of order."""
    coming = [item for item, _, spent in compared if not spent and not item.heartbeat]
    later = {item.index for item in coming[ahead:]}
    for item, outcome, spent in compared:
        if item.index in later:
            early = Mismatch(place="order", expected=f"{label(coming[0].event)} first", found=label(item.event))
            outcome = replace(outcome, mismatches=(*outcome.mismatches, early))
        yield item, outcome, spent


def _nearest(compared: Iterable[Compared]) -> tuple[NearMiss, ...]:
    ranked = sorted(compared, key=lambda item: (len(item[1].mismatches), -item[1].score))
    misses: dict[NearMiss, None] = {}
    for item, outcome, spent in ranked:
        used = spent and outcome.matches
        misses[NearMiss(label=label(item.event), mismatches=outcome.mismatches, used=used)] = None
    return tuple(misses)[:NEAREST]


def not_in_recording(request: Request, misses: tuple[NearMiss, ...]) -> Response:
    """HTTP 501 with the nearest misses (RFC 9110 §15.6.2: the server does not support what is asked)."""
    body = {
        "error": "not in the recording",
        "request": label(request),
        "nearest": [miss.told() for miss in misses],
    }
    data = json.dumps(body, indent=2).encode() + b"\n"
    headers = (("Content-Type", "application/json"), ("Content-Length", str(len(data))))
    return Response(
        flow=request.flow, at=request.at, status=501, reason="Not Implemented", headers=headers, body=data
    )


def answering(reaction: Reaction, expectation: Expectation, event: Event) -> Event:
    """A recorded answer to a live event: pongs and closes say back what came (RFC 6455 §5.5.1, §5.5.3)."""
    answer = reaction.event
    if isinstance(answer, Pong) and isinstance(event, Ping):
        return replace(answer, data=event.data)
    recorded_code = getattr(expectation.event, "code", None)
    if isinstance(answer, Close) and isinstance(event, Close) and answer.code == recorded_code:
        return replace(answer, code=event.code)
    return answer


def protocol_answer(event: Event) -> Event | None:
    """What RFC 6455 answers by itself to control frames and to what is no frame (§5.5, §7.1.7), or None."""
    if isinstance(event, Bytes):
        return Close(
            flow=event.flow, at=event.at, direction=Direction.DOWNSTREAM, code=1002, reason="protocol error"
        )
    if isinstance(event, Ping):
        return Pong(flow=event.flow, at=event.at, direction=Direction.DOWNSTREAM, data=event.data)
    if isinstance(event, Close):
        return Close(flow=event.flow, at=event.at, direction=Direction.DOWNSTREAM, code=event.code)
    return None


def policy_close(event: Event) -> Close:
    """The close of a strict replay on a message that is not in the recording (RFC 6455 §7.4.1: 1008)."""
    reason = f"not in the recording: {label(event)}".encode()[:123].decode(errors="ignore")
    return Close(flow=event.flow, at=event.at, direction=Direction.DOWNSTREAM, code=1008, reason=reason)
