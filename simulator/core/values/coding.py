"""The content codings of HTTP bodies, undone and done again (RFC 9110 §8.4)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import reduce
from typing import Final, NamedTuple

import zstandard

from simulator.core.events import Headers, header

LARGEST: Final = 64 * 1024 * 1024
"""A body that decodes to more is not looked into."""
_ZSTD_STEP: Final = 256
"""So few bytes at a time, because they may grow thirty thousandfold."""


class Decoded(NamedTuple):
    """What a body means, and how to encode something else in the same way."""

    data: bytes
    encode: Callable[[bytes], bytes]


def codings(headers: Headers) -> list[str]:
    """What was done to a body (RFC 9110 §8.4), the last first."""
    listed = (header(headers, "content-encoding") or "").lower().replace(" ", "").split(",")
    return [coding for coding in reversed(listed) if coding not in ("", "identity")]


def decoded(body: bytes, headers: Headers, largest: int = LARGEST) -> Decoded | None:
    """A body without its content codings; None if one is unknown, broken, cut off or too large."""
    encoders: list[Callable[[bytes], bytes]] = []
    for coding in codings(headers) if body else ():
        layer = _decoded(body, coding, largest)
        if layer is None:
            return None
        body = layer.data
        encoders.insert(0, layer.encode)
    return Decoded(body, lambda data: reduce(lambda made, encode: encode(made), encoders, data))


def _decoded(body: bytes, coding: str, largest: int) -> Decoded | None:
    try:
        match coding:
            case "gzip" | "x-gzip":
                return Decoded(_inflated(body, 16 + zlib.MAX_WBITS, largest), _gzip)
            case "deflate":
                return _deflated(body, largest)
            case "zstd":
                return Decoded(_unzstd(body, largest), _zstd)
    except (zlib.error, zstandard.ZstdError, ValueError):
        pass
    return None


def encoder(coding: str) -> Callable[[bytes], bytes] | None:
    """What encodes a body in this way; None if that is unknown."""
    return _ENCODERS.get(coding.strip().lower())


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


_ENCODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": zlib.compress,
    "zstd": _zstd,
}


def _deflated(body: bytes, largest: int) -> Decoded:
    """`deflate` means zlib; raw deflate is sent under this name as well."""
    try:
        return Decoded(_inflated(body, zlib.MAX_WBITS, largest), zlib.compress)
    except zlib.error:
        return Decoded(_inflated(body, -zlib.MAX_WBITS, largest), _raw_deflate)


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def _inflated(body: bytes, wbits: int, largest: int) -> bytes:
    """All that is compressed, in one stream or, as gzip allows, in several one after the other."""
    parts: list[bytes] = []
    room = largest
    while body:
        inflater = zlib.decompressobj(wbits)
        parts.append(inflater.decompress(body, room))
        room -= len(parts[-1])
        if not inflater.eof or room <= 0:
            raise ValueError("cut off, or too large")
        body = inflater.unused_data if wbits > zlib.MAX_WBITS else b""
    return b"".join(parts)


def _unzstd(body: bytes, largest: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    data = bytearray()
    for start in range(0, len(body), _ZSTD_STEP):
        data += decompressor.decompress(body[start : start + _ZSTD_STEP])
        if len(data) > largest:
            raise ValueError("too large")
        if decompressor.eof and (decompressor.unused_data or start + _ZSTD_STEP < len(body)):
            raise ValueError("more than one frame")
    if not decompressor.eof:
        raise ValueError("cut off")
    return bytes(data)
