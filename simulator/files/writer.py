"""Writing recordings: one unbuffered write per line, so that a killed recorder loses at most the line in hand."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import BinaryIO, Self

from simulator.core.errors import RecordingError
from simulator.core.events import Event
from simulator.core.journal import Entry, Note
from simulator.core.recording import Header, Recording
from simulator.files import lines
from simulator.files.redaction.notes import redacted_entry

Redact = Callable[[Event], Event]


class RecordingWriter:
    """Appends events to a new recording file; every event goes through `redact` before it is written.

    `redact` has no default on purpose: whoever writes what came over a wire says how secrets are kept out.
    The file must not exist, unless `overwrite`; it is there at once, and `begin` writes its header. Raises
    RecordingError.
    """

    def __init__(self, path: Path, *, redact: Redact, overwrite: bool = False) -> None:
        if path.suffix == ".zst":
            hint = f"name it {path.with_suffix('').name}, and run `zstd` when it is done"
            problem = "is a name for what is compressed, and this is written as it comes"
            raise RecordingError(problem, place=str(path), hint=hint)
        self.path, self._redact = path, redact
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if overwrite else os.O_EXCL)
        self.was_there = path.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot be a folder for {path.name}: {error.strerror}"
            raise RecordingError(problem, place=str(path.parent)) from None
        try:
            self._file = os.open(path, flags, 0o666)
        except FileExistsError:
            raise RecordingError(
                "exists already", place=str(path), hint="--force overwrites it, or choose another name"
            ) from None
        except OSError as error:
            raise RecordingError(f"cannot be written: {error.strerror}", place=str(path)) from None

    def begin(self, header: Header) -> None:
        """Write line 1, once and before all else; what the file held before is gone only now."""
        if stat.S_ISREG(os.fstat(self._file).st_mode):
            os.ftruncate(self._file, 0)
        self._append(lines.header_line(header))

    def write(self, entry: Entry) -> None:
        """Append one event or note, redacted."""
        self._append(lines.entry_line(redacted_entry(entry, self._redact)))

    def _append(self, line: dict[str, object]) -> None:
        data = line_bytes(line)
        while data:  # a write may be short, on a full disk or a signal
            try:
                data = data[os.write(self._file, data) :]
            except OSError as error:
                raise RecordingError(f"cannot be written: {error.strerror}", place=str(self.path)) from None

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def replace_header(path: Path, header: Header) -> None:
    """Put another line 1 into a file, in one step; the others are copied as they are."""
    with path.open("rb") as old, new_file(path) as new:
        old.readline()
        new.write(line_bytes(lines.header_line(header)))
        shutil.copyfileobj(old, new)


def line_bytes(line: dict[str, object]) -> bytes:
    """A line of the file; a text that is not Unicode (header fields may hold any byte) becomes Latin-1 text."""
    try:
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(_unicode(line), ensure_ascii=False).encode() + b"\n"


def _unicode(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_unicode(item) for item in value]
    return {_unicode(key): _unicode(item) for key, item in value.items()} if isinstance(value, dict) else value


def _text(value: str) -> str:
    """A text as it is if it is Unicode; its bytes as Latin-1 if it holds some that are not, or else escapes."""
    if value.isascii():
        return value
    try:
        data = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "backslashreplace").decode()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


@contextmanager
def new_file(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes its place in one step, and only when all of it was written.

    Whoever might read the file that it replaces may read this one; a new one is as the umask says. Raises
    RecordingError.
    """
    if path.exists() and not overwrite:
        hint = "--force overwrites it, or choose another name"
        raise RecordingError("exists already", place=str(path), hint=hint)
    beside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise RecordingError(f"cannot be written: {error.strerror}", place=str(path)) from None
    try:
        with os.fdopen(number, "wb") as file:
            if path.exists():
                os.fchmod(number, stat.S_IMODE(path.stat().st_mode))
            yield file
        beside.replace(path)
    except BaseException:
        beside.unlink()
        raise


def save(recording: Recording, path: Path, *, notes: Iterable[Note] = ()) -> None:
    """Write a whole recording that is redacted already, replacing the file in one step."""
    entries: list[Entry] = sorted([*recording.events, *notes], key=lambda entry: entry.at)
    with new_file(path) as file:
        file.write(line_bytes(lines.header_line(recording.header)))
        file.writelines(line_bytes(lines.entry_line(entry)) for entry in entries)
