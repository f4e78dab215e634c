"""What may be recorded, under which name, and how it is said that a server is not there."""

from __future__ import annotations

import errno
import os

import pytest

from simulator.core.errors import StagesimError
from simulator.core.recording import Service
from simulator.files.upstreams import ServiceNames, check_upstreams, origin
from simulator.live.recorder import Upstream
from simulator.live.recorder.failures import no_connection


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://API.example.com:443/", "https://api.example.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("wss://api.example.com", "https://api.example.com"),
        ("ws://api.example.com:80", "http://api.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://a_b", "https://a_b"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert Upstream("a", url).origin == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "api.example.com:443",
        "ftp://api.example.com",
        "https://",
        "https://:443",
        "https://a:0",
        "https://a:65536",
        "https://a:b",
        "https://[::1",
        "https://a/path",
        "https://a?query",
        "https://user@a",
        "https://a#b",
    ],
)
def test_bad_urls_are_named(url: str) -> None:
    with pytest.raises(StagesimError, match="expected a URL such as 'https://api") as raised:
        check_upstreams([Upstream("backend", url)])
    assert raised.value.place == "upstream backend"
    assert repr(url) in raised.value.problem


def test_names_and_servers_are_given_once() -> None:
    one = Upstream("a", "https://x")
    check_upstreams([one, Upstream("b", "https://y"), Upstream("c", "http://x")])
    with pytest.raises(StagesimError, match="upstream a: this name is given twice"):
        check_upstreams([one, Upstream("a", "https://y")])
    with pytest.raises(StagesimError, match="upstream b: https://x is already recorded as 'a'"):
        check_upstreams([one, Upstream("b", "wss://x:443")])
    with pytest.raises(StagesimError, match="expected a name for 'https://x'"):
        check_upstreams([Upstream("", "https://x")])


def test_hosts_without_a_name_get_one() -> None:
    names = ServiceNames([Upstream("backend", "https://api.example.com")])
    assert names.of("https://api.example.com") == "backend"
    assert names.of("http://api.example.com") == "api-example-com"
    assert names.of("https://api.example.com:8443") == "api-example-com-8443"
    assert names.of("https://api-example-com") == "api-example-com-2"
    assert names.of("http://[::1]:80") == "1-80"
    assert names.of("http://api.example.com") == "api-example-com"
    assert names.services()[:2] == (
        Service(name="backend", origins=("https://api.example.com",)),
        Service(name="api-example-com", origins=("http://api.example.com",)),
    )


def test_an_origin_of_ipv6() -> None:
    assert origin("https", "::1", 443) == "https://[::1]"


def os_error(number: int) -> str:
    return str(OSError(number, os.strerror(number)))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (os_error(errno.ECONNREFUSED), "https://x refused the connection"),
        (f"Multiple exceptions: {os_error(errno.ECONNREFUSED)}, ...", "https://x refused the connection"),
        (os_error(errno.EHOSTUNREACH), "there is no way to https://x"),
        (os_error(errno.ETIMEDOUT), "https://x did not answer"),
        ("[Errno -2] Name or service not known", "the host of https://x is not known"),
        ("[Errno -3] Temporary failure in name resolution", "the host of https://x is not known"),
        (
            "Certificate verify failed: self-signed",
            "the certificate of https://x is not trusted: self-signed (use --trust CA.pem or --insecure)",
        ),
        (
            "The remote server does not speak TLS.",
            "no connection to https://x: The remote server does not speak TLS.",
        ),
    ],
)
def test_why_a_server_is_not_there(error: str, expected: str) -> None:
    line = no_connection("backend", "https://x", error)
    assert line == f"backend: {expected}; the client got a 502 that is not recorded"
