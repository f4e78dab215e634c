"""What control does to a running replay, without HTTP. It runs on the replay's loop, between its turns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from simulator import __version__
from simulator.core.errors import FaultError
from simulator.core.journal import Note
from simulator.core.jsontext import Json
from simulator.core.pipeline import Stage
from simulator.core.proof import RuleProof, proofs
from simulator.core.rule import Rule
from simulator.core.underway import LiveFlow
from simulator.core.units import SECOND, Time
from simulator.faults.registry import all_faults
from simulator.files.faultfiles import fault_of, is_known, load_fault
from simulator.files.locate import fault_names
from simulator.files.rulemodels import Scalar, rule_of
from simulator.files.written import written
from simulator.live.clock import ManualClock
from simulator.live.control.errors import RefusedError
from simulator.live.control.models import (
    Advanced,
    ClientState,
    FlowState,
    ResetDone,
    RuleState,
    Sessions,
    Version,
)
from simulator.live.server import ReplayServer

MAX_RULES: Final = 10_000
"""Rules in one run, with those that were disarmed: events pass them all."""
_FILE_KEYS: Final = frozenset(("title", "rules", "missing", "none", "degraded", "all-of", "sequence"))


class Operations:
    """The operations of one replay."""

    def __init__(self, server: ReplayServer) -> None:
        self.server, self.session, self.pump = server, server.session, server.pump

    # --- rules -------------------------------------------------------------------------------------------------

    def rules(self) -> list[RuleState]:
        """Every rule there is or was, in order."""
        stages = self.session.stages
        return [_rule_state(stage, proof) for stage, proof in zip(stages, proofs(self.session), strict=True)]

    def read(self, data: Mapping[str, Any]) -> tuple[Rule, ...]:
        """The rules that somebody sent: a rule, a fault file's content, or a name. Raises FaultError."""
        if not _FILE_KEYS.isdisjoint(data):
            overrides = {name: _yaml(value) for name, value in _mapping(data.get("set", {})).items()}
            return fault_of({key: value for key, value in data.items() if key != "set"}, overrides).rules
        return self._by_name(data) if "set" in data else (self._rule(data),)

    def _by_name(self, data: Mapping[str, Any]) -> tuple[Rule, ...]:
        name = data.get("fault")
        extra = sorted(set(data) - {"fault", "set"})
        if extra:
            raise FaultError("not known beside a fault's name and what to set", place=extra[0])
        if not isinstance(name, str) or not is_known(name):
            raise FaultError(
                f"no fault file is named {name!r}", place="fault", hint=f"there are {', '.join(fault_names())}"
            )
        return load_fault(name, {key: _yaml(value) for key, value in _mapping(data["set"]).items()}).rules

    def _rule(self, data: Mapping[str, Any]) -> Rule:
        rule, found = rule_of(dict(data), self._free_name(str(data.get("fault"))))
        if rule is None:
            named = data.get("fault") in fault_names() and data.get("fault") not in all_faults()
            hint = 'a fault file is armed by {"fault": NAME, "set": {}}' if named else found[0].hint
            raise FaultError(found[0].problem, place=found[0].place, hint=hint)
        return rule

    def _free_name(self, kind: str) -> str:
        """A name for a rule that was given none: 'close', then 'close-2'."""
        taken = {stage.rule.name for stage in self.session.stages}
        number = 1
        while (name := kind if number == 1 else f"{kind}-{number}") in taken:
            number += 1
        return name

    def arm(self, rules: Sequence[Rule]) -> list[str]:
        """Arm all of these rules, or none: 409 where a name is armed already."""
        names = [rule.name for rule in rules]
        armed = {stage.rule.name for stage in self.session.stages if stage.in_play}
        clash = next((name for name in names if name in armed or names.count(name) > 1), None)
        if clash is not None:
            raise RefusedError(
                409, f"a rule named {clash!r} is armed already", hint="disarm it, or give it another name"
            )
        if len(self.session.stages) + len(rules) > MAX_RULES:
            raise RefusedError(409, f"a run has at most {MAX_RULES} rules, with those that were disarmed")
        self.pump.turn()  # what is due already has nothing to do with them
        for rule in rules:
            what = "armed" if rule.when.during is None else "scheduled"
            self._note(what, {"rule": rule.name, "fault": rule.fault.name})
            self.session.arm(rule, self.server.now())
        self.pump.turn()
        return names

    def disarm(self, name: str) -> list[str]:
        """Disarm a rule, or all rules of a fault. What they held goes out in order; 404 where none is armed."""
        armed = [stage.rule.name for stage in self.session.stages if stage.in_play]
        found = [rule for rule in armed if rule == name] or [rule for rule in armed if _is_of(rule, name)]
        if not found:
            there = ", ".join(armed) or "none"
            raise RefusedError(404, f"no rule named {name!r} is armed", hint=f"there are {there}")
        return self._disarm(found)

    def _disarm(self, names: list[str]) -> list[str]:
        self.pump.turn()
        for rule in names:
            self.session.disarm(rule, self.server.now())
            self._note("disarmed", {"rule": rule})
        self.pump.turn()
        return names

    # --- the rest ----------------------------------------------------------------------------------------------

    def advance(self, by: Time) -> Advanced:
        """Let time pass; 409 where it passes by itself."""
        if not isinstance(self.server.clock, ManualClock):
            raise RefusedError(409, "this replay's time passes by itself", hint="start it with --manual-clock")
        self.pump.advance(by)
        following = self.session.deadline()
        return Advanced(now=self.server.now() / SECOND, next=None if following is None else following / SECOND)

    def sessions(self) -> Sessions:
        """Who is connected. Paths are shown without their queries, in which tokens travel."""
        flows = [_flow_state(flow) for flow in self.session.live]
        names = dict.fromkeys(flow.client for flow in flows)
        clients = [
            ClientState(name=name, flows=[flow.id for flow in flows if flow.client == name]) for name in names
        ]
        return Sessions(clients=clients, flows=flows)

    async def reset(self) -> ResetDone:
        """As if freshly started: no rules, every service listens, and whoever asks next is a new client."""
        disarmed = self._disarm([stage.rule.name for stage in self.session.stages if stage.in_play])
        enabled = [service for service in self.server.urls if not self.server.is_up(service)]
        for service in enabled:
            await self.server.bring_up(service)
        forgotten = self.session.start_over()
        self._note("reset", {"disarmed": [*disarmed], "forgotten": forgotten})
        self.pump.turn()
        return ResetDone(disarmed=disarmed, enabled=enabled, forgotten=forgotten)

    def version(self) -> Version:
        manual: Literal["real", "manual"] = "manual" if isinstance(self.server.clock, ManualClock) else "real"
        return Version(
            stagesim=__version__,
            title=self.session.script.recording.header.title,
            services=self.server.urls,
            seed=self.session.settings.seed,
            clock=manual,
        )

    def _note(self, what: str, detail: dict[str, Json]) -> None:
        self.session.journal.add(Note(at=self.server.now(), flow="", what=what, detail=detail))


def _rule_state(stage: Stage, proof: RuleProof) -> RuleState:
    rule = stage.rule
    return RuleState(
        name=rule.name,
        fault=rule.fault.name,
        armed=stage.armed,
        waits=stage.waits,
        matched=proof.matched,
        fired=proof.fired,
        at=None if proof.at is None else proof.at / SECOND,
        on=_without_query(proof.on),
        instead=_without_query(proof.instead),
        rule=written(rule) if type(rule.fault) is all_faults().get(rule.fault.name) else None,
    )


def _flow_state(flow: LiveFlow) -> FlowState:
    request = flow.view.request
    state: Literal["opening", "open", "closing"] = "open" if flow.open else "opening"
    return FlowState(
        id=flow.view.id,
        client=flow.client.name,
        service=request.service if request else "",
        route=f"{request.method} {request.path}" if request else "",
        since=flow.view.since / SECOND,
        websocket=flow.view.websocket,
        plays=flow.script.flow if flow.script else None,
        state="closing" if flow.ended else state,
    )


def _without_query(text: str) -> str:
    """Labels name requests by their targets, and in queries tokens travel."""
    return re.sub(r"\?\S*", "", text)


def _is_of(rule: str, fault: str) -> bool:
    """Whether a rule belongs to a fault: they are named 'fault[0]', or 'fault/component[0]'."""
    return rule.startswith((f"{fault}[", f"{fault}/"))


def _mapping(value: object) -> Mapping[str, Scalar]:
    if not isinstance(value, dict) or any(isinstance(inner, dict | list) for inner in value.values()):
        raise FaultError('expected parameters by name, such as {"after": "2s"}', place="set")
    return value


def _yaml(value: Scalar) -> str:
    """A JSON scalar as YAML, of which it is a part: '2' stays text, and 2 a number."""
    return json.dumps(value)
