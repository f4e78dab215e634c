"""What went wrong between the recorder and a server, as one line for people."""

from __future__ import annotations

import errno
from typing import Final

_SYSTEM: Final = {
    errno.ECONNREFUSED: "{origin} refused the connection",
    errno.EHOSTUNREACH: "there is no way to {origin}",
    errno.ENETUNREACH: "there is no way to {origin}",
    errno.ETIMEDOUT: "{origin} did not answer",
}
_NAMES: Final = ("name or service not known", "nodename nor servname", "name resolution", "no address associated")


def no_connection(service: str, origin: str, error: str) -> str:
    """Why a server could not be reached; `error` is what mitmproxy says, of which only the text is stable."""
    return f"{service}: {_reason(origin, error)}; the client got a 502 that is not recorded"


def _reason(origin: str, error: str) -> str:
    for number, text in _SYSTEM.items():
        if f"[Errno {number}]" in error:
            return text.format(origin=origin)
    if any(name in error.lower() for name in _NAMES):
        return f"the host of {origin} is not known"
    if "Certificate verify failed" in error:
        why = error.partition(": ")[2]
        return f"the certificate of {origin} is not trusted: {why} (use --trust CA.pem or --insecure)"
    return f"no connection to {origin}: {error}"
