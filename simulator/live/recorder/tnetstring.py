"""Reading tnetstrings, of which mitmproxy's dumps are made, from files that nobody vouches for.

mitmproxy's own reader takes negative lengths, on which it may work for ever, believes any length before it reads,
and follows any depth. https://tnetstrings.info/
"""

from __future__ import annotations

from typing import BinaryIO, Final

MAX_DEPTH: Final = 64
_DIGITS: Final = 12

Value = None | bool | int | float | bytes | str | list["Value"] | dict["Value", "Value"]


def read(file: BinaryIO, left: int) -> tuple[Value, int]:
    """The next value of a file of which `left` bytes are left, and how many are left then. Raises ValueError."""
    head = b""
    while (char := file.read(1)).isdigit() and len(head) < _DIGITS:
        head += char
    head += char
    if not head[:-1].isdigit() or head[-1:] != b":":
        raise ValueError(f"expected a length and ':', got {head[:20]!r}")
    size, left = int(head[:-1]), left - len(head)
    if size + 1 > left:
        raise ValueError(f"a value of {size} bytes is announced, and {left} are left")
    data = memoryview(file.read(size + 1))
    return _value(data[:size], data[size], 0), left - size - 1


def _value(data: memoryview, kind: int, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise ValueError(f"nests deeper than {MAX_DEPTH} levels")
    match chr(kind):
        case ",":
            return data.tobytes()
        case ";":
            return str(data, "utf-8")
        case "#":
            return int(data.tobytes())
        case "^":
            return float(data.tobytes())
        case "!" if data.tobytes() in (b"true", b"false"):
            return data.tobytes() == b"true"
        case "~" if not data:
            return None
        case "]":
            return _items(data, depth)
        case "}":
            return _pairs(_items(data, depth))
    raise ValueError(f"a value of unknown type {chr(kind)!r}")


def _items(data: memoryview, depth: int) -> list[Value]:
    items: list[Value] = []
    at = 0
    while at < len(data):
        head = data[at : at + _DIGITS + 1].tobytes().partition(b":")
        if not head[0].isdigit() or not head[1]:
            raise ValueError(f"expected a length and ':', got {head[0]!r}")
        start, size = at + len(head[0]) + 1, int(head[0])
        at = start + size + 1
        if at > len(data):
            raise ValueError(f"a value of {size} bytes is announced, and {len(data) - start} are left")
        items.append(_value(data[start : start + size], data[at - 1], depth + 1))
    return items


def _pairs(items: list[Value]) -> dict[Value, Value]:
    if len(items) % 2 or any(isinstance(key, list | dict) for key in items[::2]):
        raise ValueError("a mapping with something that is no key, or a key without a value")
    return dict(zip(items[::2], items[1::2], strict=True))
