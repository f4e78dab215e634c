"""Scripts of recordings in files: small ones are read whole, large ones by an index that is kept in a cache."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

import simulator
from simulator.core.errors import RecordingError
from simulator.core.script import Script, compile_script
from simulator.files.index import Progress, index_of, unseen
from simulator.files.indexed import VARIABLE, Indexed
from simulator.files.lines import correlations_of
from simulator.files.models import CorrelationItem
from simulator.files.reader import load, open_lines, read_header
from simulator.files.sections import Sections, read_sections, write_sections

LARGE: Final = 2 * 1024 * 1024
"""Bytes of a recording from which on it has an index."""

_ENDS: Final = 64 * 1024
_CORRELATIONS: TypeAdapter[list[CorrelationItem]] = TypeAdapter(list[CorrelationItem])


def load_script(
    path: Path,
    warn: Callable[[str], None],
    progress: Progress = unseen,
    large: int = LARGE,
) -> Script:
    """The script of a recording. Raises RecordingError.

    From `large` bytes on, it is made from an index, which is made first if there is none that fits the file as it
    is. Compressed ones have none: in them, nothing can be found without reading all that is before it.
    """
    if path.suffix == ".zst" or not path.is_file() or path.stat().st_size < large:
        loaded = load(path)
        for warning in loaded.warnings:
            warn(warning)
        return compile_script(loaded.recording)
    sections = _sections(path, warn, progress)
    for warning in sections.about["warnings"]:
        warn(warning)
    with open_lines(path) as stream:
        header = read_header(stream, path)
    try:
        correlations = correlations_of(_CORRELATIONS.validate_python(sections.about["correlations"]))
    except ValidationError:
        raise RecordingError("its index is damaged", place=str(path), hint=f"empty {cache_folder()}") from None
    return Indexed(path, header, sections.views).script(correlations)


def cache_folder() -> Path:
    """Where indices are kept (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return base / "stagesim"


def _sections(path: Path, warn: Callable[[str], None], progress: Progress) -> Sections:
    """The index of a file, which is made where there is none that fits, and kept where that can be."""
    key, folder = _key(path), cache_folder()
    name = f"{hashlib.blake2s(os.fsencode(path.resolve()), digest_size=12).hexdigest()}.index"
    sections = read_sections(folder / name)
    if sections is not None and sections.about.get("key") == key:
        return sections
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return _indexed(path, folder / name, key, progress)
    except OSError as error:
        why = error.strerror or str(error)
    else:
        why = os.strerror(errno.EACCES)
    warn(f"{path}: its index cannot be kept in {folder} ({why}); set XDG_CACHE_HOME, or it is made each time")
    with TemporaryDirectory() as temporary:
        return _indexed(path, Path(temporary) / name, key, progress)


def _indexed(path: Path, place: Path, key: dict[str, Any], progress: Progress) -> Sections:
    try:
        about, sections = index_of(path, place.parent, progress)
        if _key(path) != key:
            raise RecordingError("was changed while it was read", place=str(path))
        write_sections(place, {"key": key, **about}, sections)
    except OSError as error:
        hint = "set XDG_CACHE_HOME to a folder with room for it"
        problem = f"its index cannot be written to {place}: {error.strerror or error}"
        raise RecordingError(problem, place=str(path), hint=hint) from None
    written = read_sections(place)
    if written is None:
        raise RecordingError("its index is not as it was written", place=str(path), hint=f"see to {place.parent}")
    return written


def _key(path: Path) -> dict[str, Any]:
    """What an index belongs to: this file as it is, read by this code."""
    stat = path.stat()
    with path.open("rb") as file:
        ends = hashlib.blake2s(file.read(_ENDS))
        file.seek(max(0, stat.st_size - _ENDS))
        ends.update(file.read(_ENDS))
    return {
        "path": os.fsdecode(path.resolve()),
        "size": stat.st_size,
        "mtime": stat.st_mtime_ns,
        "ends": ends.hexdigest(),
        "code": _code(),
        "variable": list(VARIABLE),
    }


@cache
def _code() -> str:
    """What this code is known by: another one may find other correlations."""
    package = Path(simulator.__file__).parent
    found = hashlib.blake2s(simulator.__version__.encode())
    for module in sorted([*package.rglob("core/**/*.py"), *package.rglob("files/**/*.py")]):
        stat = module.stat()
        found.update(f"{module.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return found.hexdigest()
