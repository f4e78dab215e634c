"""The journal for readers outside: lines as files have them, secrets redacted, to many readers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from simulator.core.session import Session
from simulator.files.lines import entry_line, header_line
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_entry
from simulator.files.writer import line_bytes

BATCH: Final = 256
"""So many lines are redacted, or sent to a reader, at a time."""


class Feed:
    """Redacts a journal as far as somebody reads it, in a thread, so that the replay keeps its time.

    A reader has a position and no buffer: what it does not read yet waits here, once for all readers.
    """

    def __init__(self, session: Session, redactor: Redactor | None = None) -> None:
        self._session, self._redactor = session, redactor or Redactor()
        self._lines: list[bytes] = []
        self._redacting: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._ended = False

    @property
    def total(self) -> int:
        """How many entries there are now."""
        return len(self._session.journal)

    def tell(self) -> None:
        """The journal may have grown."""
        self._news.set()
        self._news = asyncio.Event()

    def end(self) -> None:
        """Nothing more will come: readers get what there is, and their end."""
        self._ended = True
        self.tell()

    def header(self) -> bytes:
        """Line 1 of a file with this journal."""
        settings = self._session.settings
        header = self._session.script.recording.header
        return line_bytes(header_line(replace(header, created=settings.wall, correlate=None, seed=settings.seed)))

    async def page(self, since: int, limit: int) -> list[bytes]:
        """Lines from a position on, as many as there are."""
        wanted = min(since + limit, self.total)
        while len(self._lines) < wanted:
            if self._redacting is None or self._redacting.done():
                until = min(wanted, len(self._lines) + BATCH)
                self._redacting = asyncio.create_task(asyncio.to_thread(self._redact, until))
            await asyncio.shield(self._redacting)  # others wait for it as well, should this reader leave
        return self._lines[since:wanted]

    async def follow(self, since: int) -> AsyncGenerator[bytes]:
        """Lines from a position on, as they come, until the end; from 0, with the header: that is a recording."""
        if since == 0:
            yield self.header()
        while True:
            news, ended = self._news, self._ended
            lines = await self.page(since, BATCH)
            since += len(lines)
            if lines:
                yield b"".join(lines)
            elif ended:
                return
            else:
                await news.wait()

    def _redact(self, until: int) -> None:
        """Redact in order, for a secret that was seen once is known from then on."""
        entries = self._session.journal.since(len(self._lines))[: until - len(self._lines)]
        redacted = (redacted_entry(entry, self._redactor.event) for entry in entries)
        self._lines += [line_bytes(entry_line(entry)) for entry in redacted]
