"""Another package adds a fault by entry point: it is found, listed, checked and played like any other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which a tiny package with the fault of CONTRIBUTING.md is installed."""
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.S | re.M)
    site = tmp_path / "site"
    (site / "my_package").mkdir(parents=True)
    (site / "my_package" / "__init__.py").write_text("")
    (site / "my_package" / "shout.py").write_text(code)
    info = site / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stagesim.faults]\nshout = my_package.shout:ShoutFault\n")
    return {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "COLUMNS": "160"}


def stagesim(*words: str, environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, cwd=cwd, check=False
    )


def test_a_fault_of_another_package_is_like_any_other(installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "loud.yaml").write_text('title: The server shouts\nrules: [{fault: shout, mark: "?!"}]\n')
    (tmp_path / "wrong.yaml").write_text("title: The server shouts\nrules: [{fault: shout, marc: x}]\n")
    assert "Text messages arrive in capitals" in stagesim("faults", environment=installed, cwd=tmp_path).stdout
    assert stagesim("check", "loud.yaml", environment=installed, cwd=tmp_path).returncode == 0
    wrong = stagesim("check", "wrong.yaml", environment=installed, cwd=tmp_path)
    assert (wrong.returncode, "rules[0].marc" in wrong.stderr) == (2, True)
    client = [sys.executable, "-m", "simulator.demo.client", "--frame-timeout", "2"]
    words = ["run", "golden-path", "--fault", "loud.yaml", "--speed", "20", "--", *client]
    done = stagesim(*words, environment=installed, cwd=tmp_path)
    assert done.returncode == 1, "a client that waits for agent_completed does not take AGENT_COMPLETED for it"
    assert re.search(r"loud +shout +\d+ +[1-9]", done.stderr)


def test_an_entry_point_that_is_no_fault_is_told(installed: dict[str, str], tmp_path: Path) -> None:
    points = tmp_path / "site" / "my_package-1.0.dist-info" / "entry_points.txt"
    points.write_text("[stagesim.faults]\nshout = my_package.shout:dataclass\n")
    done = stagesim("check", "close", environment=installed, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "entry point shout of stagesim.faults: is no Fault class" in done.stderr
