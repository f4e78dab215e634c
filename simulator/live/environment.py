"""Variables by which the clients in a child command find a proxy, and know whom to trust."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

NODE_PRELOAD: Final = Path(__file__).with_name("node_preload.cjs")
"""Leads Node's clients to the proxy: before 22.21 and 24.5, fetch and ws know none."""


def certificate_environment(ca_file: Path) -> dict[str, str]:
    """The variables by which common clients trust a CA, and by all but Node's, no other."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return {name: str(ca_file) for name in names}


def proxy_environment(proxy: str, ca_file: Path, *, bypass: str = "") -> dict[str, str]:
    """The variables by which common clients find a proxy and trust its certificates; `bypass` are hosts without.

    Python's httpx, requests, aiohttp (trust_env), websocket-client and websockets (from 15 on) read these, and so
    do curl, Go and Ruby; Node reads only the certificate.
    """
    names = ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY", "ALL_PROXY")
    found = {spelling: proxy for name in names for spelling in (name, name.lower())}
    return found | certificate_environment(ca_file) | {"NO_PROXY": bypass, "no_proxy": bypass}


def node_environment(proxy: str, direct: Iterable[str]) -> dict[str, str]:
    """The variables by which Node's clients find a proxy that also asks TLS whom they want; see the preload.

    `direct` are the addresses to which they go without it, HOST:PORT, or 'loopback'.
    """
    options = f'{os.environ.get("NODE_OPTIONS", "")} --require "{NODE_PRELOAD}"'.strip()
    return {"NODE_OPTIONS": options, "STAGESIM_PROXY": proxy, "STAGESIM_DIRECT": ",".join(direct)}
