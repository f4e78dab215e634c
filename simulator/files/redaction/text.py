"""Finds the secrets in a text, through all its layers, and says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Final

from simulator.files.redaction import names, shapes
from simulator.files.redaction.edits import Edit, Hidden, View, applied, json_view, merged, moved, percent_view
from simulator.files.redaction.learned import LONGEST, Learned, is_token, is_varied
from simulator.files.redaction.standins import Standins

_DEPTH: Final = 5
"""How many layers of escapes and encodings are looked through."""
_STRING: Final = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_JSON_KEY: Final = re.compile(r'"((?:[^"\\]|\\.){1,100}+)"\s{0,100}+:\s{0,100}+(?=["\[])', re.S | re.A)
_JSON_STRING: Final = re.compile(_STRING, re.S | re.A)
_JSON_STRINGS: Final = re.compile(rf"\[(?:\s*+{_STRING}\s*+,?)*+", re.S | re.A)
_LOOSE_NAME: Final = re.compile(
    r"""(?<![\w.$-])([\w.$-]{1,100}+)["'\]]{0,2}(?:\s{0,4}[:=]\s{0,4}(?=["'])|=(?![=\s]))""",
    re.A,
)
_LOOSE_QUOTED: Final = re.compile(r""""((?:[^"\\\n]|\\.){0,4096}+)"|'((?:[^'\\\n]|\\.){0,4096}+)'""")
_LOOSE_BARE: Final = re.compile(r"""[^\s&;,"'<>#\\()\[\]{}|]++""", re.A)
_RESCANNED: Final = 200
"""A value that is no secret may hold names and values itself, unless it is longer."""
_FIELD: Final = re.compile(r"(?:^|&)([^&=]{1,200})=([^&]++)")
_PART: Final = re.compile(
    r'; name="([^"\r\n]{1,100}+)"[^\r\n]{0,200}+(?:\r\n[^\r\n]{1,200}+){0,8}?\r\n\r\n([^\r\n]++)'
)
_SCHEME: Final = re.compile(r"\s*([A-Za-z-]{2,24}|AWS4-[\w-]{1,24})\s+(?=\S)", re.A)
_KNOWN_SCHEME: Final = re.compile(
    r"\s*(?:bearer|basic|token|jwt|dpop|apikey|digest|negotiate)\s+(?=\S)", re.I | re.A
)
_PARAMETERS: Final = re.compile(r'[\w-]+=(?:"[^"]*"|[^\s,="]+)(?:\s*,\s*[\w-]+=(?:"[^"]*"|[^\s,="]+))*', re.A)
_PARAMETER: Final = re.compile(r'=(?:"([^"]*)"|([^\s,="]+))', re.A)
_LABEL: Final = re.compile(r"[a-z_-]{0,12}[.: ]?|[\W_]*", re.I | re.A)
_SPACE: Final = re.compile(r"\s|\\n", re.A)
_JWT: Final = Hidden("jwt")
_NO_SECRETS: Final = frozenset(("true", "false", "null", "none", "undefined"))


class Secrets:
    """What is known of secrets while one recording is written: their stand-ins, and what was learned by name."""

    def __init__(self, salt: bytes, known: Collection[str] = ()) -> None:
        self.standins = Standins(salt, known)
        self.learned = Learned()


class TextRedactor:
    """Finds the edits that take the secrets out of a text; with `fixed`, none changes the length."""

    def __init__(self, secrets: Secrets, *, fixed: bool = False) -> None:
        self._standins, self._learned, self._fixed = secrets.standins, secrets.learned, fixed

    def edits(self, text: str, depth: int = _DEPTH) -> list[Edit]:
        """Where there are secrets in a text of any kind, in order.

        What a name says comes first, and from the outside: it knows best how far a secret reaches. Shapes are
        whole where no escapes are left.
        """
        views = list(_views(text, depth))
        layers = range(len(views) + 1)
        found: list[Edit] = []
        for layer in layers:
            found = self._merged_through(text, views[:layer], found, self._named)
        for find in (self._jwts, self._shaped, partial(self._in_base64, depth=depth - 1), self._known):
            for layer in reversed(layers):
                found = self._merged_through(text, views[:layer], found, find)
        return found

    def _merged_through(
        self, text: str, views: list[View], found: list[Edit], find: Callable[[str], Iterable[Edit]]
    ) -> list[Edit]:
        """Edits and more of them, which are found in the last of some views of the text."""
        new = find(views[-1].text if views else text)
        for view in reversed(views):
            new = map(view.back, new)
        return self.merged(text, found, new)

    def merged(self, text: str, first: list[Edit], then: Iterable[Edit]) -> list[Edit]:
        """Edits of a text and more of them, of which those parts stay that do not overlap with the first."""

        def cut(edit: Edit, start: int, end: int) -> Edit:
            old = text[start:end]
            if not edit.hides or self._standins.is_standin(old):
                return Edit(start, end, old)
            aligned = len(edit.new) == edit.end - edit.start
            new = edit.new[start - edit.start : end - edit.start] if aligned else self._part(old)
            self._standins.keep(new)
            return Edit(start, end, new, edit.hides)

        return merged(first, then, cut)

    # By name.

    def _named(self, text: str) -> Iterator[Edit]:
        for start, end in shapes.userinfos(text):
            yield from moved(self._userinfo(text[start:end], "password", percent_view), start)
        lower = text.lower()
        if not any(stem in lower for stem in names.STEMS):
            return
        yield from self._json_fields(text)
        yield from self._loose_fields(text)
        for match in _PART.finditer(text):
            if kind := names.secret_kind(match[1]):
                yield from self._field(text, *match.span(2), kind)

    def _json_fields(self, text: str) -> Iterator[Edit]:
        """String values, and lists of them, under names in JSON; also where the JSON around is torn."""
        at = 0
        while key := _JSON_KEY.search(text, at):
            at = key.end()
            name = json_view(key[1]).text
            kind = names.secret_kind(name)
            if kind and (value := (_JSON_STRING if text[at] == '"' else _JSON_STRINGS).match(text, at)):
                at = value.end()
                for string in _JSON_STRING.finditer(text, *value.span()):
                    quoted = string[0].endswith('"') and len(string[0]) > 1
                    yield from self._quoted_field(text, name, string.start(), string.end() + (not quoted))

    def _loose_fields(self, text: str) -> Iterator[Edit]:
        """Names and values in urls, forms, source code and the like."""
        at = 0
        while match := _LOOSE_NAME.search(text, at):
            at = match.end()
            found: list[Edit] = []
            if value := _LOOSE_QUOTED.match(text, at):
                found = self._quoted_field(text, match[1], *value.span())
            elif text[at - 1] == "=" and (value := _LOOSE_BARE.match(text, at)):
                in_url = text[match.start() - 1 : match.start()] in ("", "?", "&", ";", "#")
                found = self._bare_field(text, match[1], *value.span(), in_url=in_url)
            yield from found
            if value and (found or len(value[0]) > _RESCANNED):
                at = value.end()

    def _bare_field(self, text: str, name: str, start: int, end: int, *, in_url: bool) -> list[Edit]:
        if in_url:
            return list(self._query_field(text, name, start, end))
        kind = names.secret_kind(name)
        return self._field(text, start, end, kind, percent_view) if kind and is_varied(text[start:end]) else []

    def _quoted_field(self, text: str, name: str, start: int, end: int) -> list[Edit]:
        """A string in quotes, which `start` and `end` include, under a name."""
        kind = names.secret_kind(name)
        if kind is None or (names.is_word_token(name) and _is_word(text[start + 1 : end - 1])):
            return []
        return self._field(text, start + 1, end - 1, kind, json_view)

    def form(self, text: str, *, plus: bool = True) -> Iterator[Edit]:
        """The secrets in a form-encoded text or, without `plus`, a query."""
        for match in _FIELD.finditer(text):
            yield from self._query_field(text, percent_view(match[1]).text, *match.span(2), plus=plus)

    def _query_field(self, text: str, name: str, start: int, end: int, *, plus: bool = False) -> Iterator[Edit]:
        kind = names.secret_kind(name)
        if kind is None and is_token(text[start:end]):
            kind = names.query_kind(name)
        if kind:
            yield from self._field(text, start, end, kind, lambda raw: percent_view(raw, plus=plus))

    def _field(
        self, text: str, start: int, end: int, kind: str, view_of: Callable[[str], View] | None = None
    ) -> list[Edit]:
        """A value that is secret by its name, as it stands in the text."""
        raw = text[start:end]
        if view_of is None or not (view := view_of(raw)):
            return moved(self.value(raw, kind), start)
        return moved(map(view.back, self.value(view.text, kind)), start)

    def value(self, value: str, kind: str) -> list[Edit]:
        """The edits of a value that is secret by its name."""
        if kind == names.COOKIE:
            return self.cookies(value)
        if kind == names.AUTHORIZATION or (kind != "password" and _KNOWN_SCHEME.match(value)):
            return self.credentials(value)
        return [self._edit(value, 0, len(value), kind)]

    def credentials(self, value: str) -> list[Edit]:
        """The value of an Authorization field: all but the scheme, and the names of parameters."""
        match = _SCHEME.match(value)
        scheme, start = (match[1].lower(), match.end()) if match else ("", 0)
        end = len(value.rstrip())
        if scheme == "basic" and (pair := self._basic(value, start, end)):
            return pair
        if scheme not in ("", "basic", "bearer") and _PARAMETERS.fullmatch(value, start, end):
            spans = (found.span(found.lastindex or 0) for found in _PARAMETER.finditer(value, start, end))
            return [self._edit(value, first, last, names.AUTHORIZATION) for first, last in spans]
        return [self._edit(value, start, end, names.AUTHORIZATION)]

    def cookies(self, value: str) -> list[Edit]:
        """The values of a Cookie field."""
        edits, at = [], 0
        for pair in value.split(";"):
            name, equals, content = pair.partition("=")
            start = at + (len(name) + 1 if equals else 0)
            content = content if equals else pair
            bare = content.strip().strip('"')
            start += content.find(bare)
            edits.append(self._edit(value, start, start + len(bare), names.COOKIE))
            at += len(pair) + 1
        return edits

    # By shape.

    def _jwts(self, text: str) -> Iterator[Edit]:
        return (self._jwt(text, *span) for span in shapes.jwts(text, self._standins.is_jwt))

    def _shaped(self, text: str) -> Iterator[Edit]:
        for start, end in shapes.private_keys(text):
            yield self._edit(text, start, end, "private key", learn=False)
        for start, end in shapes.keys(text):
            yield self._edit(text, start, end, "api key", learn=False)
        for start, end in shapes.bearers(text):
            if is_varied(text[start:end]) and not text.startswith('="', end - 1):
                yield self._edit(text, start, end, names.AUTHORIZATION)
        for start, end in shapes.basics(text):
            yield from self._basic(text, start, end)

    def _jwt(self, text: str, start: int, end: int) -> Edit:
        token = text[start:end]
        made = None if self._fixed else self._standins.jwt(token, self._redacted)
        if made is None:
            made = token if self._standins.is_standin(token) else self._standins.opaque(token)
        return Edit(start, end, made, () if made == token else (_JWT,))

    def _redacted(self, text: str) -> str:
        return applied(text, self.edits(text, 1))

    def _basic(self, text: str, start: int, end: int) -> list[Edit]:
        """User and password in base64; nothing if it is not that."""
        token = text[start:end]
        pair = shapes.from_base64(token)
        if pair is None or ":" not in pair:
            return []
        edits = self._userinfo(pair, names.AUTHORIZATION, None)
        hidden = _hidden(edits)
        made = shapes.to_base64(applied(pair, edits), token, unsure=True) if hidden else token
        return [Edit(start, end, made, hidden)]

    def _userinfo(self, userinfo: str, kind: str, view_of: Callable[[str], View] | None) -> list[Edit]:
        """The edits of 'user:password'; a user without a password is a secret if it looks like a token."""
        user, _, password = userinfo.partition(":")
        if password:
            return self._field(userinfo, len(user) + 1, len(userinfo), kind, view_of)
        return self._field(userinfo, 0, len(user), kind, view_of) if is_token(user) else []

    def _in_base64(self, text: str, depth: int) -> Iterator[Edit]:
        if depth < 0:
            return
        for start, end, decoded in shapes.base64s(text):
            edits = self.edits(decoded, depth)
            hidden, made = _hidden(edits), text[start:end]
            if hidden:
                unsure = text[start - 1 : start] in ("", " ", '"', "'") if start else True
                made = shapes.to_base64(applied(decoded, edits), made, unsure=unsure)
            if edits:
                yield Edit(start, end, made, hidden)

    def _known(self, text: str) -> Iterator[Edit]:
        for edit in self._learned.find(text):
            old = text[edit.start : edit.end]
            resized = self._fixed and len(edit.new) != len(old)
            yield edit._replace(new=self._standins.opaque(old)) if resized else edit

    # What to write instead.

    def _edit(self, text: str, start: int, end: int, kind: str, *, learn: bool = True) -> Edit:
        """The edit that hides a secret; without `learn`, one that shows by its shape wherever it occurs."""
        secret = text[start:end]
        if not secret or secret.lower() in _NO_SECRETS or self._standins.is_standin(secret):
            return Edit(start, end, secret)
        made, is_jwt = (self._standins.opaque(secret), False) if self._fixed else self._instead(secret)
        if made == secret:
            return Edit(start, end, secret)
        self._standins.keep(made)
        learnt = learn and (is_token(secret) if kind == names.COOKIE else is_varied(secret))
        kind = "jwt" if is_jwt else kind
        return Edit(start, end, made, (Hidden(kind, secret, made) if learnt else Hidden(kind),))

    def _instead(self, secret: str, depth: int = 3) -> tuple[str, bool]:
        """A stand-in of the same make, such as a JWT in base64 for a JWT in base64; and whether there is one."""
        if tokens := list(self._jwts(secret)):
            return self._around(secret, tokens), True
        if depth and len(secret) <= LONGEST:
            if view := percent_view(secret):
                made, is_jwt = self._instead(view.text, depth - 1)
                return view.edited(made), is_jwt
            for start, end, text in shapes.base64s(secret):
                if end - start == len(secret):
                    made, is_jwt = self._instead(text, depth - 1)
                    return shapes.to_base64(made, secret, unsure=True), is_jwt
        return self._standins.opaque(secret), False

    def _around(self, secret: str, tokens: list[Edit]) -> str:
        """A secret with the stand-ins of the tokens in it, and of what is around them."""
        parts: list[str] = []
        at = 0
        for edit in (*tokens, Edit(len(secret), len(secret), "")):
            gap = secret[at : edit.start]
            parts += (self._part(gap), edit.new)
            at = edit.end
        return "".join(parts)

    def _part(self, secret: str) -> str:
        """A stand-in for a part of a secret, unless it is no more than a label or punctuation."""
        return secret if _LABEL.fullmatch(secret) else self._standins.opaque(secret)


def _views(text: str, most: int) -> Iterator[View]:
    """What a text is without its escapes, and without those beneath: each one a view of the one before."""
    for _ in range(most):
        view = json_view(text) or percent_view(text)
        if not view:
            return
        yield view
        text = view.text


def _hidden(edits: Iterable[Edit]) -> tuple[Hidden, ...]:
    return tuple(hidden for edit in edits for hidden in edit.hides)


def _is_word(text: str) -> bool:
    """Whether a text may be a piece of language; tokens have no spaces, and digits unless they are long."""
    return bool(_SPACE.search(text)) or (len(text) < 16 and not any(char.isdigit() for char in text))
