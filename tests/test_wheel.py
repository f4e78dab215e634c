"""What is installed from a wheel: recordings, faults and the page come along, and are found from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_is_found_by_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "simulator/shipped/recordings/golden-path.jsonl" in names
    assert "simulator/shipped/faults/components.yaml" in names
    assert "simulator/web/drill.html" in names
    assert "simulator/live/node_preload.cjs" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_an_installed_wheel_replays_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    command = [sys.executable, "-m", "simulator", "check", "--quiet", "golden-path", "missing-dependencies"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)
