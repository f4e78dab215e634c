"""Two sides in one timeline, without sockets: a driver that plays the recording's client faces a session.

Time jumps from deadline to deadline, so hours pass in milliseconds, and the same seed gives the same journal.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.core.driver import Driver
from simulator.core.journal import Journal
from simulator.core.recording import Recording
from simulator.core.rule import Rule
from simulator.core.script import compile_script
from simulator.core.session import Session
from simulator.core.settings import Settings
from simulator.core.units import Time

LIMIT = 1_000_000
"""Steps after which a simulation that does not come to rest is given up."""


def simulate(
    recording: Recording, rules: Iterable[Rule] = (), settings: Settings | None = None, until: Time | None = None
) -> Journal:
    """Play a recording to its own client under some rules, until nothing more will happen, or to a time."""
    session = Session(compile_script(recording), rules, settings)
    driver = Driver(recording)
    for _ in range(LIMIT):
        times = [time for time in (driver.deadline(), session.deadline()) if time is not None]
        if not times or (until is not None and min(times) > until):
            return session.journal
        now = min(times)
        for event in driver.due(now):
            session.receive(event)
        for event in session.due(now):
            driver.receive(event)
    raise RuntimeError(f"the simulation did not come to rest in {LIMIT} steps")
