"""The pytest plugin, as its users meet it: suites of all kinds in a pytest of their own."""

from __future__ import annotations

import sys

import pytest

from simulator.files.locate import find_fault, find_recording
from simulator.files.writer import save
from simulator.harness.pytest_plugin import _KEYS
from tests.conversations import agent_run

pytest_plugins = ["pytester"]

TALK = """
import asyncio, json
import pytest
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

START = json.dumps({"type": "start_agent", "thread_id": "thread_of_mine_1", "timestamp": 1.5,
                    "payload": {"user_request": "Hello", "user_id": "me"}})

def talk(staging):
    with connect_sync(staging.ws_url("/ws")) as socket:
        socket.send(START)
        types = []
        while "agent_completed" not in types:
            types.append(json.loads(socket.recv(timeout=20))["type"])
    return types

async def talk_async(staging):
    async with connect(staging.ws_url("/ws")) as socket:
        await socket.send(START)
        types = []
        while "agent_completed" not in types:
            types.append(json.loads(await asyncio.wait_for(socket.recv(), 20))["type"])
    return types
"""
MARK = '@pytest.mark.staging("golden-path", speed=20'

STRICT = "filterwarnings =\n    error\n    ignore:_pytest.python.CallSpec2 has been renamed"
"""As in pyproject.toml: anyio's plugin, where mitmproxy's pins hold it back, against the newest pytest."""


def run(pytester: pytest.Pytester, tests: str, *words: str, ini: str = "") -> pytest.RunResult:
    pytester.makepyfile(test_it=TALK + tests)
    pytester.makeini(f"[pytest]\n{ini}\n")
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *words, timeout=90)


def test_sync_and_asyncio_and_unittest_tests_use_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
import unittest

{MARK})
def test_sync(staging):
    assert "agent_started" in talk(staging)
    staging.journal.assert_order("handshake_validation", "agent_started", "agent_completed")
    staging.journal.assert_count("agent_completed", 1)
    staging.journal.assert_sent("start_agent")
    staging.journal.assert_within("agent_completed", "60s", of="start_agent")

{MARK})
def test_asyncio(staging):
    assert "agent_started" in asyncio.run(talk_async(staging))

{MARK})
@pytest.mark.usefixtures("staging")
class TestCase(unittest.TestCase):
    def test_unittest(self):
        assert "agent_started" in talk(self.staging)

class TestAsync(unittest.IsolatedAsyncioTestCase):
    {MARK})
    @pytest.mark.usefixtures("staging")
    async def test_async(self):
        assert "agent_started" in await talk_async(self.staging)
""",
    )
    result.assert_outcomes(passed=4)


def test_anyio_tests_on_asyncio_and_trio_use_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
import anyio

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

{MARK})
@pytest.mark.anyio
async def test_any(staging):
    assert "agent_started" in await anyio.to_thread.run_sync(talk, staging)
""",
    )
    result.assert_outcomes(passed=2)


def test_several_processes_use_it(pytester: pytest.Pytester) -> None:
    tests = "\n".join(f"{MARK})\ndef test_{number}(staging):\n    talk(staging)\n" for number in range(4))
    run(pytester, tests, "-n", "2").assert_outcomes(passed=4)


def test_a_drill_runs_a_test_under_every_fault(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.drill("golden-path", faults=["none-orchestrator", "reset"], speed=20)
def test_it(staging):
    with pytest.raises(Exception):
        talk(staging)
    assert staging.proofs[0].fired == 1
""",
        "-v",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_it[[]none-orchestrator[]] PASSED*", "*test_it[[]reset[]] PASSED*"])


def test_a_marker_knows_what_the_command_line_knows(pytester: pytest.Pytester) -> None:
    """Derived faults; and warnings are told, though the suite makes errors of its own."""
    torn = pytester.path / "torn.jsonl"
    torn.write_bytes(find_recording("golden-path").read_bytes() + b'{"at": 1')
    result = run(
        pytester,
        """
@pytest.mark.staging("torn.jsonl", faults=["derived:ws-agent_thinking-lost"], speed=20)
def test_it(staging):
    assert "agent_thinking" not in talk(staging)
""",
        ini=STRICT,
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*UserWarning: staging: torn.jsonl:* torn *"])


def test_what_is_not_recorded_fails_the_test_by_itself(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
import urllib.error, urllib.request

{MARK})
def test_it(staging):
    try:
        urllib.request.urlopen(staging.url(path="/unheard-of"))
    except urllib.error.HTTPError as error:
        assert error.code == 501
        error.close()
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 not in the recording*", "*missed: GET /unheard-of*"])


def test_every_fault_that_never_fired_fails_the_test_by_itself(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"""
{MARK}, faults=["missing-dependencies", "database-not-initialized", "reset-at-accept"])
def test_one_of_three(staging):
    with pytest.raises(Exception):
        talk(staging)

{MARK}, faults=["none-orchestrator"])
def test_none(staging):
    pass
""",
    )
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(
        [
            "the fault never fired: missing-dependencies, database-not-initialized",
            "*never fired: none-orchestrator",
        ]
    )


def test_what_a_marker_says_wrongly_is_told_in_a_line(pytester: pytest.Pytester) -> None:
    tests = f"""
import unittest

{MARK}, fault="reset")
def test_misspelt(staging): pass

@pytest.mark.staging("golden-path", [], 20)
def test_too_many(staging): pass

@pytest.mark.staging("golden-paht")
def test_recording(staging): pass

@pytest.mark.staging("golden-path", speed=0)
def test_speed(staging): pass

{MARK}, faults=["stall", "{find_fault("stall")}"])
def test_twice(staging): pass

def test_without(staging): pass

@pytest.mark.usefixtures("staging")
class TestCase(unittest.TestCase):
    @pytest.mark.drill("golden-path", ["reset"])
    def test_drilled(self): pass
"""
    drill = 'import pytest\n@pytest.mark.drill("golden-path"'
    pytester.makepyfile(
        test_a=f"{drill})\ndef test_none(staging): pass",
        test_b=f"{drill}, ['reset'])\ndef test_without(): pass",
    )
    result = run(pytester, tests, "--continue-on-collection-errors")
    result.assert_outcomes(errors=9)
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.drill: test_none names no faults",
            "@pytest.mark.drill: test_without does not use the staging fixture",
            "@pytest.mark.staging: 'fault' is not known; there are recording, faults, speed, seed, manual*",
            "@pytest.mark.staging: only recording and faults can be given without their names",
            "golden-paht: *(did you mean golden-path[?])",
            "speed: expected a number above 0, or 'max', got 0",
            "faults: two rules are named 'stall' (give the fault once only)",
            "staging: no recording to play (@pytest.mark.staging('NAME') or --staging-recording NAME)",
            "@pytest.mark.drill: pytest cannot run a method of a TestCase once for each fault*",
        ]
    )
    assert "Traceback" not in str(result.stdout) and "During handling" not in str(result.stdout)


def test_the_command_line_comes_before_markers_before_the_ini_file(pytester: pytest.Pytester) -> None:
    tests = """
def test_ini(staging):
    assert staging.settings.seed == {ini}
    talk(staging)

@pytest.mark.staging(seed=2)
def test_marker(staging):
    assert staging.settings.seed == {marker}
    talk(staging)
"""
    ini = "staging_recording = golden-path\nstaging_seed = 1\nstaging_speed = 20"
    run(pytester, tests.format(ini=1, marker=2), ini=ini).assert_outcomes(passed=2)
    run(pytester, tests.format(ini=3, marker=3), "--staging-seed", "3", ini=ini).assert_outcomes(passed=2)


def test_tokens_are_verified_where_a_marker_or_the_ini_file_says_so(pytester: pytest.Pytester) -> None:
    tests = f"""
import jwt, os, urllib.error, urllib.request

os.environ["MY_KEY"] = "a secret of my own, long enough for PyJWT"

def threads(staging, **headers):
    request = urllib.request.Request(staging.url(path="/api/threads"), headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code

{MARK}, auth="verify", auth_key="MY_KEY")
def test_marker(staging):
    mine = jwt.encode(dict(sub="me"), os.environ["MY_KEY"])
    assert (threads(staging), threads(staging, Authorization="Bearer " + mine)) == (401, 200)

{MARK})
def test_ini(staging):
    assert threads(staging) == 401
"""
    run(pytester, tests, ini="staging_auth = verify").assert_outcomes(passed=2)
    (pytester.mkdir("faults") / "components.yaml").write_text(
        "components: {}\neffects: []\nrefusals: [{token: missing, http: {status: 418}}]\n"
    )
    run(pytester, tests.replace("401", "418"), ini="staging_auth = verify").assert_outcomes(passed=2)


def test_verifying_what_nobody_shows_is_told(pytester: pytest.Pytester) -> None:
    save(agent_run(), pytester.path / "open.jsonl")
    tests = """
@pytest.mark.staging("open.jsonl", auth="verify")
def test_it(staging): pass
"""
    result = run(pytester, tests, ini=STRICT)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*UserWarning: staging: auth='verify': nothing * carries a token, so nobody *"])


def test_an_assertion_shows_the_conversation(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        f"{MARK})\ndef test_it(staging):\n    talk(staging)\n    staging.journal.assert_received('never_sent')\n",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*expected never_sent to be sent to a client*",
            "*→ start_agent*",
            "*← agent_completed*",
            "*Captured staging setup*",
            "seed 0",
        ]
    )


def test_a_stall_of_two_minutes_is_advanced_in_no_time(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import threading

@pytest.mark.staging("golden-path", manual=True)
def test_it(staging):
    staging.arm("hang-120s")
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(talk(staging)))
    thread.start()
    for _ in range(600):
        if staging.journal.received().count("response 101") == 0:
            staging.advance("100ms")
        elif "start_agent" in staging.journal.sent():
            break
    staging.advance("110s")
    assert "agent_started" not in staging.journal.received()
    staging.advance("20s")
    thread.join(20)
    assert "agent_completed" in seen
    assert staging.disarm("hang-120s")
""",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("marker", ["staging", "drill"])
def test_what_a_marker_takes_is_listed(pytester: pytest.Pytester, marker: str) -> None:
    (line,) = (
        one for one in pytester.runpytest("--markers").outlines if one.startswith(f"@pytest.mark.{marker}(")
    )
    assert [key for key in _KEYS if key not in line] == []


def test_the_plugin_is_light() -> None:
    probe = (
        "import sys; import simulator.harness.pytest_plugin;"
        "heavy = {'pydantic', 'rich', 'click', 'h11', 'websockets', 'aiohttp', 'jwt'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)
