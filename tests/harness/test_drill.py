"""The drill tells the truth about every kind of test, under every kind of fault: a table, checked in full."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simulator.cli.drill import chosen
from simulator.files.locate import fault_names, find_recording
from simulator.files.reader import load
from simulator.harness.drill import Drill
from simulator.harness.page import as_html
from simulator.harness.reports import as_json, as_junit
from tests.harness import verdicts

FAULTS = """none-orchestrator missing-dependencies status latency reset drop""".split()
"""The most telling ones: `make verdicts` goes over all of them, time and again."""
TABLE = verdicts.table()
TESTS = list(TABLE[FAULTS[0]])


@pytest.fixture(scope="module")
def done() -> Drill:
    return verdicts.drilled(FAULTS, jobs=4)


@pytest.mark.parametrize("test", TESTS)
def test_every_test_gets_the_verdict_that_it_deserves(test: str, done: Drill) -> None:
    (row,) = [row for name, row in done.judgements.items() if name.endswith(f"::{test}")]
    expected = {fault: TABLE[fault][test] for fault in FAULTS}
    assert {fault: {judgement.verdict} for fault, judgement in row.items()} == expected, row


def test_the_table_of_verdicts_is_whole() -> None:
    assert set(TABLE) == {name for name in fault_names() if "/" not in name}
    assert set(TESTS) == set(re.findall(r"^def (test_\w+)", verdicts.SUITE.read_text(), re.M))
    seen = {verdict for fault in FAULTS for test in TESTS for verdict in TABLE[fault][test]}
    assert seen == set(verdicts.LETTERS.values()), "the faults that are drilled here give every verdict"


def test_the_control_run_passes_every_test(done: Drill) -> None:
    assert {str(test.outcome) for test in done.control.tests.values()} == {"passed"}
    assert len(done.control.tests) == len(TESTS)


def test_a_hung_test_leaves_its_stacks(done: Drill) -> None:
    (hung,) = [run for name, run in done.runs["missing-dependencies"].tests.items() if "for_ever" in name]
    assert "Timeout (" in hung.text
    assert "agents_suite.py" in hung.text


def test_the_json_report_has_everything(done: Drill) -> None:
    report = json.loads(as_json(done))
    (cell,) = [row["none-orchestrator"] for test, row in report["tests"].items() if test.endswith("test_fallback")]
    assert report["seed"] == 1
    assert (cell["verdict"], cell["outcome"]) == ("blind", "passed")
    assert "agent_completed" in cell["missing"]
    assert cell["repeat"].startswith("stagesim run golden-path --fault ")
    assert "--seed 1 --speed 20" in cell["repeat"]
    (failed,) = [row["reset"] for test, row in report["tests"].items() if test.endswith("test_good")]
    assert "ConnectionClosedError" in failed["output"]
    (steady,) = [flows for test, flows in report["steady state"].items() if test.endswith("test_good")]
    assert list(steady) == ["POST /auth/e2e/test-auth", "GET /ws"]
    assert steady["GET /ws"]["agent_completed"] == 1
    assert 0 < report["score"] < 1


def test_the_junit_report_has_a_case_for_each(done: Drill) -> None:
    suites = ElementTree.fromstring(as_junit(done))  # noqa: S314, it is our own
    cases = suites.findall("./testsuite/testcase")
    assert len(cases) == len(TESTS) * len(FAULTS)
    assert len(suites.findall(".//failure")) == len(done.bad)
    assert all("again: stagesim run golden-path --fault" in (case.findtext("system-out") or "") for case in cases)
    assert {found.attrib["value"] for found in suites.findall(".//property[@name='seed']")} == {"1"}


def test_the_page_stands_alone_and_no_payload_ends_its_script(done: Drill) -> None:
    page = as_html(done)
    assert "http://" not in page.replace("http://127.0.0.1", "") or "src=" not in page
    assert page.count("</script>") == 2
    data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    assert data["seed"] == 1
    talk = data["tests"]["test_fallback"]["missing-dependencies"]["talk"]
    assert [entry["note"] for entry in talk if "note" in entry], "the fault is marked in its conversation"
    assert any(entry.get("label") == "start_agent" for entry in talk)


def test_other_commands_are_one_test() -> None:
    client = [sys.executable, "-m", "simulator.demo.client", "--frame-timeout", "1.5"]
    done = verdicts.drilled(["reset", "latency"], jobs=2, command=client)
    ((_, row),) = done.judgements.items()
    assert {fault: str(judgement.verdict) for fault, judgement in row.items()} == {
        "reset": "noticed",
        "latency": "survived",
    }


def test_faults_are_derived_and_given_by_name() -> None:
    recording = load(find_recording("golden-path")).recording
    faults = chosen(["derived:ws-*-lost", "derived:ws-agent_started-*", "reset"], recording)
    assert [fault.name for fault in faults][:3] == [
        "ws-handshake_validation-lost", "ws-system_message-lost", "ws-agent_started-lost"
    ]  # fmt: skip
    assert len({fault.name for fault in faults}) == len(faults) == 7 + 5 + 1
    (again,) = chosen([faults[0].again], recording)
    assert again.rules == faults[0].rules
    assert faults[-1].name == "reset"


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
    assert "what each test did, seed 0" in done.stdout
    drill_file.write_text("\n".join([*lines, 'allow = ["blind"]']))
    assert stagesim("--file", "drill.toml", cwd=tmp_path).returncode == 0
    quick = [sys.executable, "-c", "raise SystemExit('ours')"]
    words = ("--seed", "77", "--speed", "9", "--deadline", "50", "--faults", "stall", "--auth", "off")
    drill_file.write_text("\n".join([*lines, 'allow = ["blind"]', 'auth = "verify"', 'auth_key = "none.txt"']))
    done = stagesim("--file", "drill.toml", *words, "--json", "drill.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "drill.json").read_text())
    assert (said["seed"], list(said["faults"])) == (77, ["stall"])
    other = stagesim("--file", "drill.toml", "--auth", "off", "golden-path", "--", *quick, cwd=tmp_path)
    assert (other.returncode, "ours" in other.stderr) == (2, True), (
        "the command line's command is the one that runs"
    )
    drill_file.write_text("\n".join([*lines, 'allow = ["fine"]']))
    wrong = stagesim("--file", "drill.toml", cwd=tmp_path)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert "drill.toml: allow" in wrong.stderr
