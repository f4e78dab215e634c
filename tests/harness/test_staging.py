"""The staging fixture's object: what is armed and taken away by name, and what never fired."""

from __future__ import annotations

from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.faultfiles import load_fault
from simulator.harness.staging import Staging
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
