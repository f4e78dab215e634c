"""What is asked of tokens, and how others are refused.

Keys of the users' own tokens come from a file or from the environment, so that no command line has them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from simulator.core.auth import Auth, AuthMode
from simulator.core.errors import StagesimError
from simulator.core.refusals import Refusal
from simulator.files.components import own_components

_HINT: Final = "give a file, or an environment variable that is set, that holds the secret of HS256 tokens"


def auth_of(mode: str, key: str | None, place: str = "--auth") -> Auth:
    """What is asked of tokens; `key` is the name of an environment variable, or a file. Raises StagesimError.

    Where tokens are verified, the component file beside the faults here says how they are refused.
    """
    try:
        chosen = AuthMode(mode)
    except ValueError:
        expected = ", ".join(AuthMode)
        raise StagesimError(f"expected one of {expected}, got {mode!r}", place=place) from None
    if key is None:
        return Auth(mode=chosen, refusals=_refusals(chosen))
    place = f"{place}{'-' if place.startswith('-') else '_'}key"
    if chosen is not AuthMode.VERIFY:
        raise StagesimError("no token is verified, so no key is used", place=place, hint="verify is what needs it")
    return Auth(mode=chosen, keys=(_key(key, place),), refusals=_refusals(chosen))


def _refusals(mode: AuthMode) -> tuple[Refusal, ...]:
    """What a component file here says; the shipped one is about a staging that most recordings are not of."""
    found = own_components(Path.cwd() / "faults") if mode is AuthMode.VERIFY else None
    return () if found is None else found.refusals


def _key(named: str, place: str) -> str:
    try:
        text = os.environ[named] if named in os.environ else Path(named).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise StagesimError(f"cannot read the key: {why}", place=place, hint=_HINT) from None
    key = text.strip()
    if not key or "-----BEGIN" in key:
        what = "a PEM key" if key else "nothing"
        raise StagesimError(f"expected a shared secret, got {what}", place=place, hint=_HINT)
    return key
