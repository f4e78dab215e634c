"""What names mean: recordings by name become a script, faults by name become rules, whoever asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from simulator.core.errors import FaultError, StagesimError
from simulator.core.matching.corpus import corpus_of
from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import Script
from simulator.files.derive import PREFIX, derive, derived_faults
from simulator.files.faultfiles import LoadedFault, load_fault
from simulator.files.index import Progress, unseen
from simulator.files.locate import find_recording
from simulator.files.reader import load
from simulator.files.scripts import load_script

Override = tuple[str | None, str, str]
"""The fault that is meant, or None for all of them, a parameter's name and its value."""


def script_of(names: Sequence[str], warn: Callable[[str], None], progress: Progress = unseen) -> Script:
    """The script of the recordings with these names or paths, several as one. Raises RecordingError."""
    return together({name: load_script(find_recording(name), warn, progress) for name in names})


def together(scripts: Mapping[str, Script]) -> Script:
    """Scripts by name or path as one, in which each recording has its file's name, without the endings."""
    return corpus_of([(Path(name).name.partition(".")[0], script) for name, script in scripts.items()])


def recording_of(name: str, warn: Callable[[str], None]) -> Recording:
    """The recording with this name or path. Raises RecordingError."""
    loaded = load(find_recording(name))
    for warning in loaded.warnings:
        warn(warning)
    return loaded.recording


def faults_of(
    names: Iterable[str], recording: Recording | None = None, overrides: Iterable[Override] = ()
) -> list[LoadedFault]:
    """The faults with these names, parameters set; 'derived:NAME' is derived from the recording.

    Raises FaultError.
    """
    given = list(overrides)
    faults: list[LoadedFault] = []
    for name in names:
        if recording is not None and name.startswith(PREFIX):
            faults += derived_of(name, recording)
            continue
        mine = {key: value for fault, key, value in given if fault is None or Path(name).stem == fault}
        faults.append(load_fault(name, mine))
    return faults


def derived_of(name: str, recording: Recording) -> list[LoadedFault]:
    """The faults that 'derived:NAME' means, where NAME may have wildcards. Raises FaultError if there is none."""
    pattern = name.removeprefix(PREFIX)
    found = derived_faults(recording, pattern)
    if not found:
        near = get_close_matches(pattern, [derived.name for derived in derive(recording)], n=1, cutoff=0)
        hint = f"`stagesim faults --derive` lists them, such as {near[0]}" if near else "there is nothing in it"
        raise FaultError("nothing that is derived from this recording has this name", place=name, hint=hint)
    return found


def rules_of(faults: Iterable[LoadedFault], place: str = "--fault") -> list[Rule]:
    """The rules of faults that are to be armed together. Raises StagesimError where two have one name."""
    rules = [rule for fault in faults for rule in fault.rules]
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise StagesimError(f"two rules are named {twice!r}", place=place, hint="give the fault once only")
    return rules
