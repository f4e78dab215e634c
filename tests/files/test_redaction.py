"""Redaction: what is secret never reaches the disk, and what is not stays as it is."""

import base64
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlencode

import jwt
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.core.events import (
    EVENT_CLASSES,
    Bytes,
    Chunk,
    Close,
    Direction,
    End,
    Event,
    Fragment,
    Headers,
    Message,
    Ping,
    Request,
    Response,
    header,
)
from simulator.core.values import tokens
from simulator.files.redaction import Redactor

KEY = "the secret key of somebody's auth service"
CLAIMS = {
    "sub": "user-7",
    "email": "ada@corp.test",
    "name": "Ada Lovelace",
    "permissions": ["read", "write"],
    "iss": "auth-service",
    "aud": "backend",
    "iat": 1700000000,
    "exp": 1700000900,
    "jti": "6f1c2f0e-1d2c-4222-8333-444455556666",
}
LAW = settings(max_examples=300, deadline=None, derandomize=True)
OPAQUE = "tQ9x-Zk3_Lm7vB2n"
INNOCENT = (
    '{"type":"agent_completed","payload":{"max_tokens":512,"token_type":"Bearer","expires_in":900,'
    '"thread_id":"6f1c2f0e-1d2c-4222-8333-444455556666","price":1.50,"text":"a \\"quoted\\" \\u00e9 100% 5/7"}}'
)


def token(**claims: Any) -> str:
    return jwt.encode(CLAIMS | claims, KEY, algorithm="HS256")


def message(data: str | bytes, **more: Any) -> Message:
    return Message(flow="ws", at=0, direction=Direction.DOWNSTREAM, data=data, **more)


def request(target: str = "/", headers: Headers = (), body: bytes = b"") -> Request:
    return Request(flow="f", at=0, service="api", method="POST", target=target, headers=headers, body=body)


def text(data: str, redactor: Redactor | None = None) -> str:
    """A text message's data, redacted."""
    event = (redactor or Redactor()).event(message(data))
    assert isinstance(event, Message) and isinstance(event.data, str)
    return event.data


def field(name: str, value: str, redactor: Redactor | None = None) -> str:
    """A header field's value, redacted."""
    event = (redactor or Redactor()).event(request(headers=((name, value),)))
    assert isinstance(event, Request)
    return event.headers[0][1]


def body(data: bytes, *headers: tuple[str, str], redactor: Redactor | None = None) -> Request:
    event = (redactor or Redactor()).event(request(headers=headers, body=data))
    assert isinstance(event, Request)
    return event


def b64(data: str) -> str:
    return base64.b64encode(data.encode()).decode()


def b64url(data: str) -> str:
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


# An eye of its own: everything that a patient reader could find in an event.


def texts(event: Event) -> Iterator[str]:
    for item in fields(event):
        value = getattr(event, item.name)
        for part in value if isinstance(value, tuple) else (value,):
            for piece in part if isinstance(part, tuple) else (part,):
                if isinstance(piece, str):
                    yield piece
                elif isinstance(piece, bytes):
                    yield piece.decode("utf-8", "replace")


def readings(data: str, depth: int = 4) -> Iterator[str]:
    """A text, and what it becomes by undoing encodings in any order."""
    yield data
    if not depth:
        return
    if "%" in data:
        yield from readings(unquote(data), depth - 1)
    for word in (data, *data.replace('"', " ").replace("=", " ").replace(".", " ").split()):
        for alphabet in (base64.b64decode, base64.urlsafe_b64decode):
            with suppress(ValueError):
                yield from readings(alphabet(word + "=" * (-len(word) % 4)).decode(), depth - 1)
    for line in data.replace("data: ", "").splitlines():
        with suppress(ValueError):
            yield from strings(json.loads(line), depth - 1)


def strings(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield from readings(value, depth)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner, depth)


def leaks(event: Event, secret: str) -> bool:
    return any(secret in reading for part in texts(event) for reading in readings(part))


# Canaries.

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "sentence": "I saw {} there".format,
    "json": lambda secret: json.dumps({"note": secret, "n": 1}),
    "spaced json": lambda secret: json.dumps([{"note": f"it is {secret}"}], indent=2),
    "url": lambda secret: f"https://host.test/x?next={quote(secret, safe='')}&y=1",
    "base64": b64,
    "base64url": lambda secret: f"v1.{b64url(secret)}",
    "log line": lambda secret: f"user logged in with {secret!r}, welcome",
}
TEACHERS: dict[str, Callable[[str], Event]] = {
    "json": lambda secret: message(json.dumps({"a": 1, "password": secret})),
    "list": lambda secret: message(json.dumps({"apiKeys": ["x", secret]})),
    "escaped": lambda secret: message("{" + f'"clientSecret" : {json.dumps(secret)}' + "}"),
    "nested": lambda secret: message(json.dumps({"data": json.dumps({"api-key": secret})})),
    "form": lambda secret: request(
        headers=(("content-type", "application/x-www-form-urlencoded"),),
        body=urlencode({"user": "ada", "user[password]": secret}).encode(),
    ),
    "query": lambda secret: request(target=f"/x?a=1&access_token={quote(secret, safe='')}"),
    "part": lambda secret: request(
        headers=(("content-type", "multipart/form-data; boundary=b"),),
        body=f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{secret}\r\n--b--'.encode(),
    ),
    "url": lambda secret: message(f"go to https://ada:{quote(secret, safe='')}@host.test/x now"),
    "header": lambda secret: request(headers=(("X-Api-Key", secret),)),
    "bearer": lambda secret: request(headers=(("authorization", f"Bearer {secret}"),)),
    "basic": lambda secret: request(headers=(("Proxy-Authorization", f"Basic {b64(f'ada:{secret}')}"),)),
    "sse": lambda secret: Chunk(flow="f", at=0, data=f"data: {json.dumps({'secret': secret})}\n\n".encode()),
    "binary": lambda secret: message(json.dumps({"passwd": secret}).encode()),
    "source": lambda secret: message(f"call(password={json.dumps(secret)})"),
}
PLACES: dict[str, Callable[[str], Event]] = {
    "message": message,
    "binary message": lambda data: message(data.encode()),
    "body": lambda data: request(body=data.encode()),
    "header": lambda data: request(headers=(("X-Note", data.replace("\n", " ")),)),
    "target": lambda data: request(target=f"/{quote(data)}"),
    "reason": lambda data: Close(flow="f", at=0, direction=Direction.DOWNSTREAM, reason=data),
    "chunk": lambda data: Chunk(flow="f", at=0, data=data.encode()),
    "ping": lambda data: Ping(flow="f", at=0, direction=Direction.UPSTREAM, data=data.encode()),
    "bytes": lambda data: Bytes(flow="f", at=0, direction=Direction.UPSTREAM, data=data.encode()),
}
SHAPED: dict[str, str] = {
    "jwt": token(),
    "unsigned jwt": jwt.encode(CLAIMS, None, algorithm="none"),
    "broken jwt": "eyJhbGciOiJIUzI1NiJ9.eyJ-broken-Q5.c2lnbmF0dXJl",
    "encrypted jwt": "eyJlbmMiOiJBMjU2R0NNIn0.a1B2c3D4.e5F6g7H8.i9J0k1L2.m3N4o5P6",
    "bearer": "Bearer 2YotnFZFEjr1zCsicMWpAA",
    "openai": "sk-proj-T3BlbkFJ8x2Kq0mVz4Ww1y",
    "stripe": "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
    "github": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github app": "github_pat_11ABCDEFG0xyzXYZxyz_abcDEF123",
    "slack": "xox" + "b-123456789012-abcDEF123ghi",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "google": "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "gitlab": "glpat-x1Y2z3A4b5C6d7E8f9G0",
    "npm": "npm_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "hugging face": "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "sendgrid": "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",
}
PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----"
)

printable = st.characters(min_codepoint=33, max_codepoint=126)
passwords = st.tuples(
    st.text(printable, min_size=7, max_size=30), st.sampled_from("0123456789"), st.sampled_from("abcXYZ")
).map("".join)
passwords = passwords.filter(lambda secret: len(set(secret)) > 4 and secret.isascii())


@LAW
@given(
    secret=passwords,
    teacher=st.sampled_from(sorted(TEACHERS)),
    forms=st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=2),
    place=st.sampled_from(sorted(PLACES)),
)
def test_what_was_seen_by_name_never_shows_again(secret: str, teacher: str, forms: list[str], place: str) -> None:
    redactor = Redactor(b"salt")
    learned = redactor.event(TEACHERS[teacher](secret))
    assert not leaks(learned, secret)
    data = secret
    for form in forms:
        data = ENCODINGS[form](data)
    redacted = redactor.event(PLACES[place](data))
    assert not leaks(redacted, secret)
    assert redactor.event(redacted) is redacted
    assert redactor.event(learned) is learned
    assert sum(redactor.counts.values()) >= 2


@pytest.mark.parametrize("kind", sorted(SHAPED))
@pytest.mark.parametrize("place", sorted(PLACES))
def test_what_shows_by_its_shape_is_replaced_in_every_form(kind: str, place: str) -> None:
    secret = SHAPED[kind]
    bare = secret.removeprefix("Bearer ")
    for outer in ENCODINGS.values():
        for inner in ENCODINGS.values() if place in ("message", "target") else (str,):
            redactor = Redactor(b"salt")
            redacted = redactor.event(PLACES[place](outer(inner(secret))))
            assert not leaks(redacted, bare)
            assert sum(redactor.counts.values()) == 1
            assert redactor.event(redacted) is redacted


def test_many_canaries_in_one_conversation() -> None:
    redactor = Redactor()
    canaries = [secret.removeprefix("Bearer ") for secret in SHAPED.values()] + [f"{n}{OPAQUE}" for n in range(50)]
    login = request(
        headers=(("X-Vault-Token", OPAQUE), ("Cookie", f"sid={OPAQUE[::-1]}; theme=dark")),
        body=json.dumps([{"secret": secret} for secret in canaries]).encode(),
    )
    echoes = [PLACES[place](f"{secret} {OPAQUE}, {OPAQUE[::-1]}") for place in PLACES for secret in canaries]
    written = [part for event in (login, *echoes) for part in texts(redactor.event(event))]
    everything = "\n".join(reading for part in written for reading in readings(part, 1))
    assert not [secret for secret in (*canaries, OPAQUE, OPAQUE[::-1]) if secret in everything]


# Stand-ins.


def test_a_jwt_stays_a_jwt_without_the_person() -> None:
    old = token(
        org={"phone_number": "+49 171 1234567", "plan": "pro"}, api_key="k3y-k3y-k3y", picture="https://a.b/c"
    )
    new = json.loads(text(json.dumps({"access_token": old})))["access_token"]
    claims = tokens.claims_of(new)
    assert claims is not None
    assert tokens.is_ours(new)
    changed = {name for name in claims if claims[name] != (tokens.claims_of(old) or {})[name]}
    assert changed == {"email", "name", "org", "api_key", "picture", "jti"}
    assert claims["org"]["plan"] == "pro"
    assert claims["email"].endswith("@example.invalid")
    assert [len(part) for part in claims["jti"].split("-")] == [8, 4, 4, 4, 12]
    assert claims["jti"][14] == "4"
    for part in ("ada", "Lovelace", "1234567", "k3y-k3y", "a.b/c"):
        assert part not in json.dumps(claims)


def test_claims_are_searched_for_secrets_wherever_the_token_stands() -> None:
    old = token(note=f"use {SHAPED['github']}", nested=[{"refresh_token": OPAQUE}])
    for data in (old, json.dumps({"token": old}), b64(old)):
        assert not leaks(Redactor().event(message(data)), SHAPED["github"])
        assert not leaks(Redactor().event(message(data)), OPAQUE)


def test_stand_ins_are_known_to_who_reads_the_digests() -> None:
    first = Redactor()
    written = first.event(request("/?api_key=Ab3-Ab3-Ab3", (("Cookie", f"sid={OPAQUE}"),), token().encode()))
    second = Redactor(known=first.digests)
    assert second.event(written) is written
    assert Redactor().event(written) is not written
    assert not leaks(second.event(message(json.dumps({"secret": OPAQUE}))), OPAQUE)


def test_the_same_person_has_the_same_stand_in_in_all_tokens() -> None:
    redactor = Redactor()
    first, second = (tokens.claims_of(text(token(jti=jti), redactor)) or {} for jti in "ab")
    assert first["email"] == second["email"]
    other = tokens.claims_of(text(token(email="eve@corp.test"), redactor)) or {}
    assert other["email"] != first["email"]


def test_equal_secrets_have_equal_stand_ins_wherever_they_are() -> None:
    jwt_, redactor = token(), Redactor()
    wrapped = b64url(jwt_)
    event = redactor.event(
        request(
            target=f"/ws?token={jwt_}&again={quote(quote(jwt_))}",
            headers=(
                ("Authorization", f"Bearer {jwt_}"),
                ("Cookie", f'a="{jwt_}"; b={wrapped}'),
                ("Sec-WebSocket-Protocol", f"jwt-auth, jwt.{wrapped}"),
                ("Sec-WebSocket-Protocol", f"access_token, {jwt_}"),
            ),
            body=json.dumps({"token": jwt_, "log": json.dumps({"said": f"it was {jwt_}."})}).encode(),
        )
    )
    assert isinstance(event, Request)
    new = event.headers[0][1].removeprefix("Bearer ")
    assert tokens.is_ours(new)
    assert event.target == f"/ws?token={new}&again={new}"
    assert event.headers[1][1] == f'a="{new}"; b={b64url(new)}'
    assert event.headers[2][1] == f"jwt-auth, jwt.{b64url(new)}"
    assert event.headers[3][1] == f"access_token, {new}"
    assert json.loads(event.body) == {"token": new, "log": json.dumps({"said": f"it was {new}."})}
    assert dict(redactor.counts) == {"jwt": 9}


NO_SECRETS = ("true", "false", "null", "none", "undefined")


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.binary())
def test_stand_ins_keep_the_shape(secret: str, salt: bytes) -> None:
    new = json.loads(text(json.dumps({"password": secret}), Redactor(salt)))["password"]
    assert len(new) == len(secret)
    if any(char.isalnum() for char in secret) and secret.lower() not in NO_SECRETS:
        assert new != secret
    for old_char, new_char in zip(secret, new, strict=True):
        if old_char.isascii():
            assert old_char.islower() == new_char.islower()
            assert old_char.isupper() == new_char.isupper()
            assert old_char.isdigit() == new_char.isdigit()
        else:
            assert len(old_char.encode()) == len(new_char.encode())


def test_stand_ins_depend_on_the_salt_only() -> None:
    data = json.dumps({"token": OPAQUE, "access": token()})
    assert text(data, Redactor(b"a")) == text(data, Redactor(b"a")) != text(data, Redactor(b"b"))
    assert text(data) != text(data)


@pytest.mark.parametrize("kind", sorted(set(SHAPED) - {"jwt", "unsigned jwt", "bearer"}))
def test_known_prefixes_stay(kind: str) -> None:
    new = text(SHAPED[kind])
    assert new[:3] == SHAPED[kind][:3]
    assert len(new) == len(SHAPED[kind])


def test_private_keys_stay_pem() -> None:
    for data in (PEM, json.dumps({"pem": f"a\n{PEM}\nb"}), json.dumps(json.dumps([PEM])), quote(PEM)):
        new = text(data)
        assert "MIIEvQ" not in new and "AASCBK" not in new
        assert len(new) == len(data)
        for line in ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"):
            assert line in unquote(new)
    torn = PEM[: len(PEM) - 40]
    assert "MIIEvQ" not in text(torn)


# Where secrets are.


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Authorization", f"Bearer {OPAQUE}", "Bearer "),
        ("authorization", OPAQUE, ""),
        ("Authorization", f"Token {OPAQUE}", "Token "),
        ("Authorization", f'Digest username="u9", response="{OPAQUE}", qop={OPAQUE}', 'Digest username="'),
        ("Proxy-Authorization", f"Basic {b64(f'ada:{OPAQUE}')}", f"Basic {b64('ada')}"),
        ("Proxy-Authorization", f"Basic {b64(f'{OPAQUE}:')}", "Basic "),
        ("Cookie", f"theme=dark; sid={OPAQUE}", "theme="),
        ("X-Api-Key", OPAQUE, ""),
        ("X-E2E-Bypass-Key", OPAQUE, ""),
        ("apikey", OPAQUE, ""),
        ("X-Vault-Token", OPAQUE, ""),
        ("x-client-secret", OPAQUE, ""),
        ("X-Custom-Auth", OPAQUE, ""),
        ("Sec-WebSocket-Protocol", f"chat, jwt.{OPAQUE}", "chat, jwt."),
        ("Sec-WebSocket-Protocol", f"access_token, {OPAQUE}", "access_token, "),
        ("Location", f"https://h.test/cb?code={OPAQUE}7&state=1", "https://h.test/cb?code="),
        ("Referer", f"https://ada:{OPAQUE}@h.test/", "https://ada:"),
        ("Referer", f"https://h.test/#access_token={OPAQUE}&x=1", "https://h.test/#access_token="),
        ("Link", f"<https://h.test/?X-Amz-Signature={OPAQUE}>; rel=next", "<https://h.test/?X-Amz-Signature="),
    ],
)
def test_secrets_in_headers(name: str, value: str, kept: str) -> None:
    redactor = Redactor()
    event = redactor.event(request(headers=((name, value),)))
    assert not leaks(event, OPAQUE)
    assert isinstance(event, Request)
    assert event.headers[0][1].startswith(kept)
    assert len(event.headers[0][1]) == len(value)
    assert redactor.event(event) is event


def test_cookies_keep_names_and_attributes() -> None:
    redactor = Redactor()
    new = field("Set-Cookie", f'sid="{OPAQUE}"; Path=/app; Max-Age=600; HttpOnly; SameSite=Lax', redactor)
    assert new.startswith('sid="') and new.endswith('"; Path=/app; Max-Age=600; HttpOnly; SameSite=Lax')
    value = new.partition('"')[2].partition('"')[0]
    assert field("Cookie", f"a=; sid={OPAQUE}", redactor) == f"a=; sid={value}"
    assert dict(redactor.counts) == {"cookie": 2}


@pytest.mark.parametrize(
    "name",
    "password passwd pwd new_password password2 passwordConfirmation secret clientSecret SecretString "
    "token accessToken refresh_token id-token CSRFToken csrfmiddlewaretoken tokenHash api_key apiKey X-API-Key "
    "OPENAI_API_KEY authorization credential credentials private_key signing-key aws_secret_access_key".split(),
)
def test_names_that_promise_a_secret(name: str) -> None:
    assert OPAQUE not in text(json.dumps({name: OPAQUE}))
    assert OPAQUE not in text(json.dumps({name: [OPAQUE, OPAQUE]}))
    assert OPAQUE not in text(f"https://h.test/?{name}={OPAQUE}#x")
    assert OPAQUE not in text(f"f({name}='{OPAQUE}')")


@pytest.mark.parametrize(
    "name",
    "token_type max_tokens tokens expires_in token_count token_url tokenizer password_reset_url key_id cache_key "
    "primary_key public_key secret_name author authority signature_algorithm monkey cookie_policy".split(),
)
def test_names_that_promise_none(name: str) -> None:
    data = json.dumps({name: OPAQUE, "also": {name: [OPAQUE]}})
    assert text(data) == data


def test_pieces_of_language_are_no_tokens() -> None:
    for piece in ("Hello", " world", "JavaScript", "Here are 3 ways to do it"):
        assert text(json.dumps({"token": piece})) == json.dumps({"token": piece})
    assert "481516" not in text('{"token": "481516"}')


@pytest.mark.parametrize("value", ["", *NO_SECRETS])
def test_what_stands_for_no_secret_stays(value: str) -> None:
    data = json.dumps({"password": value, "has_password": True, "token": 5, "secret": None})
    assert text(data) == data


def test_formatting_survives() -> None:
    data = '{ "n":1.50,\r\n\t"password" :"p4ssw\\u006frd-\\u00fc!","e":"\\u00e9\\/é","big":1E5, "n":1.50 }'
    new = text(data)
    start, end = data.index("p4ss"), data.index('","e"')
    assert new[:start] == data[:start]
    assert new.endswith(data[end:])
    assert "p4ss" not in new
    json.loads(new)


def test_torn_text_is_read_as_far_as_it_goes() -> None:
    assert OPAQUE not in text(f'rn", "other": "x", "password": "{OPAQUE}')
    assert OPAQUE not in text(f'"a": "b\\", "password": "{OPAQUE}"')
    assert OPAQUE not in text(f'{{\\"password\\": \\"{OPAQUE}\\", \\"a')
    cut = Chunk(flow="f", at=0, data=b"\xa9 " + f'"password": "{OPAQUE}"'.encode() + b"\xc3")
    new = Redactor().event(cut)
    assert not leaks(new, OPAQUE)


def test_a_secret_is_learned_for_the_event_that_names_it() -> None:
    redactor = Redactor()
    event = redactor.event(request(target=f"/users/{OPAQUE}", body=json.dumps({"secret": OPAQUE}).encode()))
    assert isinstance(event, Request)
    assert event.path.removeprefix("/users/") == json.loads(event.body)["secret"] != OPAQUE


def test_words_are_not_learned() -> None:
    redactor = Redactor()
    for word in ("hunter", "Password", "aaaaaaaaaaaa1", "20240101", "application"):
        assert word not in text(json.dumps({"password": word}), redactor)
        assert text(f"the {word} is here", redactor) == f"the {word} is here"
    field("Cookie", "seen=2024-01-01T00:00:00Z; to=https://app.test/start", redactor)
    assert text("2024-01-01T00:00:00Z https://app.test/start", redactor).startswith("2024-01-01T00")


# HTTP bodies.

CODINGS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "x-gzip": (lambda data: gzip.compress(data[:9], mtime=0) + gzip.compress(data[9:]), gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "Deflate": (lambda data: zlib.compress(data, wbits=-15), lambda data: zlib.decompress(data, wbits=-15)),
    "zstd": (zstandard.compress, zstandard.decompress),
    "deflate, gzip": (
        lambda data: gzip.compress(zlib.compress(data), mtime=0),
        lambda data: zlib.decompress(gzip.decompress(data)),
    ),
}


@pytest.mark.parametrize("coding", sorted(CODINGS))
def test_coded_bodies_are_decoded_and_coded_again(coding: str) -> None:
    encode, decode = CODINGS[coding]
    data = json.dumps({"user": "ada", "token": token()}).encode()
    event = body(encode(data), ("Content-Encoding", coding), ("Content-Length", str(len(encode(data)))))
    new = json.loads(decode(event.body))
    assert new["user"] == "ada"
    assert tokens.is_ours(new["token"])
    assert header(event.headers, "content-length") == str(len(event.body))
    innocent = request(headers=(("Content-Encoding", coding),), body=encode(INNOCENT.encode()))
    assert Redactor().event(innocent) is innocent


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("br", b"\x1b\x0e\x00\xf8"),
        ("gzip", gzip.compress(b"x" * 999, mtime=0)[:-9]),
        ("gzip", b"\x1f\x8b garbage"),
        ("zstd", b"(\xb5/\xfd garbage"),
        ("zstd", zstandard.compress(b"x" * 999)[:-2]),
        ("zstd", zstandard.compress(bytes(80_000_000))),
        ("deflate", b"\x00\xff\xff"),
        ("gzip", gzip.compress(bytes(80_000_000), 1, mtime=0)),
    ],
)
def test_unreadable_bodies_stay_and_are_counted(coding: str, data: bytes) -> None:
    redactor = Redactor()
    event = request(headers=(("content-encoding", coding), ("x-api-key", OPAQUE)), body=data)
    redacted = redactor.event(event)
    assert isinstance(redacted, Request)
    assert redacted.body == data
    assert dict(redactor.counts) == {"api key": 1, "unreadable body": 1}


def test_a_body_that_is_not_coded_after_all_is_redacted() -> None:
    assert OPAQUE.encode() not in body(json.dumps({"token": OPAQUE}).encode(), ("content-encoding", "gzip")).body


def test_streams_of_a_fixed_length_keep_it() -> None:
    redactor, data = Redactor(), json.dumps({"token": token()}).encode()
    head = Response(flow="f", at=0, status=200, headers=(("Content-Length", str(len(data))),), streaming=True)
    assert redactor.event(head) is head
    chunk = redactor.event(Chunk(flow="f", at=1, data=data))
    assert isinstance(chunk, Chunk)
    assert len(chunk.data) == len(data)
    assert not leaks(chunk, token())
    redactor.event(End(flow="f", at=2))
    free = redactor.event(Chunk(flow="f", at=3, data=data))
    assert isinstance(free, Chunk)
    assert tokens.is_ours(json.loads(free.data)["token"])


def test_lengths_that_a_protocol_limits() -> None:
    small = jwt.encode({"sub": "1"}, KEY)
    redactor = Redactor()
    close = redactor.event(Close(flow="f", at=0, direction=Direction.UPSTREAM, reason=f"{small} {'x' * 20}"))
    ping = redactor.event(Ping(flow="f", at=0, direction=Direction.UPSTREAM, data=small.encode()))
    assert isinstance(close, Close) and isinstance(ping, Ping)
    assert len(close.reason.encode()) <= 123
    assert len(ping.data) <= 125
    assert not leaks(close, small) and not leaks(ping, small)


def test_binary_data_keeps_its_length() -> None:
    redactor = Redactor()
    event = message(
        b"\x93\xc4\xff\xfe\x80\x81\x82\x83\xd9" + token().encode() + b"\xa0" + SHAPED["github"].encode()
    )
    redacted = redactor.event(event)
    assert isinstance(redacted, Message)
    assert len(redacted.payload) == len(event.payload)
    assert not leaks(redacted, token()) and not leaks(redacted, SHAPED["github"])


def test_the_last_fragment_takes_what_the_length_changes() -> None:
    for text in json.dumps({"secret": OPAQUE}), token():
        parts = (Fragment(size=10), Fragment(size=len(text) - 10, after=5))
        changed = Redactor().event(message(text, fragments=parts))
        assert isinstance(changed, Message)
        assert changed.data != text
        assert changed.fragments == (parts[0], replace(parts[1], size=len(changed.payload) - 10))


# Laws.

PIECES = (
    [f"{secret}{end}" for secret in (*SHAPED.values(), PEM, OPAQUE) for end in ' "&']
    + ["-----BEGIN PRIVATE KEY-----", "Cookie: a=b", '; name="pwd"\r\n\r\n', "Bearer ", "Basic ", " ", "\r\n"]
    + r""""password" {"token":" token= eyJ sk- ' " : = & ? % %5 %22 %C3%28 \ \u \ud800 . :// @ [ ] } ;""".split()
    + [b64('{"password": "x"}'), "w" * 40, "é", "\ud800", "\udc80"]
)
anything = st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
payloads = st.binary() | anything.map(lambda data: data.encode("utf-8", "surrogatepass"))
field_names = st.text() | st.sampled_from(
    "Authorization Cookie Set-Cookie Sec-WebSocket-Protocol X-Api-Key Content-Encoding Location".split()
)
values = anything | st.sampled_from(["gzip", "gzip, deflate", "zstd", "12"])
headers = st.lists(st.tuples(field_names, values)).map(tuple)
here: Any = {"flow": st.just("f"), "at": st.just(0)}
sent: Any = {**here, "direction": st.sampled_from(Direction)}
events = st.one_of(
    st.builds(request, anything, headers, payloads),
    st.builds(Response, **here, status=st.just(200), reason=anything, headers=headers, body=payloads),
    st.builds(Response, **here, status=st.just(200), headers=headers, streaming=st.just(True)),
    st.builds(message, anything | payloads, fragments=st.just((Fragment(size=1),))),
    st.builds(Chunk, **here, data=payloads),
    st.builds(Close, **sent, reason=anything),
    st.builds(Ping, **sent, data=payloads),
    st.builds(Bytes, **sent, data=payloads),
)


@LAW
@given(st.lists(events, max_size=3))
def test_it_takes_anything_and_is_idempotent(stream: list[Event]) -> None:
    redactor = Redactor(b"salt")
    for event in stream:
        redacted = redactor.event(event)
        assert type(redacted) is type(event)
        assert redactor.event(redacted) is redacted


innocent_words = st.text(alphabet="abcdefghij ABC.,/-_\u00e9\u4e16!?()'", max_size=40)
innocent_json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | innocent_words | st.uuids().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(innocent_words, inner, max_size=4),
    max_leaves=12,
)


@given(innocent_json, st.sampled_from([None, 1]), st.booleans())
def test_innocent_events_are_the_same_objects(value: Any, indent: int | None, ascii_only: bool) -> None:
    data = json.dumps({"data": value, "nested": json.dumps(value)}, indent=indent, ensure_ascii=ascii_only)
    redactor = Redactor()
    for event in (
        message(data),
        message(data.encode()),
        request(f"/x?q={quote_plus(data)}", (("X-A", "b"),), data.encode()),
    ):
        assert redactor.event(event) is event
    assert not redactor.counts


def test_other_events_pass() -> None:
    redactor = Redactor()
    for kind in EVENT_CLASSES:
        if kind.kind in ("end", "reset", "pong"):
            event = kind(flow="f", at=0, direction=Direction.UPSTREAM)
            assert redactor.event(event) is event
    handshake = request(headers=(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Accept", "*/*")))
    assert redactor.event(handshake) is handshake
    assert redactor.event(replace(handshake, target=INNOCENT)) == replace(handshake, target=INNOCENT)
    assert text(INNOCENT) == INNOCENT


@pytest.mark.parametrize(
    "piece",
    r"""{"type":"x","n":1}, " \ %25 eyJ eyJhbGciOi. "token":" token= ://a: -----BEGIN_PRIVATE_KEY-----
    "password":["a", token=%25252541 'token'=' ;_name="token" k=%7B%22 Bearer_a1B2c3D4_ a/b/c/d/e/f/""".split(),
)
def test_time_grows_with_the_size_only(piece: str) -> None:
    redactor, piece = Redactor(), piece.replace("_", " ")
    text(json.dumps({"password": OPAQUE}), redactor)
    start = time.process_time()
    text(piece * (200_000 // len(piece)), redactor)
    assert time.process_time() - start < 5  # a quadratic pattern takes minutes
