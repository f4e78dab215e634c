"""The table of what clients report: nothing is missing in it, and it cannot hold what did not happen.

That it is current is checked in tests/test_docs.py, as with every generated table.
"""

from __future__ import annotations

import pytest

from simulator.core.errors import FaultError
from simulator.faults.registry import all_faults
from tests.faults import table
from tests.faults.foreign import CLIENTS
from tests.faults.http.foreign import BROWSERS
from tests.faults.table import CONTROL, VISITS, Talk, Visit, kinds, rows, talks


def test_every_kind_of_fault_is_in_the_table() -> None:
    assert kinds(talks()) | kinds(VISITS) == set(all_faults())


def test_a_kind_that_nobody_can_play_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    known = all_faults()
    monkeypatch.setattr(table, "all_faults", lambda: {**known, "shout": known["drop"]})
    with pytest.raises(FaultError, match="shout"):
        kinds(talks())


@pytest.mark.parametrize(
    ("play", "clients"),
    [
        (Talk(file="limit", params={"connections": 5}), CLIENTS),
        (Visit(file="mock", params={"path": "/elsewhere"}), BROWSERS),
    ],
)
def test_a_fault_that_never_fired_is_an_error(play: Talk | Visit, clients: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match="never fired"):
        rows([play], list(clients))


def test_a_client_that_waits_is_told_from_one_that_is_late() -> None:
    held = [Talk(file=CONTROL), Talk(file="stall", params={"for": "30s"})]
    assert rows(held, ["aiohttp"])["stall"] == ["1 2 3 4 5 closed 1000, 29.6 s late"]
    held = [Talk(file=CONTROL), Talk(file="stall", params={"for": "2m"})]
    assert rows(held, ["aiohttp"])["stall"] == ["1 waits"]
