"""Finding recordings and faults by name: a path as it is, else beside you, else among those that are shipped."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import simulator
from simulator.core.errors import FaultError, RecordingError, StagesimError

RECORDING_ENDINGS = (".jsonl", ".jsonl.zst")
FAULT_ENDINGS = (".yaml", ".yml")


def shipped() -> Path:
    """The folder that holds the shipped `recordings/` and `faults/`: in a wheel, or the source checkout."""
    package = Path(simulator.__file__).parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def find_recording(name: str) -> Path:
    """The recording that a name means: 'golden-path' or a path. Raises RecordingError."""
    return _find(name, "recordings", RECORDING_ENDINGS, RecordingError("", place=name))


def find_fault(name: str, beside: Path | None = None) -> Path:
    """The fault file that a name means: 'none-orchestrator', 'incidents/…' or a path. Raises FaultError.

    What a file calls by name may lie `beside` it, and is looked for there first.
    """
    for path in (beside.parent / f"{name}{ending}" for ending in ("", *FAULT_ENDINGS)) if beside else ():
        if _is_file(path):
            return path
    return _find(name, "faults", FAULT_ENDINGS, FaultError("", place=name))


def _find(name: str, folder: str, endings: tuple[str, ...], failure: StagesimError) -> Path:
    given = Path(name)
    if _is_file(given):
        return given
    for root in (Path.cwd(), shipped()):
        for path in (root / folder / f"{name}{ending}" for ending in ("", *endings)):
            if _is_file(path):
                return path
    known = sorted(dict.fromkeys(names(folder, endings)))
    nested = [other for other in known if other.endswith(f"/{name}")]
    if len(nested) == 1:
        return _find(nested[0], folder, endings, failure)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none yet'}"
    raise type(failure)(f"no such file, and nothing in {folder}/ has this name", place=name, hint=hint)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have, or that nobody may look up, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def names(folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    """The names of everything in a folder of that name, here or shipped; `incidents/x` for what lies deeper."""
    for root in (Path.cwd() / folder, shipped() / folder):
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            ending = next((ending for ending in endings if path.name.endswith(ending)), None)
            if ending is not None and path.name != "components.yaml":
                yield path.relative_to(root).as_posix().removesuffix(ending)


def recording_names() -> list[str]:
    return list(dict.fromkeys(names("recordings", RECORDING_ENDINGS)))


def fault_names() -> list[str]:
    return list(dict.fromkeys(names("faults", FAULT_ENDINGS)))
