"""`stagesim demo`, as a person runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "demo", "--keep", "kept.jsonl"],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "220", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts = {
        "staging itself": "completed",
        "replay": "completed",
        "none-orchestrator": "closed 1011",
        "missing-dependencies": "timeout",
        "database-not-initialized": "refused 503",
        "hang-120s": "timeout",
    }
    for act, verdict in verdicts.items():
        assert re.search(rf"{act} +{verdict}", done.stdout), done.stdout
    assert (tmp_path / "kept.jsonl").exists()
