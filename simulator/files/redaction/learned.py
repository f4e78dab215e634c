"""Secrets that were seen by name, found again wherever they occur."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from simulator.files.redaction.edits import Edit, Hidden

_SHORTEST: Final = 8
LONGEST: Final = 8192
"""No secret is longer; what seems to be is replaced, but neither learned nor looked into."""
_LONG: Final = 16
_FEW_CHARACTERS: Final = 5
_TOKEN: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w.~+=%-]{16,}", re.A)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


def is_varied(text: str) -> bool:
    """Whether a text is too long and too mixed to be a word, a number or a name that others share by chance."""
    if not _SHORTEST <= len(text) <= LONGEST or len(set(text)) < _FEW_CHARACTERS:
        return False
    if len(text) >= _LONG:
        return True
    letters = re.sub(r"[\W\d_]", "", text)
    mixed = letters[1:] != letters[1:].lower() and letters != letters.upper()
    return bool(letters) and (mixed or any(char.isdigit() for char in text))


def is_token(text: str) -> bool:
    """Whether a text is long and random, as session ids are and preferences kept in cookies are not."""
    return bool(_TOKEN.fullmatch(text)) and is_varied(text) and not _DATE.match(text)


class Learned:
    """Secrets with their stand-ins, by their first characters: a search takes as long for many as for few."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}
        self._lengths: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, secret: str, standin: str, kind: str) -> None:
        """Look out for a secret from now on, also for its base64 where that is a part of something longer."""
        if secret in self._known or secret == standin:
            return
        self._add(secret, standin, kind)
        if secret.isascii() and len(secret) == len(standin):
            for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
                old, new = (encode(text.encode()).decode().rstrip("=") for text in (secret, standin))
                self._add(old, new, kind)

    def _add(self, secret: str, standin: str, kind: str) -> None:
        self._known[secret] = (standin, kind)
        lengths = self._lengths.setdefault(secret[:_SHORTEST], [])
        if len(secret) not in lengths:
            lengths.append(len(secret))
            lengths.sort(reverse=True)

    def find(self, text: str) -> Iterator[Edit]:
        """Every known secret in a text, replaced; of those that begin at the same place, the longest."""
        lengths = self._lengths
        if not lengths:
            return
        starts = [at for at in range(len(text) - _SHORTEST + 1) if text[at : at + _SHORTEST] in lengths]
        end = 0
        for at in starts:
            if at < end:
                continue
            for length in lengths[text[at : at + _SHORTEST]]:
                if known := self._known.get(text[at : at + length]):
                    end = at + length
                    yield Edit(at, end, known[0], (Hidden(known[1]),))
                    break
