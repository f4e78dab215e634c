"""Law 2: the same recording, rules, seed and arrivals give the same run. Law 4: a rule changes no other's luck."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from simulator.core.journal import Note
from simulator.core.recording import Recording
from simulator.core.rule import Rule, Selector
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.core.units import MILLISECOND
from simulator.faults.drop import DropFault
from simulator.faults.latency import LatencyFault
from simulator.files.faultfiles import load_fault
from simulator.files.lines import entry_line
from tests.conversations import CREATED, DOWN, agent_run, recordings, text

UNLUCKY = Rule(name="unlucky", fault=DropFault(), probability=0.5)
JITTER = Rule(name="jitter", fault=LatencyFault(delay=50 * MILLISECOND, jitter=50 * MILLISECOND))
ELSEWHERE = Rule(name="elsewhere", fault=DropFault(), select=Selector(path="/nowhere"), probability=0.5)


def settings(seed: int) -> Settings:
    return Settings(seed=seed, wall=CREATED + 1)


def dropped(recording: Recording, rules: list[Rule], seed: int, rule: str = "unlucky") -> list[object]:
    journal = simulate(recording, rules, settings(seed))
    return [note.detail["on"] for note in journal.notes("fired") if note.detail["rule"] == rule]


def chatty() -> Recording:
    run = agent_run()
    chatter = [text("2", 820 + number, DOWN, type="tick", number=number) for number in range(100)]
    events = sorted([*run.events, *chatter], key=lambda event: event.at)
    return replace(run, events=tuple(events))


def test_the_same_seed_gives_the_same_journal() -> None:
    runs = [list(simulate(chatty(), [UNLUCKY, JITTER], settings(7))) for _ in range(2)]
    assert runs[0] == runs[1]
    assert any(isinstance(entry, Note) and entry.what == "fired" for entry in runs[0])


def test_another_seed_gives_another_journal() -> None:
    assert dropped(chatty(), [UNLUCKY], 7) != dropped(chatty(), [UNLUCKY], 8)


@given(recordings(), st.integers(0, 99))
def test_every_run_can_be_repeated(recording: Recording, seed: int) -> None:
    runs = [list(simulate(recording, [UNLUCKY, JITTER], settings(seed))) for _ in range(2)]
    assert runs[0] == runs[1]


def test_another_rule_changes_no_luck() -> None:
    alone = dropped(chatty(), [UNLUCKY], 7)
    assert len(alone) > 10
    assert dropped(chatty(), [ELSEWHERE, UNLUCKY], 7) == alone
    assert dropped(chatty(), [UNLUCKY, replace(UNLUCKY, name="second")], 7) == alone


@given(recordings(), st.integers(0, 99))
def test_no_rule_changes_the_luck_of_others(recording: Recording, seed: int) -> None:
    assert dropped(recording, [ELSEWHERE, UNLUCKY], seed) == dropped(recording, [UNLUCKY], seed)


def test_the_journal_of_a_seed_has_one_digest_on_every_python() -> None:
    """What changes this changes every run that somebody has written a seed down for: say so in the changelog."""
    digest = hashlib.sha256()
    for name in ("latency", "drop", "corrupt", "duplicate", "reorder", "none-orchestrator", "throttle"):
        for entry in simulate(agent_run(), load_fault(name).rules, Settings(seed=7, wall=CREATED + 5)):
            digest.update(json.dumps(entry_line(entry)).encode())
    assert digest.hexdigest()[:16] == "3a4152f550632eb0"
