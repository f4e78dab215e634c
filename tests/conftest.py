"""The order of modules: what takes longest goes first, so that no worker is left with it at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

FIRST: Final = (
    "test_docs.py",
    "demo/test_demo.py",
    "demo/test_fidelity.py",
    "harness/test_drill.py",
    "harness/test_pytest_plugin.py",
    "faults/test_incidents.py",
    "real/test_jupyter.py",
    "cli/test_commands.py",
)
"""Modules of more than twenty seconds, by their paths here."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
