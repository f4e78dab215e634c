"""What the pytest plugin does once a test asks for staging."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from simulator.core.errors import StagesimError
from simulator.core.script import compile_script
from simulator.core.settings import Settings
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
    rules = [rule for name in names for rule in load_fault(name).rules]
    script = compile_script(load(find_recording(str(asked["recording"]))).recording)
    speed = math.inf if asked["speed"] == "max" else float(asked["speed"])
    auth = auth_of(str(asked["auth"]), asked["auth_key"], "staging: auth")
    settings = Settings(seed=int(asked["seed"]), speed=speed, auth=auth)
    with Staging(script, rules, settings, manual=bool(asked.get("manual"))) as staging:
        yield staging


def check_end(staging: Staging) -> str | None:
    """What a test must not end with: requests that are not in the recording, faults that proved nothing."""
    conversation = staging.journal
    if conversation.missed and not staging.misses_allowed:
        return f"{len(conversation.missed)} not in the recording\n{conversation}"
    idle = [proof.rule for proof in staging.proofs if not proof.exercised]
    if idle and len(idle) == len(staging.proofs) and not staging.unfired_allowed:
        return f"the fault never fired: {', '.join(idle)}\n{conversation}"
    return None
