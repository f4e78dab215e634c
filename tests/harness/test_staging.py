"""The staging fixture's object: what is armed and taken away by name, and what never fired."""

from __future__ import annotations

import threading

import pytest

from simulator.core.errors import StagesimError
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.faultfiles import load_fault
from simulator.harness.staging import Staging
from simulator.live import server
from tests.conversations import agent_run


def test_a_fault_of_several_rules_is_taken_away_as_one() -> None:
    script, fault = compile_script(agent_run()), load_fault("missing-dependencies")
    with Staging(script, [fault], Settings(seed=1)) as staging:
        assert len(fault.rules) > 1
        assert staging.disarm("missing-dependencies")
        assert not staging.disarm("missing-dependencies")
        staging.arm("missing-dependencies")
        assert staging.disarm(fault.rules[0].name)
        assert staging.disarm("missing-dependencies")
        assert staging.unfired == ["missing-dependencies"]


def test_faults_may_come_from_a_generator() -> None:
    script = compile_script(agent_run())
    with Staging(script, (load_fault(name) for name in ("stall", "reset")), Settings(seed=1)) as staging:
        assert [proof.rule for proof in staging.proofs] == ["stall", "reset"]


def test_a_fault_is_armed_whole_or_not_at_all() -> None:
    script, rules = compile_script(agent_run()), load_fault("missing-dependencies").rules
    with Staging(script, settings=Settings(seed=1)) as staging:
        staging.arm("missing-dependencies")
        assert staging.disarm(rules[0].name)
        with pytest.raises(ValueError, match="is armed already"):
            staging.arm("missing-dependencies")
        assert not staging.disarm(rules[0].name)
        assert len(staging.proofs) == len(rules)


def test_derived_faults_are_armed_by_name() -> None:
    with Staging(compile_script(agent_run()), settings=Settings(seed=1)) as staging:
        staging.arm("derived:ws-agent_thinking-lost")
        assert staging.unfired == ["ws-agent_thinking-lost"]
        assert staging.disarm("ws-agent_thinking-lost")


def test_a_staging_that_cannot_start_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound(host: str, port: int) -> None:
        raise StagesimError("cannot listen", place=f"{host}:{port}")

    monkeypatch.setattr(server, "bound", bound)
    with pytest.raises(StagesimError, match="cannot listen"):
        Staging(compile_script(agent_run())).start()
    assert "stagesim" not in [thread.name for thread in threading.enumerate()]
