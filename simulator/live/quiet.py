"""Whether anything is still under way between sockets of this process, as the kernel counts it (Linux, TCP_INFO).

Loopback hands over at once on an idle machine and milliseconds later on a busy one, so nothing here is timed: the
bytes that one end has sent are compared with those that the other end was given, and so are their ends.
"""

from __future__ import annotations

import math
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Address = tuple[str, int]

_INFO_SIZE: Final = 216
"""Up to and with tcpi_bytes_retrans (include/uapi/linux/tcp.h, Linux 4.19)."""
_CONNECTING: Final = {2, 3}
_FIN_SENT: Final = {4, 5, 6, 9, 11}
_FIN_RECEIVED: Final = {6, 7, 8, 9, 11}
"""States of a connection (include/net/tcp_states.h)."""
FOREIGN: Final = 1.0
"""Seconds, if patience is not shorter, after which a connection's other end is taken to be out of reach."""
FULL: Final = 0.25
"""Seconds after which unsent bytes are taken to wait for a reader; acknowledgements take up to 0.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindrance:
    """Why time may not pass now; the same one again is equal.

    Once it has been there for `patience` seconds, or for as long as anything may be, it is the reason to give up;
    with `passes`, it is no hindrance any more.
    """

    key: object
    tell: Callable[[], str] = field(compare=False)
    patience: float = field(default=math.inf, compare=False)
    passes: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a TCP connection, or a listening socket."""

    local: Address
    peer: Address | None
    listening: bool
    state: int
    sent: int
    received: int
    unsent: int


def supported() -> bool:
    """Whether this kernel counts what is needed."""
    if sys.platform != "linux":
        return False
    with socket.socket() as probe:
        return len(probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)) >= _INFO_SIZE


def inode(fd: int) -> int | None:
    """What tells a file from the next one with the same number; None once it is closed."""
    try:
        return os.fstat(fd).st_ino
    except OSError:
        return None


def under_way(watched: Iterable[tuple[int, int]]) -> Hindrance | None:
    """What hinders among files that event loops wait for, by number and inode; None if all is quiet."""
    ends = []
    for fd, known in watched:
        found = _end(fd) if inode(fd) == known else None
        if isinstance(found, Hindrance):
            return found
        ends += [found] if found is not None else []
    return among(ends)


def _end(fd: int) -> End | Hindrance | None:
    """One socket's state; None for what stays within this process and is never under way."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return _other_file(fd)
    sock = socket.socket(fileno=fd)  # the same file, given back below
    try:
        if sock.family == socket.AF_UNIX:
            return None if _own(sock) else _other_file(fd)
        if sock.type != socket.SOCK_STREAM:
            return _other_file(fd)
        return _tcp(sock)
    finally:
        sock.detach()


def _own(sock: socket.socket) -> bool:
    pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(pid == os.getpid())


def _other_file(fd: int) -> Hindrance:
    name = Path(f"/proc/self/fd/{fd}").readlink()
    return Hindrance(
        key=("file", fd),
        tell=lambda: f"an event loop waits for {name}, which is no connection to staging (a subprocess?)",
        patience=FOREIGN,
    )


def _tcp(sock: socket.socket) -> End:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    (received,) = struct.unpack_from("Q", info, 128)
    (unsent,) = struct.unpack_from("I", info, 144)
    sent, sent_again = struct.unpack_from("QQ", info, 200)
    try:
        peer = _address(sock.getpeername())
    except OSError:
        peer = None
    return End(
        local=_address(sock.getsockname()),
        peer=peer,
        listening=bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)),
        state=info[0],
        sent=sent - sent_again,
        received=received,
        unsent=unsent,
    )


def _address(name: Any) -> Address:
    return str(name[0]), int(name[1])


def among(ends: list[End]) -> Hindrance | None:
    """What hinders among sockets, what passes by itself last."""
    offered = {end.local for end in ends if end.listening}
    by_names = {(end.local, end.peer): end for end in ends if end.peer is not None}
    found: list[Hindrance] = []
    for end in ends:
        if end.listening or (end.peer is None and end.state not in _CONNECTING):
            continue
        other = by_names.get((end.peer, end.local)) if end.peer is not None else None
        if other is not None:
            found += _between(end, other)
        elif end.state not in _FIN_RECEIVED:  # whose other end has gone may stay as it is
            found.append(_alone(end, offered))
    return min(found, key=lambda hindrance: hindrance.passes, default=None)


def _between(end: End, other: End) -> Iterator[Hindrance]:
    names = f"from {_text(end.local)} to {_text(other.local)}"
    ended = end.state in _FIN_SENT and not end.unsent
    if end.sent > other.received or (ended and other.state not in _FIN_RECEIVED):
        key = ("bytes", end.local, end.sent)
        yield Hindrance(key=key, tell=lambda: f"what was sent {names} does not arrive")
    elif end.unsent:
        yield Hindrance(key=("unsent", end.local, end.sent), tell=lambda: names, patience=FULL, passes=True)


def _alone(end: End, offered: Iterable[Address]) -> Hindrance:
    """An end whose other end is on none of the loops: about to be accepted, just gone, or out of reach."""
    key, peer = ("alone", end.local, end.peer), end.peer
    if peer is None:
        return Hindrance(key=key, tell=lambda: "a client connects to a server elsewhere", patience=FOREIGN)
    if peer in offered:
        return Hindrance(key=key, tell=lambda: f"{_text(peer)} does not accept a client's connection")
    if end.local in offered:
        return Hindrance(
            key=key, tell=lambda: f"the client at {_text(peer)} {_who(peer, end.local)}", patience=FOREIGN
        )
    return Hindrance(
        key=key,
        tell=lambda: f"a client is connected to {_text(peer)}, a server that runs elsewhere",
        patience=FOREIGN,
    )


def _who(client: Address, server: Address) -> str:
    found = _inode_of(client, server)
    if found is None:
        return "is out of reach"
    if found in {inode(int(file.name)) for file in Path("/proc/self/fd").iterdir()}:
        return "is on no event loop that takes part: a blocking client, trio, uvloop, or a loop made before"
    return "is in another process, whose time cannot be moved"


def _inode_of(local: Address, peer: Address) -> int | None:
    """Of the socket with these addresses, whoever owns it; others, long gone, may have had one of them."""
    lines = Path("/proc/self/net/tcp6" if ":" in local[0] else "/proc/self/net/tcp").read_text().splitlines()
    wanted = [_written(local), _written(peer)]
    return next((int(fields[9]) for line in lines if (fields := line.split())[1:3] == wanted), None)


def _written(address: Address) -> str:
    """As /proc writes it: in words of this machine."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, address[0])
    words = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
