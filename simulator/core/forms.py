"""Forms: a recorded event as the client of this run must see it."""

from __future__ import annotations

from dataclasses import replace

from simulator.core.events import Event, Message, Request, Response, hastened
from simulator.core.recording import Recording
from simulator.core.settings import Settings
from simulator.core.underway import LiveFlow
from simulator.core.upgrade import agreed
from simulator.core.values.cookies import settled
from simulator.core.values.origins import Origins


class Forms:
    """Makes live events of recorded ones: ids and times, what was negotiated, cookies, and then URLs."""

    def __init__(self, recording: Recording, settings: Settings) -> None:
        self._recording, self._settings = recording, settings
        self._origins = Origins.of(recording.header.services, settings.origins)

    def live(self, index: int, event: Event, flow: LiveFlow) -> Event:
        """The event at this index, as it is due on a live flow; `event.at` is now."""
        event = replace(event, flow=flow.view.id, id=None, cause=None)
        event = flow.bindings.substitute(index, event, self._settings.wall + event.at)
        if isinstance(event, Message):
            event = hastened(event, self._settings.speed)
        if isinstance(event, Response) and flow.view.request is not None:
            event = self._for_this_client(index, agreed(event, flow.view.request), flow.view.request)
        return self.rebased(event)

    def rebased(self, event: Event) -> Event:
        """The event with the origins of this run in it."""
        return self._origins.rebased(event)

    def _for_this_client(self, index: int, response: Response, request: Request) -> Response:
        """Cookies are made anew with the ids, or stay as they are."""
        if not self._settings.fresh:
            return response
        recorded = self._recording.header.created + self._recording.events[index].at
        origin = self._settings.origins.get(request.service, "")
        return settled(response, request, origin, self._settings.wall + response.at - recorded)
