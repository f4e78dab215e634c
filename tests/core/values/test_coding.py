"""Compressed bodies: what is in them is matched, learned and made anew like anything else."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import pytest
import zstandard

from simulator.core.events import Response, header
from simulator.core.values.coding import decoded
from simulator.core.values.places import Slot, filled, json_of, with_plain
from simulator.core.values.tokens import sign
from tests.conversations import recording
from tests.core.playing import Staging, get, post

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, zstd": lambda data: zstandard.ZstdCompressor().compress(gzip.compress(data)),
}


LARGE = CODINGS["zstd"](b"0" * 9_000_000)


def coded(coding: str, body: bytes, flow: str = "1", at: int = 0) -> Response:
    fields = (("Content-Encoding", coding), ("Content-Length", str(len(body))))
    return Response(flow=flow, at=at, status=200, headers=fields, body=body)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_value_in_a_compressed_body_is_replaced(coding: str) -> None:
    response = coded(coding, CODINGS[coding](b'{"id": "a", "n": [1]}'))
    changed = filled(response, {Slot("json", ("id",)): "bcd"})
    assert isinstance(changed, Response)
    assert json_of(changed) == {"id": "bcd", "n": [1]}
    plain = decoded(changed.body, changed.headers)
    assert plain is not None and plain.data == b'{"id": "bcd", "n": [1]}'
    assert header(changed.headers, "content-length") == str(len(changed.body))
    assert filled(response, {Slot("json", ("id",)): "a"}) == response


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"what"),
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"{}")[:-4]),
        ("gzip", gzip.compress(b"0" * 9_000_000)),
    ],
    ids=["unknown", "broken", "cut off", "too large"],
)
def test_what_cannot_be_looked_into_stays_as_it_is(coding: str, body: bytes) -> None:
    response = coded(coding, body)
    assert not isinstance(json_of(response), dict)
    assert with_plain(response, lambda data: data + b"!") is response


def test_a_compressed_login_gives_every_client_a_token_of_its_own() -> None:
    token = sign({"sub": "alice"})
    login = gzip.compress(json.dumps({"token": token, "email": "alice@example.com"}).encode())
    me = gzip.compress(json.dumps({"email": "alice@example.com"}).encode())
    played = recording(
        post("1", 0, "/login", email="alice@example.com"),
        coded("gzip", login, "1", 1000),
        get("2", 20, "/me", (("Authorization", f"Bearer {token}"),)),
        coded("gzip", me, "2", 30_000),
    )
    staging, tokens = Staging(played), []
    for number in range(3):
        staging.hears(post(f"l{number}", number * 10, "/login", email=f"{number}@example.com"))
        found = json_of(staging.says(number * 10 + 5)[0])
        assert isinstance(found, dict)
        tokens.append(str(found["token"]))
    assert len({*tokens, token}) == 4
    for number, shown in enumerate(tokens):
        staging.hears(get(f"m{number}", 1000 + number * 100, "/me", (("Authorization", f"Bearer {shown}"),)))
        assert json_of(staging.says(1090 + number * 100)[0]) == {"email": f"{number}@example.com"}
