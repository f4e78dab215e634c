"""The documents are tested: every command runs, every table is current, every file that is shipped is right."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.cli import COMMANDS
from simulator.files.locate import fault_names, find_recording, recording_names, shipped
from simulator.files.yamlfile import load_yaml
from tests import reference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.S | re.M)
ELSEWHERE = {
    "make demo": "the demo has a test of its own",
    "pip install '.[demo]'": "installing is what the clean checkout does",
    "stagesim demo": "the demo has a test of its own",
    "stagesim drive golden-path --against https://api.staging.example": "there is no such staging",
}


@dataclass(frozen=True)
class Command:
    line: str
    code: int

    def __str__(self) -> str:
        return self.line


def commands(text: str) -> list[Command]:
    """The lines after '$ ' in console blocks; a comment '# exits N' says how they end."""
    found = []
    for language, block in BLOCK.findall(text):
        for line in block.splitlines() if language == "console" else ():
            if line.startswith("$ "):
                command, _, comment = line[2:].partition("  #")
                code = re.search(r"exits (\d+)", comment)
                found.append(Command(command.strip(), int(code[1]) if code else 0))
    return found


COMMANDS_OF_THE_README = [command for command in commands(README) if command.line not in ELSEWHERE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: the files that the README shows, and a HAR and a suite that it speaks of."""
    path = tmp_path_factory.mktemp("reader")
    shutil.copy(ROOT / "tests/files/importers/samples/chrome.har", path / "devtools.har")
    shutil.copy(ROOT / "simulator/demo/agents_suite.py", path)
    for language, block in BLOCK.findall(README):
        if language in ("yaml", "toml") and block.startswith("# "):
            file = path / block.split()[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block)
    return path


@pytest.mark.parametrize("command", COMMANDS_OF_THE_README, ids=str)
def test_a_command_of_the_readme_runs(command: Command, folder: Path) -> None:
    """A command that serves says where it listens, and ends well when it is interrupted."""
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    line = re.sub(r"^stagesim ", f"{sys.executable} -m simulator ", command.line)
    with (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=environment,
        )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if first.startswith("listening on "):
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == command.code, (folder / "errors.txt").read_text()


def test_the_ci_job_of_the_readme_runs_without_staging(folder: Path) -> None:
    """Its steps are run one by one in a project with a recording and a suite; only the installing is left out."""
    job = load_yaml(folder / ".github/workflows/e2e.yml")
    (folder / "recordings").mkdir()
    shutil.copy(find_recording("golden-path"), folder / "recordings/staging.jsonl")
    (folder / "tests/e2e").mkdir(parents=True)
    test = (
        "import asyncio\nfrom agents_suite import run_agent\n\ndef test_run():\n    asyncio.run(run_agent(20))\n"
    )
    (folder / "tests/e2e/test_agents.py").write_text(test)
    steps = [step["run"] for step in job["jobs"]["e2e"]["steps"] if "run" in step]  # type: ignore[index]
    assert [step.split()[0] for step in steps] == ["pip", "stagesim", "stagesim"]
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}:{folder}"}
    for step in steps[1:]:
        line = re.sub(r"^stagesim ", f"{sys.executable} -m simulator ", step)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("e2e.jsonl", "drill.xml", "drill.html"):
        assert (folder / name).stat().st_size > 0


def test_the_readme_shows_every_command() -> None:
    shown = {command.line.split()[1] for command in commands(README) if command.line.startswith("stagesim ")}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("part", reference.PARTS)
def test_a_generated_table_is_current(part: str) -> None:
    """Also what clients report: every fault is played to all of them."""
    text = reference.parts(README)[part]
    assert reference.generated(text) == text, "run `python -m tests.reference`"


def test_a_file_can_set_every_field_of_a_rule() -> None:
    assert reference.unused() == set()


def test_the_readme_says_the_two_commands_first() -> None:
    assert README.index("make demo") < README.index("## ")
    assert README.index("make test") < README.index("## ")


@pytest.mark.parametrize("document", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_a_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", document):
        assert (ROOT / target).exists()


def test_the_map_of_the_code_is_right() -> None:
    rooms = set(re.findall(r"^  (\w+)/ ", README.split("## A map of the code")[1], re.M))
    assert rooms == {path.name for path in (ROOT / "simulator").iterdir() if (path / "__init__.py").is_file()}


def test_everything_that_is_shipped_is_right() -> None:
    files = [*recording_names(), *fault_names(), str(shipped() / "faults" / "components.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "check", "--quiet", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_fault_has_an_example_file() -> None:
    from simulator.faults.registry import all_faults
    from simulator.files.faultfiles import load_fault

    used = {rule.fault.name for name in fault_names() for rule in load_fault(name).rules}
    assert set(all_faults()) <= used


def test_the_fault_of_contributing_works(tmp_path: Path) -> None:
    """The example is a fault as it stands: it is written to a module, found, and does what it says."""
    (code,) = [block for language, block in BLOCK.findall(CONTRIBUTING) if language == "python"]
    (tmp_path / "shout.py").write_text(code)
    probe = (
        "from shout import ShoutFault; from tests.conversations import *; from simulator.core.rule import Rule;"
        "from simulator.core.simulation import simulate; from simulator.core.events import Message;"
        "journal = simulate(agent_run(), [Rule(name='s', fault=ShoutFault(mark='?'))]);"
        "said = [e.data for e in journal.events if isinstance(e, Message) and e.direction == 'downstream'];"
        "assert said and all(d == d.upper() and d.endswith('?') for d in said), said"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60, env=environment)
