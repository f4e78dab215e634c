"""The pytest plugin: a `staging` fixture that plays recordings, with faults, to tests of any kind.

Light on purpose: every pytest run of an environment that has stagesim imports this module, so the rest of the
simulator is imported when a test asks for staging and not before. It depends on no asyncio plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.harness.staging import Staging

_DRILLED = "_staging_drilled_fault"


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
    config.addinivalue_line(
        "markers",
        "staging(recording, faults=(), speed=1, seed=0, manual=False, auth='recorded', auth_key=None): "
        "what the staging fixture plays",
    )
    config.addinivalue_line(
        "markers",
        "drill(recording=None, faults=()): run the test once for each fault, through the staging fixture",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("drill")
    if marker is not None:
        if _DRILLED not in metafunc.fixturenames:
            metafunc.fixturenames.append(_DRILLED)
        faults = marker.kwargs.get("faults") or marker.args[1:]
        metafunc.parametrize(_DRILLED, list(faults))


@pytest.fixture
def staging(request: pytest.FixtureRequest) -> Iterator[Staging]:
    """A replay on a free port, in a thread of its own; see `simulator.harness.staging.Staging`.

    At the end the test fails by itself if it sent something that is not in the recording, or if a fault never
    fired. A TestCase finds it as `self.staging` too.
    """
    from simulator.harness.marked import check_end, started

    callspec = getattr(request.node, "callspec", None)
    drilled = callspec.params.get(_DRILLED) if callspec is not None else None
    with started(_asked(request), drilled) as running:
        if request.instance is not None:
            request.instance.staging = running
        yield running
        problem = check_end(running)
    if problem:
        pytest.fail(problem, pytrace=False)


def _asked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What to play: the command line before markers before the ini file."""
    config = request.config
    asked: dict[str, Any] = {
        "recording": config.getini("staging_recording"),
        "faults": config.getini("staging_fault"),
        "seed": config.getini("staging_seed"),
        "speed": config.getini("staging_speed"),
        "auth": config.getini("staging_auth"),
        "auth_key": config.getini("staging_auth_key") or None,
    }
    for name in ("staging", "drill"):
        marker = request.node.get_closest_marker(name)
        if marker is not None:
            asked |= {"recording": marker.args[0]} if marker.args else {}
            asked |= {
                key: value for key, value in marker.kwargs.items() if not (name == "drill" and key == "faults")
            }
    for key, option in (("recording", "recording"), ("faults", "fault"), ("seed", "seed")):
        given = config.getoption(f"staging_{option}")
        asked |= {} if given is None else {key: given}
    return asked
