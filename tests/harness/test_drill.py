"""The drill tells the truth about every kind of test, under every kind of fault: a table, checked in full."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import simulator.demo
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.files.faultfiles import load_fault
from simulator.files.locate import find_recording
from simulator.files.reader import load
from simulator.harness.drill import Drill, Plan, drill
from simulator.harness.page import as_html
from simulator.harness.reports import as_json, as_junit

SUITE = Path(simulator.demo.__file__).parent / "agents_suite.py"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(SUITE.parent)]
FAULTS = ["none-orchestrator", "missing-dependencies", "database-not-initialized", "latency", "reset", "refuse"]
N, S, B, H, K, X = "noticed", "survived", "blind", "hung", "skipped", "not exercised"
TABLE = {
    #                                none  missing  database  latency  reset  refuse
    "test_good":                     [N,   N,       N,        S,       N,     N],
    "test_persistent":               [N,   N,       N,        S,       N,     N],
    "test_fallback":                 [B,   B,       B,        S,       B,     B],
    "test_patient_for_ever":         [N,   H,       H,        S,       N,     N],
    "test_skipped_without_health":   [X,   X,       K,        S,       X,     X],
    "test_without_a_server":         [B,   B,       B,        B,       B,     B],
    "test_health":                   [X,   X,       N,        S,       X,     X],
}  # fmt: skip


def plan(faults: list[str], command: list[str]) -> Plan:
    script = compile_script(load(find_recording("golden-path")).recording)
    return Plan(
        script=script,
        faults=[load_fault(name) for name in faults],
        command=command,
        recording="golden-path",
        settings=Settings(seed=1, speed=20),
        jobs=4,
        deadline=15,
    )


@pytest.fixture(scope="module")
def done() -> Drill:
    return asyncio.run(drill(plan(FAULTS, [*PYTEST, str(SUITE)])))


@pytest.mark.parametrize("test", TABLE)
def test_every_test_gets_the_verdict_that_it_deserves(test: str, done: Drill) -> None:
    (row,) = [row for name, row in done.judgements.items() if name.endswith(f"::{test}")]
    assert [str(row[fault].verdict) for fault in FAULTS] == TABLE[test]


def test_the_control_run_passes_every_test(done: Drill) -> None:
    assert {str(test.outcome) for test in done.control.tests.values()} == {"passed"}
    assert len(done.control.tests) == len(TABLE)


def test_a_hung_test_leaves_its_stacks(done: Drill) -> None:
    (hung,) = [run for name, run in done.runs["missing-dependencies"].tests.items() if "for_ever" in name]
    assert "Timeout (" in hung.text
    assert "agents_suite.py" in hung.text


def test_the_json_report_has_everything(done: Drill) -> None:
    report = json.loads(as_json(done))
    (cell,) = [row["none-orchestrator"] for test, row in report["tests"].items() if test.endswith("test_fallback")]
    assert (cell["verdict"], cell["outcome"]) == ("blind", "passed")
    assert "agent_completed" in cell["missing"]
    assert cell["repeat"].startswith("stagesim run golden-path --fault ")
    assert "--seed 1 --speed 20" in cell["repeat"]
    assert 0 < report["score"] < 1


def test_the_junit_report_has_a_case_for_each(done: Drill) -> None:
    suites = ElementTree.fromstring(as_junit(done))  # noqa: S314, it is our own
    cases = suites.findall("./testsuite/testcase")
    assert len(cases) == len(TABLE) * len(FAULTS)
    assert len(suites.findall(".//failure")) == len(done.bad)


def test_the_page_stands_alone_and_no_payload_ends_its_script(done: Drill) -> None:
    page = as_html(done)
    assert "http://" not in page.replace("http://127.0.0.1", "") or "src=" not in page
    assert page.count("</script>") == 2
    data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    talk = data["tests"]["test_fallback"]["missing-dependencies"]["talk"]
    assert [entry["note"] for entry in talk if "note" in entry], "the fault is marked in its conversation"
    assert any(entry.get("label") == "start_agent" for entry in talk)


def test_other_commands_are_one_test() -> None:
    client = [sys.executable, "-m", "simulator.demo.client", "--frame-timeout", "1.5"]
    done = asyncio.run(drill(plan(["reset", "latency"], client)))
    ((_, row),) = done.judgements.items()
    assert {fault: str(judgement.verdict) for fault, judgement in row.items()} == {"reset": N, "latency": S}


def stagesim(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", "drill", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=cwd, check=False)


def test_a_control_run_that_fails_is_said(tmp_path: Path) -> None:
    done = stagesim("golden-path", "--", sys.executable, "-c", "raise SystemExit('no luck')", cwd=tmp_path)
    assert done.returncode == 2
    assert "control run: " in done.stderr
    assert "no luck" in done.stderr


def test_ci_fails_when_a_test_turns_blind(tmp_path: Path) -> None:
    blind = "import os; print(os.environ['STAGESIM_URL'])"
    drill_file = tmp_path / "drill.toml"
    lines = [
        'recording = "golden-path"',
        f"command = {json.dumps([sys.executable, '-c', blind])}",
        'faults = ["reset"]',
    ]
    drill_file.write_text("\n".join(lines))
    done = stagesim("--file", "drill.toml", "--html", "drill.html", cwd=tmp_path)
    assert done.returncode == 1
    assert "under reset: expected noticed or survived or not exercised, was blind" in done.stderr
    assert (tmp_path / "drill.html").exists()
    drill_file.write_text("\n".join([*lines, 'allow = ["blind"]']))
    assert stagesim("--file", "drill.toml", cwd=tmp_path).returncode == 0
    drill_file.write_text("\n".join([*lines, 'allow = ["fine"]']))
    wrong = stagesim("--file", "drill.toml", cwd=tmp_path)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert "drill.toml: allow" in wrong.stderr
