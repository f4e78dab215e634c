"""Cookies: each client has its own, keeps them as long as recorded, and sends them back to the replay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.events import Response, header
from simulator.core.recording import Recording
from simulator.core.units import SECOND
from simulator.core.values.cookies import parts, settled
from tests.conversations import recording
from tests.core.playing import Staging, answer, data, get, post

SID = "Zx8kQ2pLm4Rt7Vw1Yb5N"


def found(name: str, value: str) -> list[tuple[str, str]]:
    return [(part, value[begin:end]) for _, part, begin, end in parts(name, value)]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cookie", "a=1; b=2;c=3", [("a", "1"), ("b", "2"), ("c", "3")]),
        ("cookie", ' a = 1 ;b="x y"; c=; d; =e; f=g=h', [("a", "1"), ("b", "x y"), ("c", ""), ("f", "g=h")]),
        ("set-cookie", "sid=abc; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT", [("sid", "abc")]),
        ("set-cookie", "nothing", []),
        ("authorization", "Bearer  eyJ.a", [("authorization", "eyJ.a")]),
        ("authorization", "opaque", [("authorization", "opaque")]),
        ("x-id", "Bearer x", [("x-id", "Bearer x")]),
    ],
)
def test_the_values_in_a_field(name: str, value: str, expected: list[tuple[str, str]]) -> None:
    assert found(name, value) == expected


@given(st.sampled_from(["cookie", "set-cookie", "authorization", "x"]), st.text('ab="; \t', max_size=30))
def test_values_lie_one_behind_the_other(name: str, value: str) -> None:
    spans = [span for _, _, *span in parts(name, value)]
    assert [place for span in spans for place in span] == sorted(place for span in spans for place in span)
    assert all(0 <= begin <= end <= len(value) for begin, end in spans)


def shop() -> Recording:
    """A login that sets cookies, and a basket that is found by them."""
    login = (("Set-Cookie", f"sid={SID}; Path=/; HttpOnly"), ("Set-Cookie", "theme=dark; Path=/"))
    return recording(
        post("1", 0, "/login", name="alice-of-shop-1"),
        answer("1", 10, headers=login, name="alice-of-shop-1"),
        get("2", 20, "/basket", (("Cookie", f"theme=dark; sid={SID}"),)),
        answer("2", 30, session=SID, name="alice-of-shop-1"),
    )


def test_every_client_gets_a_cookie_of_its_own_and_is_known_by_it() -> None:
    staging = Staging(shop())
    cookies = []
    for number in range(3):
        staging.hears(post(f"l{number}", number, "/login", name=f"name-of-buyer-{number}"))
        (said,) = staging.says(100 + number)
        assert isinstance(said, Response)
        cookie, theme = [value for name, value in said.headers if name == "Set-Cookie"]
        assert theme == "theme=dark; Path=/"
        assert cookie.endswith("; Path=/; HttpOnly")
        cookies.append(cookie.partition(";")[0])
    assert len({*cookies, f"sid={SID}"}) == 4
    for number, cookie in enumerate(cookies):
        staging.hears(get(f"b{number}", 200 + number, "/basket", (("Cookie", f"{cookie}; theme=light"),)))
        (said,) = staging.says(400 + number)
        assert data(said) == {"session": cookie.partition("=")[2], "name": f"name-of-buyer-{number}"}


def kept(cookie: str, host: str = "127.0.0.1:8000", origin: str = "http://127.0.0.1:8000") -> str | None:
    """What becomes of a cookie an hour later."""
    request = get("1", 0, "/", (("Host", host),))
    later = settled(answer("1", 0, headers=(("Set-Cookie", cookie),)), request, origin, 3600 * SECOND)
    return header(later.headers, "set-cookie")


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("a=b; Domain=.staging.example; Path=/", "a=b; Path=/"),
        ("a=b; domain=127.0.0.1", "a=b; domain=127.0.0.1"),
        ("a=b; Secure; SameSite=None; HttpOnly", "a=b; HttpOnly"),
        ("a=b; SameSite=Lax", "a=b; SameSite=Lax"),
        ("a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "a=b; Expires=Wed, 21 Oct 2026 08:28:00 GMT"),
        ("a=b; expires=Wed, 21-Oct-2026 07:28:00 GMT", "a=b; expires=Wed, 21 Oct 2026 08:28:00 GMT"),
        ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        ("a=b; Expires=whenever; Max-Age=60", "a=b; Expires=whenever; Max-Age=60"),
        ("a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_a_cookie_is_one_that_a_client_of_the_replay_keeps(recorded: str, expected: str) -> None:
    assert kept(recorded) == expected


def test_where_a_client_knows_the_server_by_its_own_name_its_cookies_stay() -> None:
    cookie = "a=b; Domain=staging.example; Secure; SameSite=None"
    assert kept(cookie, "api.staging.example", "https://127.0.0.1:8000") == cookie
    assert kept(cookie, "api.staging.example") == cookie
    assert kept(cookie, "127.0.0.1:8000", "https://127.0.0.1:8000") == "a=b; Secure; SameSite=None"


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", "[v]", "\u2100.example"])
def test_a_host_that_is_none_is_nobodys_domain(host: str) -> None:
    assert kept("a=b; Domain=staging.example; Secure", host) == "a=b; Secure"


@given(st.text(max_size=20))
def test_any_host_field_is_borne(host: str) -> None:
    assert kept("a=b", host) == "a=b"
