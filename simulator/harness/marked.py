"""What the pytest plugin does once a test asks for staging."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulator.core.corpus import compile_corpus
from simulator.core.errors import StagesimError
from simulator.core.settings import Settings
from simulator.core.units import speed
from simulator.files.faultfiles import load_fault
from simulator.files.keys import auth_of
from simulator.files.locate import find_recording
from simulator.files.reader import load
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
    faults = [load_fault(name) for name in dict.fromkeys(map(str, names))]
    recordings = [asked["recording"]] if isinstance(asked["recording"], str) else list(asked["recording"])
    script = compile_corpus([(Path(name).stem, load(find_recording(str(name))).recording) for name in recordings])
    with Staging(script, faults, _settings(asked), manual=bool(asked.get("manual"))) as staging:
        yield staging


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
