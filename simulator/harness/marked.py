"""What the pytest plugin does once a test asks for staging."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simulator.core.auth import unasked
from simulator.core.errors import StagesimError
from simulator.core.settings import Settings
from simulator.core.units import speed
from simulator.files.keys import auth_of
from simulator.files.named import faults_of, script_of
from simulator.harness.staging import Staging


@contextmanager
def started(asked: Mapping[str, Any], drilled: str | None) -> Iterator[Staging]:
    """The staging that a test asked for. Raises StagesimError where it asks for what is not there."""
    if not asked["recording"]:
        raise StagesimError(
            "no recording to play",
            place="staging",
            hint="@pytest.mark.staging('NAME') or --staging-recording NAME",
        )
    names = [asked["faults"]] if isinstance(asked["faults"], str) else list(asked["faults"])
    names += [drilled] if drilled else []
    recordings = [asked["recording"]] if isinstance(asked["recording"], str) else list(asked["recording"])
    script = script_of([str(name) for name in recordings], _warn)
    faults = faults_of(dict.fromkeys(map(str, names)), script.recording)
    settings = _settings(asked)
    told = unasked(settings.auth, script.flows)
    if told is not None:
        _warn(f"auth={str(settings.auth.mode)!r}: {told}")
    with Staging(script, faults, settings, manual=bool(asked.get("manual"))) as staging:
        yield staging


def _warn(text: str) -> None:
    """Into pytest's summary, whatever the filters: those that make errors of warnings are for the suite's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"staging: {text}", stacklevel=1)


def _settings(asked: Mapping[str, Any]) -> Settings:
    try:
        seed = int(asked["seed"])
    except (TypeError, ValueError):
        raise StagesimError(f"expected a whole number, got {asked['seed']!r}", place="seed") from None
    auth = auth_of(str(asked["auth"]), asked["auth_key"], "staging: auth")
    try:
        return Settings(seed=seed, speed=speed(asked["speed"]), auth=auth)
    except StagesimError as error:
        raise error.within("speed") from None


def check_end(staging: Staging) -> str | None:
    """What a test must not end with: requests that are not in the recording, faults that proved nothing."""
    conversation = staging.journal
    if conversation.missed and not staging.misses_allowed:
        return f"{len(conversation.missed)} not in the recording\n{conversation}"
    unfired = staging.unfired
    if unfired and not staging.unfired_allowed:
        return f"the fault never fired: {', '.join(unfired)}\n{conversation}"
    return None
