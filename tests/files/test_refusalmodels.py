"""Refusals in component files: what they mean, and what is told of those that mean nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulator.core.auth import AuthMode
from simulator.core.errors import StagesimError
from simulator.core.refusals import WHY, Answer, Hangup, Refusal
from simulator.core.rule import Selector
from simulator.core.units import MILLISECOND, SECOND
from simulator.files.components import check_components, load_components
from simulator.files.keys import auth_of
from simulator.files.locate import shipped

FILE = "components: {}\neffects: []\nrefusals:\n"
JSON = ("Content-Type", "application/json")


def written(folder: Path, *refusals: str) -> Path:
    path = folder / "components.yaml"
    path.write_text(FILE + "".join(f"  - {refusal}\n" for refusal in refusals))
    return path


def test_what_is_written_is_what_is_meant(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "{token: missing, select: {service: api, path: /v1/*, method: GET}, http: {status: 403, json: {a: [1]}}}",
        "{token: [expired, malformed], http: {body: no, headers: {X-A: b}}, websocket: {status: 401}}",
        "{http: {json: {}, headers: {content-type: a/b}}}",
        "{title: Who?, websocket: {code: 4401, reason: Who?, frame: {a: 1}, headers: {X-A: b}, delay: 2s}}",
        "{websocket: {code: 1008}}",
    )
    assert load_components(path).refusals == (
        Refusal(
            states=frozenset({"missing"}),
            select=Selector(service="api", path="/v1/*", method="GET"),
            http=Answer(status=403, headers=(JSON,), body=b'{"a": [1]}'),
        ),
        Refusal(
            states=frozenset({"expired", "malformed"}),
            http=Answer(
                status=401, headers=(("Content-Type", "text/plain; charset=utf-8"), ("X-A", "b")), body=b"no"
            ),
            websocket=Answer(status=401),
        ),
        Refusal(http=Answer(status=401, headers=(("content-type", "a/b"),), body=b"{}")),
        Refusal(
            websocket=Hangup(code=4401, reason="Who?", frame={"a": 1}, headers=(("X-A", "b"),), delay=2 * SECOND)
        ),
        Refusal(states=frozenset(WHY), websocket=Hangup(code=1008, delay=100 * MILLISECOND)),
    )


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ("{}", ": says no refusal: expected http, websocket or both"),
        ("{token: revoked, http: {}}", ".token: input should be 'missing', 'malformed', "),
        ("{token: [expired, late], http: {}}", ".token[1]: input should be 'missing', 'malformed', "),
        ("{token: [], http: {}}", ".token: input should be 'missing', 'malformed', "),
        ("{select: {status: 3}, http: {}}", ".select.status: not known here"),
        ("{http: {status: 200}}", ".http.status: input should be greater than or equal to 300, got 200"),
        ("{http: {status: 304}}", ".http.status: says that nothing has changed, and refuses nothing"),
        ("{http: {json: {}, body: x}}", ".http.body: expected either json or body"),
        ("{http: {json: {at: 2025-09-09}}}", ".http.json: not JSON: "),
        ("{http: {headers: {A B: c}}}", ".http.headers.A B: expected a field name"),
        ("{websocket: {}}", ".websocket: expected either a status, before it opens, or a code, by which"),
        ("{websocket: {status: 401, code: 1008}}", ".websocket: expected either a status, before it opens, or"),
        ("{websocket: {status: 401, reason: no}}", ".websocket: reason goes with a code"),
        ("{websocket: {code: 1008, json: {}}}", ".websocket: json goes with a status"),
        ("{websocket: {code: 70000}}", ".websocket.code: expected 0 to 65535, got 70000"),
        ("{websocket: {code: 1008, delay: soon}}", ".websocket.delay: expected a duration such as"),
        (
            "{websocket: {code: 1008, headers: {Content-Length: '1'}}}",
            ".websocket.headers.Content-Length: follows",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_place(refusal: str, told: str, tmp_path: Path) -> None:
    found = check_components(written(tmp_path, "{http: {}}", refusal))
    assert isinstance(found, list)
    (line,) = map(str, found)
    assert line.startswith(f"{tmp_path}/components.yaml: refusals[1]{told}"), line


def test_the_component_file_here_speaks_and_the_shipped_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_components(shipped() / "faults" / "components.yaml").refusals != ()
    assert auth_of("verify", None).refusals == ()
    (tmp_path / "faults").mkdir()
    path = written(tmp_path / "faults", "{http: {status: 404}}")
    assert auth_of("verify", None).refusals == (Refusal(http=Answer(status=404)),)
    path.write_text(FILE.replace("refusals:\n", ""))
    assert auth_of("verify", None).refusals == ()
    path.write_text("refusals: 7\n")
    assert all(auth_of(mode, None).refusals == () for mode in (AuthMode.OFF, AuthMode.RECORDED))
    with pytest.raises(StagesimError, match=r"components\.yaml: "):
        auth_of("verify", None)


def test_what_the_readme_shows_is_right(tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    (block,) = re.findall(r"^```yaml\n(refusals:\n.*?)^```", readme, re.M | re.S)
    path = tmp_path / "components.yaml"
    path.write_text(f"components: {{}}\neffects: []\n{block}")
    first, second, third = load_components(path).refusals
    assert first.states == {"missing"}
    assert isinstance(second.websocket, Hangup)
    assert third.websocket == Answer(status=401)
