"""The pytest plugin: a `staging` fixture that plays recordings, with faults, to tests of any kind.

Light on purpose: every pytest run of an environment that has stagesim imports this module, so the rest of the
simulator is imported when a test asks for staging and not before. It depends on no asyncio plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from simulator.harness.staging import Staging

_DRILLED = "_staging_drilled_fault"
_POSITIONAL = ("recording", "faults")
_KEYS = (*_POSITIONAL, "speed", "seed", "manual", "auth", "auth_key")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("stagesim", "staging from a recording")
    group.addoption("--staging-recording", metavar="NAME|FILE", help="play this recording, whatever a test says")
    group.addoption(
        "--staging-fault", metavar="NAME|FILE", action="append", help="lay this fault over it; repeatable"
    )
    group.addoption("--staging-seed", metavar="N", type=int, help="seed of ids and luck")
    parser.addini("staging_recording", "the recording that the staging fixture plays", default="")
    parser.addini("staging_fault", "faults that the staging fixture lays over it", type="args", default=[])
    parser.addini("staging_seed", "seed of the staging fixture", default="0")
    parser.addini("staging_auth", "whom the staging fixture lets in: recorded, verify, off", default="recorded")
    parser.addini("staging_auth_key", "your own HS256 key for 'verify': a variable's name, or a file", default="")
    parser.addini("staging_speed", "divide recorded delays by this, or 'max'", default="1")


def pytest_configure(config: pytest.Config) -> None:
    keys = "speed=1, seed=0, manual=False, auth='recorded', auth_key=None"
    config.addinivalue_line("markers", f"staging(recording, faults=(), {keys}): what the staging fixture plays")
    config.addinivalue_line(
        "markers", f"drill(recording, faults, {keys}): run the test once for each fault, with staging"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("drill")
    if marker is None:
        return
    faults = _given(marker).get("faults", ())
    if "staging" not in metafunc.fixturenames:
        _wrong(marker, f"{metafunc.definition.name} does not use the staging fixture")
    if not faults:
        _wrong(marker, f"{metafunc.definition.name} names no faults")
    if _DRILLED not in metafunc.fixturenames:
        metafunc.fixturenames.append(_DRILLED)
    metafunc.parametrize(_DRILLED, [faults] if isinstance(faults, str) else list(faults))


@pytest.fixture
def staging(request: pytest.FixtureRequest) -> Iterator[Staging]:
    """A replay on a free port, in a thread of its own; see `simulator.harness.staging.Staging`.

    At the end the test fails by itself if it sent something that is not in the recording, or if a fault never
    fired; a failure says which seed was played. A TestCase finds it as `self.staging` too.
    """
    from simulator.core.errors import StagesimError
    from simulator.harness.marked import check_end, started

    with ExitStack() as stack:
        try:
            running = stack.enter_context(started(_asked(request), _drilled(request)))
        except StagesimError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if request.instance is not None:
            request.instance.staging = running
        request.node.add_report_section("setup", "staging", f"seed {running.settings.seed}")
        yield running
        problem = check_end(running)
    if problem:
        pytest.fail(problem, pytrace=False)


def _drilled(request: pytest.FixtureRequest) -> str | None:
    """The fault that this run of a drilled test is for."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and _DRILLED in callspec.params:
        return str(callspec.params[_DRILLED])
    marker = request.node.get_closest_marker("drill")
    if marker is not None:
        _wrong(
            marker, "pytest cannot run a method of a TestCase once for each fault; use a function or a plain class"
        )
    return None


def _asked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What to play: the command line before markers before the ini file."""
    config = request.config
    names = ("recording", "seed", "speed", "auth")
    asked: dict[str, Any] = {key: config.getini(f"staging_{key}") for key in names}
    asked |= {"faults": config.getini("staging_fault"), "auth_key": config.getini("staging_auth_key") or None}
    for name in ("staging", "drill"):
        marker = request.node.get_closest_marker(name)
        given = _given(marker) if marker is not None else {}
        asked |= {key: value for key, value in given.items() if not (name == "drill" and key == "faults")}
    for key, option in (("recording", "recording"), ("faults", "fault"), ("seed", "seed")):
        said = config.getoption(f"staging_{option}")
        asked |= {} if said is None else {key: said}
    return asked


def _given(marker: pytest.Mark) -> dict[str, Any]:
    """A marker's arguments by name; a name that is none fails the test, rather than being left out."""
    given = {**dict(zip(_KEYS, marker.args, strict=False)), **marker.kwargs}
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        _wrong(marker, f"{unknown[0]!r} is not known; there are {', '.join(_KEYS)}")
    if len(marker.args) > len(_POSITIONAL):
        _wrong(marker, f"only {' and '.join(_POSITIONAL)} can be given without their names")
    return given


def _wrong(marker: pytest.Mark, problem: str) -> NoReturn:
    pytest.fail(f"@pytest.mark.{marker.name}: {problem}", pytrace=False)
