"""Which format a file has, found from its content, and its bytes within limits."""

from __future__ import annotations

import json
import re
import zlib
from enum import StrEnum
from pathlib import Path
from typing import Final

from simulator.core.errors import RecordingError

MAX_SIZE: Final = 256 * 1024 * 1024
"""Bytes in the largest file that is read whole; dumps are read flow by flow."""

_HEAD: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_FLOWS: Final = re.compile(rb"\d{1,12}:")
_CASSETTE: Final = re.compile(rb"^interactions:", re.M)
_RUBY: Final = re.compile(rb"^http_interactions:", re.M)
_RECORDING: Final = re.compile(rb'\{\s*"stagesim"\s*:')
_ZLIB: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_PACKED: Final = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "a gzip file", b"\x28\xb5\x2f\xfd": "a zstd file"}
_EXPECTED: Final = "expected a HAR, a mitmproxy dump or a vcrpy cassette"


class Format(StrEnum):
    """The formats that are read. A HAR and a cassette may both be JSON; see `json_format`."""

    JSON = "JSON"
    YAML_CASSETTE = "vcrpy cassette"
    FLOWS = "mitmproxy dump"


def format_of(path: Path) -> Format:
    """The format of a file, whatever its name. Raises RecordingError."""
    head = read(path, _HEAD)
    for mark, what in _PACKED.items():
        if head.startswith(mark):
            raise RecordingError(f"is {what}; {_EXPECTED}", place=str(path), hint="unpack it first")
    text = head.removeprefix(_BOM).lstrip()
    if _RECORDING.match(text):
        hint = f"`stagesim replay {path}` plays it"
        raise RecordingError("is a recording already", place=str(path), hint=hint)
    if text.startswith((b"{", b"[")) or _ZLIB.match(head):
        return Format.JSON
    if _FLOWS.match(head):
        return Format.FLOWS
    if _RUBY.search(text):
        raise RecordingError("is a cassette of Ruby's VCR; only vcrpy's are read", place=str(path))
    if _CASSETTE.search(text):
        return Format.YAML_CASSETTE
    found = "is empty" if not head else "is of no format that is known here"
    raise RecordingError(f"{found}; {_EXPECTED}", place=str(path))


def read(path: Path, limit: int) -> bytes:
    """At most so many bytes of a file. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror or error}", place=str(path)) from None


def read_whole(path: Path, limit: int = MAX_SIZE) -> bytes:
    """All bytes of a file that is not too large, inflated if mitmproxy compressed it. Raises RecordingError."""
    data = read(path, limit + 1)
    if _ZLIB.match(data):
        try:
            data = zlib.decompressobj().decompress(data, limit + 1)
        except zlib.error as error:
            raise RecordingError(f"not a compressed HAR: {error}", place=str(path)) from None
    if len(data) > limit:
        raise RecordingError(f"is larger than {limit} bytes", place=str(path))
    return data


def load_json(path: Path) -> dict[str, object]:
    """The object in a JSON file. Raises RecordingError.

    Lone surrogates are let through: JavaScript's strings have them, and so have the HARs that it writes.
    """
    try:
        value = json.loads(read_whole(path).removeprefix(_BOM))
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise RecordingError(f"not JSON: {error.msg} (column {error.colno})", place=where) from None
    except RecursionError:
        raise RecordingError("not read: its JSON nests too deep", place=str(path)) from None
    except ValueError as error:
        raise RecordingError(f"not JSON: {error}", place=str(path)) from None
    if not isinstance(value, dict) or not {"log", "interactions"} & value.keys():
        problem = "has neither the 'log' of a HAR nor the 'interactions' of a vcrpy cassette"
        raise RecordingError(problem, place=str(path))
    return value
