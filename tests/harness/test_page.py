"""The page of a drill in a real browser: the grid says the verdicts, and a cell's link opens its conversation."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from html import unescape

import pytest

from simulator.core.journal import Note
from simulator.core.script import compile_script
from simulator.core.settings import Settings
from simulator.core.simulation import simulate
from simulator.files.faultfiles import LoadedFault, fault_of, load_fault
from simulator.files.locate import fault_names
from simulator.harness.drill import Drill, Plan, judgements
from simulator.harness.page import as_html
from simulator.harness.suite import SuiteRun
from simulator.harness.traffic import traffic
from simulator.harness.verdict import Outcome, TestRun
from tests.conversations import agent_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --virtual-time-budget=2000 --window-size=1600,1000 --dump-dom""".split()
TESTS = [f"tests/e2e/test_agents.py::test_number_{number}" for number in range(10)]
OPENED = "#test_number_3/corrupt"


def run(fault: LoadedFault | None, number: int) -> SuiteRun:
    """A run of all tests, on the third one's time; every fourth fails, under any fault."""
    journal = tuple(simulate(agent_run(), fault.rules if fault else ()))
    end = journal[-1].at
    tests = {
        test: TestRun(
            test=test,
            outcome=Outcome.FAILED if fault and (index + number) % 4 == 0 else Outcome.PASSED,
            text=f"<b>said</b> by {test}, \ud800",
            end=end if index == 3 else 0,
            traffic=traffic(journal, 0, end),
        )
        for index, test in enumerate(TESTS)
    }
    return SuiteRun(tests=tests, journal=journal, output="", code=0)


@pytest.fixture(scope="module")
def drill() -> Drill:
    """Sixty faults and ten tests, without a process for any of them."""
    names = [name for name in fault_names() if "/" not in name][:59]
    strange = fault_of({"title": "</script><script>document.title = 'owned'", "rules": [{"fault": "silence"}]})
    faults = [*map(load_fault, names), strange]
    control = run(None, 0)
    runs = {fault.name: run(fault, number) for number, fault in enumerate(faults)}
    plan = Plan(
        script=compile_script(agent_run()), faults=faults, command=["pytest"], recording="golden-path",
        settings=Settings(seed=7),
    )  # fmt: skip
    return Drill(plan=plan, control=control, runs=runs, judgements=judgements(control, runs))


@dataclass(frozen=True)
class Seen:
    """The document after its script has run, and the picture of it."""

    document: str
    picture: bytes


@pytest.fixture(scope="module")
def seen(drill: Drill, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here to look at the page with")
    folder = tmp_path_factory.mktemp("page")
    (folder / "drill.html").write_text(as_html(drill))
    url = f"file://{folder / 'drill.html'}{OPENED}"
    words = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--screenshot={folder / 'drill.png'}",
        url,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=True)
    return Seen(document=done.stdout, picture=(folder / "drill.png").read_bytes())


def test_every_cell_of_the_grid_says_its_verdict(seen: Seen, drill: Drill) -> None:
    cells = re.findall(r'<td><a class="[\w ]+" href="#([^"]*)" title="[^"]*">([^<]+)</a></td>', seen.document)
    shown = {unescape(place): verdict.replace("–", "not exercised") for place, verdict in cells}
    expected = {
        f"{test.rpartition('::')[2]}/{fault}": str(judgement.verdict)
        for test, row in drill.judgements.items()
        for fault, judgement in row.items()
    }
    assert len(expected) == 600
    assert len(set(expected.values())) > 2
    assert shown == expected


def test_the_link_of_a_cell_opens_its_conversation_with_the_fault_marked(seen: Seen, drill: Drill) -> None:
    detail = seen.document.partition('<section id="detail"')[2].partition("</section>")[0]
    judgement = drill.judgements[TESTS[3]]["corrupt"]
    assert f"<h2>test_number_3 · corrupt: {judgement.verdict}</h2>" in detail
    marks = re.findall(r'<div class="fault">([^<]+)</div>', detail)
    fired = [note for note in drill.runs["corrupt"].journal if isinstance(note, Note) and note.what == "fired"]
    assert len(marks) == len(fired) > 0
    assert all("corrupt fired on" in mark for mark in marks)
    assert "start_agent" in detail
    assert "&lt;b&gt;said&lt;/b&gt; by tests/e2e/test_agents.py::test_number_3" in detail
    assert "stagesim run golden-path --fault" in unescape(detail)
    assert "--seed 7 -- pytest" in detail
    assert len(re.findall(r'class="[^"]*\bchosen\b', seen.document)) == 1


def test_nothing_that_is_shown_becomes_part_of_the_page(seen: Seen) -> None:
    assert "<title>stagesim drill</title>" in seen.document
    assert seen.document.count("<script") == 2


def test_the_picture_is_not_blank(seen: Seen) -> None:
    """Most rows of pixels have something on them, left in the grid as well as right in the conversation."""
    width, height, rows = scanlines(seen.picture)
    assert (width, height) == (1600, 1000)
    pixel = (len(rows[0]) - 1) // width
    left = [row for row in rows if len(set(row[1 + pixel : 1 + 700 * pixel])) > 2]
    right = [row for row in rows if len(set(row[1 + 1000 * pixel :])) > 2]
    assert len(left) > height * 0.7
    assert len(right) > height * 0.2


def scanlines(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and filtered rows of a PNG (W3C PNG §9); where all pixels are alike, so are a row's bytes."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data = 8, b""
    width, height = struct.unpack(">II", png[16:24])
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    raw = zlib.decompress(data)
    stride = len(raw) // height
    return width, height, [raw[row * stride : (row + 1) * stride] for row in range(height)]
