"""toxiproxy's view of a replay: its services are the proxies, and rules of our own making are the toxics.

The rules that are armed are all there is to know, so whatever arms and disarms them, both views agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from simulator.core.errors import StagesimError
from simulator.core.events import Direction
from simulator.core.pipeline import Stage
from simulator.core.rule import Rule, Selector, Trigger
from simulator.faults.reset import ResetFault
from simulator.live.control.errors import RefusedError
from simulator.live.control.operations import Operations
from simulator.live.control.toxics import TOXICS, Toxic

ROOT: Final = "toxiproxy"


class Given(BaseModel):
    """What a client sends; like toxiproxy, we pass over what we do not know."""

    model_config = ConfigDict(extra="ignore")


class ProxyGiven(Given):
    name: str = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool | None = None


class ToxicGiven(Given):
    name: str = ""
    type: str = ""
    stream: str = "downstream"
    toxicity: float | None = None
    attributes: dict[str, Any] = {}


class ToxicShown(BaseModel):
    attributes: dict[str, int]
    name: str
    type: str
    stream: Literal["upstream", "downstream"]
    toxicity: Annotated[float, Field(ge=0, le=1)]


class ProxyShown(BaseModel):
    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: list[ToxicShown]


class Proxies:
    """The proxies of one replay."""

    def __init__(self, operations: Operations) -> None:
        self._operations, self._server = operations, operations.server

    def index(self) -> dict[str, ProxyShown]:
        return {name: self.show(name) for name in self._server.urls}

    def show(self, name: str) -> ProxyShown:
        """Raises RefusedError where there is no such service."""
        if name not in self._server.urls:
            raise RefusedError(404, "proxy not found")
        header = self._server.script.recording.header
        origins = next((service.origins for service in header.services if service.name == name), ())
        return ProxyShown(
            name=name,
            listen=_address(self._server.urls[name]),
            upstream=_address(origins[0]) if origins else "",
            enabled=self._server.is_up(name),
            toxics=self.toxics(name),
        )

    def create(self, given: ProxyGiven) -> ProxyShown:
        """Always refused: there is nothing to answer for a service that was not recorded."""
        if given.name in self._server.urls:
            raise RefusedError(409, "proxy already exists")
        there = ", ".join(self._server.urls)
        raise RefusedError(400, f"no proxies but the recorded services: there are {there}")

    async def update(self, name: str, given: ProxyGiven) -> ProxyShown:
        """Take a proxy down, or bring it up; where it listens and what is behind it stays as it is."""
        there = self.show(name)
        for field, wanted, found in (
            ("listen", given.listen, there.listen),
            ("upstream", given.upstream, there.upstream),
        ):
            if wanted not in ("", found) and not (field == "listen" and wanted.endswith(":0")):
                raise RefusedError(400, f"{field} of a recorded service cannot be changed: it is {found}")
        if given.enabled is False:
            self._take_down(name)
        elif given.enabled:
            await self._bring_up(name)
        return self.show(name)

    def delete(self, name: str) -> None:
        """Always refused."""
        self.show(name)
        raise RefusedError(400, "a recorded service cannot be deleted; disable it")

    async def populate(self, given: list[ProxyGiven]) -> list[ProxyShown]:
        """The proxies with these names: those that there are, as they are."""
        for each in given:
            if each.name not in self._server.urls:
                self.create(each)
        return [await self.update(each.name, each) for each in given]

    async def reset(self) -> None:
        """Bring all proxies up, and take all toxics away; rules that others have armed stay."""
        for name in self._server.urls:
            await self._bring_up(name)
            for toxic in self.toxics(name):
                self.remove_toxic(name, toxic.name)

    # --- up and down -------------------------------------------------------------------------------------------

    def _take_down(self, name: str) -> None:
        if not self._server.is_up(name):
            return
        self._server.take_down(name)
        # the first service's port answers for all, so requests may still come there
        select = Selector(direction=Direction.UPSTREAM, event="request", service=name)
        rule = f"{ROOT}/{name}"
        if self._stage(rule) is None:
            self._operations.arm([Rule(name=rule, fault=ResetFault(), select=select, swallow=True)])

    async def _bring_up(self, name: str) -> None:
        try:
            await self._server.bring_up(name)
        except StagesimError as error:
            raise RefusedError(500, str(error)) from None
        if self._stage(f"{ROOT}/{name}") is not None:
            self._operations.disarm(f"{ROOT}/{name}")

    # --- toxics ------------------------------------------------------------------------------------------------

    def toxics(self, proxy: str) -> list[ToxicShown]:
        if proxy not in self._server.urls:
            raise RefusedError(404, "proxy not found")
        prefix = f"{ROOT}/{proxy}/"
        return [
            _shown(stage, stage.rule.fault, stage.rule.name.removeprefix(prefix))
            for stage in self._operations.session.stages
            if stage.armed and stage.rule.name.startswith(prefix) and isinstance(stage.rule.fault, Toxic)
        ]

    def toxic(self, proxy: str, name: str) -> ToxicShown:
        found = next((toxic for toxic in self.toxics(proxy) if toxic.name == name), None)
        if found is None:
            raise RefusedError(404, "toxic not found")
        return found

    def add_toxic(self, proxy: str, given: ToxicGiven) -> ToxicShown:
        name = given.name or f"{given.type}_{given.stream}"
        fault = _toxic(given.type, given.stream.lower(), given.attributes)
        if any(toxic.name == name for toxic in self.toxics(proxy)):
            raise RefusedError(409, "toxic already exists")
        self._arm(proxy, name, fault, 1.0 if given.toxicity is None else given.toxicity)
        return self.toxic(proxy, name)

    def update_toxic(self, proxy: str, name: str, given: ToxicGiven) -> ToxicShown:
        """Attributes and toxicity, as far as they are given; links try their luck again."""
        old = self.toxic(proxy, name)
        fault = _toxic(old.type, old.stream, old.attributes | given.attributes)
        self._operations.disarm(f"{ROOT}/{proxy}/{name}")
        self._arm(proxy, name, fault, old.toxicity if given.toxicity is None else given.toxicity)
        return self.toxic(proxy, name)

    def remove_toxic(self, proxy: str, name: str) -> None:
        self.toxic(proxy, name)
        rule = f"{ROOT}/{proxy}/{name}"
        stage = self._stage(rule)
        self._operations.disarm(rule)
        if stage is not None and isinstance(stage.rule.fault, Toxic) and stage.rule.fault.breaks:
            for note in self._operations.session.journal.notes("fired"):
                if note.detail.get("rule") == rule:
                    self._operations.session.cut(note.flow, self._server.now())
            self._operations.pump.turn()

    def _arm(self, proxy: str, name: str, fault: Toxic, toxicity: float) -> None:
        once = Trigger(nth=1, per="flow")  # a link is poisoned or it is not
        probability = min(max(toxicity, 0.0), 1.0)
        select = Selector(service=proxy)
        rule = Rule(name=f"{ROOT}/{proxy}/{name}", fault=fault, select=select, when=once, probability=probability)
        self._operations.arm([rule])

    def _stage(self, rule: str) -> Stage | None:
        stages = self._operations.session.stages
        return next((stage for stage in stages if stage.armed and stage.rule.name == rule), None)


def _shown(stage: Stage, fault: Toxic, name: str) -> ToxicShown:
    return ToxicShown(
        attributes=fault.attributes,
        name=name,
        type=fault.name,
        stream=fault.stream.value,
        toxicity=stage.rule.probability,
    )


def _toxic(kind: str, stream: str, attributes: Mapping[str, Any]) -> Toxic:
    """Raises RefusedError, in toxiproxy's words where it has some."""
    if stream not in list(Direction):
        raise RefusedError(400, "stream was invalid, can be either upstream or downstream")
    if kind not in TOXICS:
        raise RefusedError(400, f"invalid toxic type: {kind or 'none'}; there are {', '.join(TOXICS)}")
    own = TOXICS[kind]().attributes
    values = {name: _whole(name, attributes[name]) for name in own if name in attributes}
    if kind == "slicer" and stream == Direction.UPSTREAM:
        raise RefusedError(400, "invalid toxic type: a replay reads requests whole, slicer is for downstream")
    return TOXICS[kind](stream=Direction(stream), **values)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 40:
        raise RefusedError(400, f"bad request body: {name}: expected a whole number from 0, got {value!r}")
    return value


def _address(url: str) -> str:
    """HOST:PORT of an origin."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    default = 443 if parts.scheme in ("https", "wss") else 80
    return f"{host}:{parts.port or default}"
