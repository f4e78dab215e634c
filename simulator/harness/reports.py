"""Reports of a drill for programs: JSON with everything, JUnit XML for whoever shows test results."""

from __future__ import annotations

import json
import math
import re
import shlex
from typing import Any, Final
from xml.etree import ElementTree

from simulator.core.jsontext import Json
from simulator.core.settings import Settings
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_text
from simulator.harness.drill import Drill, Plan
from simulator.harness.suite import KEPT
from simulator.harness.verdict import BAD, Verdict, score
from simulator.harness.verdict import as_json as judgement_json

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold (§2.2)."""


def as_json(drill: Drill) -> str:
    """Every test, fault, verdict and reason, the scores, and how to repeat it. Secrets are replaced."""
    return redacted_text(json.dumps(document(drill), indent=2, ensure_ascii=False), Redactor().event) + "\n"


def document(drill: Drill) -> dict[str, Any]:
    """What the JSON report says."""
    shares: dict[str, Json] = {test: score(row.values()) for test, row in drill.judgements.items()}
    return {
        "seed": drill.plan.settings.seed,
        "command": list(drill.plan.command),
        "recording": drill.plan.script.recording.header.title,
        "score": drill.score,
        "scores": shares,
        "faults": {fault.name: fault.file.title for fault in drill.plan.faults},
        "steady state": {name: test.traffic.by_flow() for name, test in drill.control.tests.items()},
        "not exercised": list(drill.unexercised),
        "tests": {
            test: {
                fault: {
                    **_object(judgement_json(judgement)),
                    "outcome": _outcome(drill, test, fault),
                    "output": output(drill, test, fault),
                    "repeat": repeat(drill, fault),
                }
                for fault, judgement in row.items()
            }
            for test, row in drill.judgements.items()
        },
    }


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _outcome(drill: Drill, test: str, fault: str) -> Json:
    run = drill.runs[fault].tests.get(test)
    return None if run is None else str(run.outcome)


def output(drill: Drill, test: str, fault: str) -> str:
    """What a test said under a fault: its failure, or the stacks it hung with, or the end of what was printed."""
    run = drill.runs[fault]
    return run.tests[test].text if test in run.tests else run.output[-KEPT:]


def repeat(drill: Drill, fault: str) -> str:
    """The command that plays one fault to the suite again, with the same seed."""
    loaded = next(one for one in drill.plan.faults if one.name == fault)
    return command_again(drill.plan, loaded.again)


def command_again(plan: Plan, fault: str) -> str:
    """The command that plays a fault to the plan's command again, with the same settings."""
    words = ["stagesim", "run", plan.recording, "--fault", fault, *_played(plan.settings), *plan.also]
    return shlex.join([*words, "--", *plan.command])


def _played(settings: Settings) -> list[str]:
    """The options that play with these settings again."""
    speed = "max" if settings.speed == math.inf else f"{settings.speed:g}"
    return ["--seed", str(settings.seed), *([] if settings.speed == 1 else ["--speed", speed])]


def short_names(tests: list[str]) -> list[str]:
    """Names without the path that all of them share."""
    paths = {test.rpartition("::")[0] for test in tests}
    return [test.rpartition("::")[2] for test in tests] if len(paths) == 1 else tests


def as_junit(drill: Drill) -> str:
    """JUnit XML: a test case per test and fault; bad verdicts are failures, unexercised faults skips."""
    suites = ElementTree.Element("testsuites", name="stagesim drill")
    for test, row in drill.judgements.items():
        suite = ElementTree.SubElement(suites, "testsuite", name=test, tests=str(len(row)))
        properties = ElementTree.SubElement(suite, "properties")
        ElementTree.SubElement(properties, "property", name="seed", value=str(drill.plan.settings.seed))
        for fault, judgement in row.items():
            case = ElementTree.SubElement(suite, "testcase", classname=test, name=fault)
            if judgement.verdict in BAD:
                ElementTree.SubElement(case, "failure", message=f"{judgement.verdict}: {judgement.reason}")
            elif judgement.verdict is Verdict.NOT_EXERCISED:
                ElementTree.SubElement(case, "skipped", message=judgement.reason)
            again = f"again: {repeat(drill, fault)}"
            ElementTree.SubElement(case, "system-out").text = "\n".join(
                filter(None, [output(drill, test, fault), again])
            )
    ElementTree.indent(suites)
    text = _NOT_XML.sub("?", ElementTree.tostring(suites, encoding="unicode"))
    return redacted_text(text, Redactor().event) + "\n"
