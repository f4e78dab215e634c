"""What is under way between sockets: real ones where the kernel can be made to wait, else what it would count."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest

from simulator.live.quiet import End, Hindrance, among, inode, under_way

CLIENT, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 80)
ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT, LISTENING = 1, 4, 8, 10
NEAR = End(local=CLIENT, peer=SERVER, listening=False, state=ESTABLISHED, sent=10, received=0, unsent=0)
FAR = End(local=SERVER, peer=CLIENT, listening=False, state=ESTABLISHED, sent=0, received=10, unsent=0)
OFFER = End(local=SERVER, peer=None, listening=True, state=LISTENING, sent=0, received=0, unsent=0)


def test_what_was_sent_and_not_received_is_under_way() -> None:
    assert among([NEAR, FAR, OFFER]) is None
    on_its_way = among([NEAR, replace(FAR, received=9)])
    assert on_its_way is not None and "from 127.0.0.1:40000 to 127.0.0.1:80" in on_its_way.tell()


def test_an_end_that_was_sent_and_not_received_is_under_way() -> None:
    ending = replace(NEAR, state=FIN_WAIT_1)
    assert among([ending, FAR]) is not None
    assert among([ending, replace(FAR, state=CLOSE_WAIT, received=11)]) is None  # a FIN counts as a byte
    assert among([replace(FAR, state=CLOSE_WAIT)]) is None  # the other end is gone, and known to be


def test_a_connection_without_its_other_end_is_not_quiet() -> None:
    assert "does not accept" in told(among([NEAR, OFFER]))
    assert "a server that runs elsewhere" in told(among([NEAR]))
    assert "the client at 127.0.0.1:40000" in told(among([FAR, OFFER]))


def test_what_passes_by_itself_comes_after_what_does_not() -> None:
    full = replace(NEAR, unsent=1)
    waits = among([full, FAR])
    assert waits is not None and waits.passes
    other = replace(NEAR, local=("127.0.0.1", 40001), peer=SERVER)
    hindrance = among([full, FAR, other])
    assert hindrance is not None and not hindrance.passes


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_real_sockets_are_counted(host: str) -> None:
    with connected(host) as (offer, near, far):
        assert under_way(watched(offer, near, far)) is None
        near.sendall(b"hello")
        assert far.recv(5, socket.MSG_PEEK) == b"hello"  # it has arrived, though nobody has read it
        assert under_way(watched(offer, near, far)) is None
        near.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                near.send(bytes(1_000_000))
        hindrance = under_way(watched(offer, near, far))
        assert hindrance is not None
        assert "on no event loop that takes part" in told(under_way(watched(offer, far)))


def test_files_that_are_closed_and_files_of_others_are_told_apart() -> None:
    read, write = os.pipe()
    known = [(read, inode(read) or 0)]
    assert "pipe:" in told(under_way(known))
    os.close(read)
    assert under_way(known) is None
    os.close(write)
    here, there = socket.socketpair()  # as event loops wake themselves up
    with here, there:
        assert under_way(watched(here, there)) is None


def told(hindrance: Hindrance | None) -> str:
    assert hindrance is not None
    return hindrance.tell()


def watched(*sockets: socket.socket) -> list[tuple[int, int]]:
    return [(sock.fileno(), inode(sock.fileno()) or 0) for sock in sockets]


@contextmanager
def connected(host: str) -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    with ExitStack() as stack:
        try:
            offer = stack.enter_context(socket.create_server((host, 0), family=family))
        except OSError as error:
            pytest.skip(f"no {host} here: {error}")
        near = stack.enter_context(socket.create_connection(offer.getsockname()[:2]))
        yield offer, near, stack.enter_context(offer.accept()[0])
