"""The layout is the architecture: who may import whom, and how large things may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator

ROOT = Path(simulator.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
ROOMS = ("core", "faults", "files", "live", "harness", "demo", "web", "cli")
MAY_IMPORT = {
    "core": {"core"},
    "faults": {"core", "faults"},
    "files": {"core", "faults", "files"},
    "live": {"core", "faults", "files", "live"},
    "harness": {"core", "faults", "files", "live", "harness"},
    "web": {"web"},
    "demo": {"core", "faults", "files", "live", "harness", "demo"},
    "cli": set(ROOMS),
}
IMPURE = set("asyncio socket threading time os subprocess pathlib mitmproxy aiohttp websockets".split())
ONLY_IN = {
    "mitmproxy": ("live/recorder",),
    "aiohttp": ("live/control", "demo"),
    "httpx": ("demo",),
    "h11": ("live",),
    "click": ("cli", "demo"),
}


def room(module: Path) -> str:
    return module.relative_to(ROOT).parts[0]


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def named(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_arrows_run_one_way(module: Path) -> None:
    if room(module) not in ROOMS:
        return
    found = {name.split(".")[1] for name in imports(module) if name.startswith("simulator.")}
    assert found & set(ROOMS) <= MAY_IMPORT[room(module)]


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) in ("core", "faults")], ids=named)
def test_the_core_is_pure(module: Path) -> None:
    assert not {name.split(".")[0] for name in imports(module)} & IMPURE


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_stays_in_its_room(library: str) -> None:
    users = {named(module) for module in MODULES if any(name.split(".")[0] == library for name in imports(module))}
    assert all(user.startswith(ONLY_IN[library]) for user in users)


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_nothing_grows_too_large(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is longer than 60 lines"


def test_there_are_no_cycles() -> None:
    graph = {module_name(module): set(resolved(module)) for module in MODULES}
    seen: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a cycle: {' → '.join((*path, name))}"
        if name not in seen:
            for other in graph.get(name, ()):
                visit(other, (*path, name))
            seen[name] = 1

    for name in graph:
        visit(name, ())


def module_name(module: Path) -> str:
    parts = ("simulator", *module.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def resolved(module: Path) -> Iterator[str]:
    """Modules that are imported when this one is; imports inside functions come later and make no cycle."""
    known = {module_name(other) for other in MODULES}
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("simulator"):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module
