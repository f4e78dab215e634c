"""Reading recordings: line by line, with the file and line of every mistake, and never a traceback."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import zstandard
from pydantic import TypeAdapter, ValidationError

from simulator.core import jsontext
from simulator.core.errors import RecordingError
from simulator.core.journal import Entry, Note
from simulator.core.jsontext import MISSING
from simulator.core.recording import FORMAT_VERSION, Header, Recording
from simulator.files import lines, models
from simulator.files.problems import first_problem

MAX_LINE: Final = 256 * 1024 * 1024
"""Bytes in the longest line that is read; a longer one is an error, so that a hostile file cannot fill memory."""

_HEADER: TypeAdapter[models.HeaderLine] = TypeAdapter(models.HeaderLine)
_EVENT: TypeAdapter[models.EventLine] = TypeAdapter(models.EventLine)
Model = TypeVar("Model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A recording read whole; `warnings` are for people, `notes` are what a journal has between its events."""

    recording: Recording
    notes: tuple[Note, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A recording that is being read: its header, and its entries one after the other, once."""

    header: Header
    entries: Iterator[Entry]


def load(path: Path) -> Loaded:
    """Read a recording or journal (`.jsonl` or `.jsonl.zst`) into memory. Raises RecordingError."""
    warnings: list[str] = []
    with open_recording(path, warnings.append) as opened:
        entries = list(opened.entries)
    return Loaded(
        recording=Recording(
            header=opened.header,
            events=tuple(entry for entry in entries if not isinstance(entry, Note)),
        ),
        notes=tuple(entry for entry in entries if isinstance(entry, Note)),
        warnings=tuple(warnings),
    )


@contextmanager
def open_recording(path: Path, warn: Callable[[str], None]) -> Iterator[Opened]:
    """Read a recording or journal as it comes, of any size; nothing of it is kept. Raises RecordingError.

    So does going through the entries, which stand as in the file.
    """
    with open_lines(path) as stream:
        header = read_header(stream, path)
        yield Opened(header=header, entries=ordered(read_entries(stream, path, warn), path))


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """Open a recording for reading, decompressing `.zst` on the way. Raises RecordingError."""
    try:
        with path.open("rb") as raw:
            if path.suffix == ".zst":
                with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as plain:
                    yield io.BufferedReader(plain)
            else:
                yield raw
    except zstandard.ZstdError as error:
        raise RecordingError(f"not a zstd file: {error}", place=str(path)) from None
    except BrokenPipeError:  # of whoever reads what we print meanwhile
        raise
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror or error}", place=str(path)) from None


def read_header(stream: BinaryIO, path: Path) -> Header:
    """Read line 1. Raises RecordingError."""
    line = _line(stream, path, 1)
    if not line.strip():
        raise RecordingError("the file is empty; expected a recording's header in line 1", place=str(path))
    if b'"stagesim"' not in line:
        hint = "`stagesim record` makes recordings"
        raise RecordingError(
            'not a recording: line 1 has no "stagesim" format version', place=str(path), hint=hint
        )
    header = lines.header_of(_parse(_HEADER.validate_json, line, f"{path}:1"))
    if header.version != FORMAT_VERSION:
        raise RecordingError(
            f"format version {header.version}; this stagesim reads version {FORMAT_VERSION}", place=f"{path}:1"
        )
    return header


def read_entries(stream: BinaryIO, path: Path, warn: Callable[[str], None]) -> Iterator[Entry]:
    """Read line 2 and on, one entry at a time.

    A last line without its newline is what a killed recorder leaves: dropped with a warning if it is torn.
    """
    number = 1
    while line := _line(stream, path, number + 1):
        number += 1
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            entry = entry_at(line, place)
        except RecordingError:
            if line.endswith(b"\n") or _is_json(line):
                raise
            warn(f"{place}: the last line is torn and was dropped; the writer was cut off there")
            return
        yield entry


def entry_at(line: bytes, place: str) -> Entry:
    """The entry that a line says. Raises RecordingError."""
    return lines.entry_of(_parse(_EVENT.validate_json, line, place))


def _line(stream: BinaryIO, path: Path, number: int) -> bytes:
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise RecordingError(f"a line of more than {MAX_LINE} bytes", place=f"{path}:{number}")
    return line


def _parse(validate: Callable[[bytes], Model], line: bytes, place: str) -> Model:
    try:
        return validate(line)
    except ValidationError as error:
        raise first_problem(error, RecordingError).within(place) from None


def _is_json(line: bytes) -> bool:
    """Whether a line is whole: what was cut off in the middle of an object is not JSON."""
    return jsontext.parse(line) is not MISSING


def ordered(entries: Iterator[Entry], path: Path) -> Iterator[Entry]:
    """The entries, as long as they stand in order of time. Going through them raises RecordingError."""
    last = index = 0
    for entry in entries:
        if not isinstance(entry, Note):
            index += 1
            if entry.at < last:
                place = f"{path}: event {index} (flow {entry.flow})"
                problem = f"happens at {entry.at / 1e6} s, before the event above it at {last / 1e6} s"
                raise RecordingError(problem, place=place, hint="events stand in order of time")
            last = entry.at
        yield entry
