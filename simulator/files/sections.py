"""A file of named sections, of numbers or bytes, used where they lie: those of millions cost no memory."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

_MAGIC: Final = b"stagesim sections 1\n"
_DIGEST: Final = 32
_ALIGNED: Final = 8
_BLOCK: Final = 1 << 16
_CODES: Final = frozenset("BIQq")
"""Bytes, and numbers of 4 and 8 bytes as this machine has them: the file is a cache, and never leaves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """What was written: `about` it, and views into the file."""

    about: dict[str, Any]
    views: Mapping[str, memoryview]


def write_sections(path: Path, about: Mapping[str, Any], sections: Mapping[str, Any]) -> None:
    """Write arrays and byte strings, in one step, for nobody else to read. Raises OSError."""
    views = {name: memoryview(data) for name, data in sections.items()}
    table = {name: [view.format, view.nbytes] for name, view in views.items()}
    head = _padded(json.dumps({"about": about, "sections": table}).encode())
    digest = hashlib.blake2b(digest_size=_DIGEST)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(_MAGIC + bytes(_DIGEST))
            for data in _blocks(head, views.values()):
                out.write(data)
                digest.update(data)
            out.seek(len(_MAGIC))
            out.write(digest.digest())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _blocks(head: bytes, views: Iterable[memoryview]) -> Iterator[bytes | memoryview]:
    yield len(head).to_bytes(8, "little") + head
    for view in views:
        yield view.cast("B")
        yield bytes(-view.nbytes % _ALIGNED)


def read_sections(path: Path) -> Sections | None:
    """The sections of a file; None if there is none, or if it is not as it was written."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid() or not _as_written(file):
                return None
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _sections(data)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _as_written(file: BinaryIO) -> bool:
    """Whether the rest of a file has the digest at its beginning. It is read: pages of a map would be memory."""
    file.seek(len(_MAGIC))
    expected, digest = file.read(_DIGEST), hashlib.blake2b(digest_size=_DIGEST)
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest() == expected


def _sections(data: memoryview) -> Sections | None:
    begin = len(_MAGIC) + _DIGEST + 8
    length = int.from_bytes(data[begin - 8 : begin], "little")
    head = data[begin : begin + length]
    if bytes(data[: len(_MAGIC)]) != _MAGIC or len(head) != length:
        return None
    told = json.loads(bytes(head))
    views, at = {}, begin + length
    for name, (code, size) in told["sections"].items():
        view = data[at : at + size]
        if code not in _CODES or len(view) != size:
            return None
        views[name] = view.cast(code)
        at += size + -size % _ALIGNED
    return Sections(about=told["about"], views=views)


def _padded(head: bytes) -> bytes:
    """With spaces, so that what follows is aligned."""
    return head + b" " * (-(len(_MAGIC) + _DIGEST + 8 + len(head)) % _ALIGNED)
