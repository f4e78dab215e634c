"""The parts of a HAR 1.2 file that say what was on the wire, as pydantic models; all else is passed over.

http://www.softwareishard.com/blog/har-12-spec/; `_webSocketMessages` is Chrome's, and others write it as well.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, FailFast, Field

Milliseconds = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class Pair(BaseModel):
    """A header field, or a parameter of a form."""

    name: str
    value: str = ""


class PostData(BaseModel):
    mime_type: Annotated[str, Field(alias="mimeType")] = ""
    text: str | None = None
    encoding: str | None = None
    params: Annotated[list[Pair], FailFast()] = []


class HarRequest(BaseModel):
    method: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
    url: str
    headers: Annotated[list[Pair], FailFast()]
    post_data: Annotated[PostData | None, Field(alias="postData")] = None


class Content(BaseModel):
    """A response's body. `size` is what it has, decoded, whether or not there is a text of it."""

    size: Milliseconds | None = None
    text: str | None = None
    encoding: str | None = None


class HarResponse(BaseModel):
    """A response; a status of 0 says that there was none."""

    status: Annotated[int, Field(ge=0, le=999)]
    status_text: Annotated[str, Field(alias="statusText")] = ""
    headers: Annotated[list[Pair], FailFast()]
    content: Content = Content()


class Timings(BaseModel):
    """Phases in milliseconds; below 0, or absent, where a phase does not apply."""

    blocked: Milliseconds | None = None
    dns: Milliseconds | None = None
    connect: Milliseconds | None = None
    send: Milliseconds | None = None
    wait: Milliseconds | None = None
    receive: Milliseconds | None = None


class SocketMessage(BaseModel):
    """A WebSocket message: `time` in seconds since the epoch from Chrome and mitmproxy, ms from Playwright."""

    type: str
    time: Annotated[float, Field(ge=0, le=1e14, allow_inf_nan=False)]
    opcode: int
    data: str


class Entry(BaseModel):
    started: Annotated[datetime, Field(alias="startedDateTime")]
    request: HarRequest
    response: HarResponse
    timings: Timings = Timings()
    messages: Annotated[list[SocketMessage], FailFast(), Field(alias="_webSocketMessages")] = []

    @property
    def has_messages(self) -> bool:
        """Whether it says anything of messages, if only that there were none."""
        return "messages" in self.model_fields_set


class Creator(BaseModel):
    name: str = ""
    version: str = ""


class Log(BaseModel):
    """`entries` are read one by one, so that the first mistake in thousands is soon told."""

    entries: list[Any]
    creator: Creator = Creator()
    comment: str = ""


class HarFile(BaseModel):
    log: Log
