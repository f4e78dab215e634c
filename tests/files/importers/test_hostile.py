"""A file that is not what it says is one line with its place: never a traceback, a hang, or a full memory."""

from __future__ import annotations

import json
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.errors import StagesimError
from simulator.files.importers import formats
from tests.files.importers.reading import SAMPLES, entry, fields, har, read_text

CASSETTE = b"""interactions:
- request: {method: GET, uri: 'https://api.staging/x', body: null, headers: {}}
  response: {status: {code: 200, message: OK}, headers: {}, body: {string: hello}}
version: 1
"""


def refusal(path: Path) -> str:
    """What is said of a file that is not read: one line."""
    with pytest.raises(StagesimError) as caught:
        read_text(path)
    line = str(caught.value).replace(str(path), path.name)
    assert "\n" not in line and len(line) < 500
    return line


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "x: is empty; expected a HAR"),
        (bytes(range(256)), "x: is of no format that is known here"),
        (b"PK\x03\x04 and so on", "x: is a zip archive; expected a HAR"),
        (b"\x1f\x8b\x08\x00", "x: is a gzip file"),
        (b'{"stagesim": 1}\n', "x: is a recording already"),
        (b'{"log": {"entries": [', "x:1: not JSON: Expecting value (column 22)"),
        (b'{"log": \n\xff}', "x: not JSON: 'utf-8' codec"),
        (b'{"a": 1}', "x: has neither the 'log' of a HAR"),
        (b"[1, 2]", "x: has neither the 'log' of a HAR"),
        (b"[" * 500_000, "x: not read: its JSON nests too deep"),
        (b'{"log": ' + b"9" * 5000 + b"}", "x: not JSON: "),
        (b'{"log": []}', "x: log: "),
        (b'{"log": {"version": "1.2"}}', "x: log.entries: missing"),
        (b'{"log": {"entries": []}}', "x: there is no HTTP request in it"),
        (b"\x78\x9c but no zlib", "x: not a compressed HAR"),
        (zlib.compress(b" " * 3_000_000), "x: is larger than 2000000 bytes"),
        (b"{" + b" " * 3_000_000, "x: is larger than 2000000 bytes"),
        (b'{"interactions": 3}', "x: interactions: input should be a valid list"),
        (b"http_interactions:\n- request: {}\n", "x: is a cassette of Ruby's VCR"),
        (b"interactions: [\n", "x:2: not YAML: "),
        (b"interactions: &a [*a]\n", "x: aliases (*name) are not read here"),
        (
            b"interactions: !!python/object/apply:os.getcwd []\n",
            "x:1: not YAML: could not determine a constructor",
        ),
        (b"interactions: " + b"[" * 5000, "x:1: nests deeper than 100 levels"),
        (b"interactions: []\n", "x: there is no HTTP request in it"),
        (CASSETTE.replace(b"uri", b"url"), "x: interactions[0].request.uri: missing"),
        (CASSETTE.replace(b"https:", b"gopher:"), "x: interactions[0].request.uri: expected a URL such as"),
        (CASSETTE.replace(b"code: 200", b"code: ok"), "x: interactions[0].response.status.code: "),
        (
            CASSETTE.replace(b"headers: {}, body: {s", b"headers: {a b: c}, body: {s"),
            "x: interactions[0]: expected a",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_is_no_such_file(tmp_path: Path, data: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_SIZE", 2_000_000)
    monkeypatch.setattr(formats.read_whole, "__defaults__", (2_000_000,))
    path = tmp_path / "x"
    path.write_bytes(data)
    assert refusal(path).startswith(said)


SOCKET = {"status": 101, "headers": [], "content": {}}
MESSAGE = {"type": "send", "time": 1757400000.5, "opcode": 1, "data": "x"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"request": {"url": None}}, ".request.url: input should be a valid string, got None"),
        ({"request": {"url": "x"}}, ".request.url: expected a URL such as"),
        ({"request": {"url": "http://[x"}}, ".request.url: expected a URL such as"),
        ({"request": {"url": "http://a:99999/"}}, ".request.url: expected a URL such as"),
        ({"request": {"method": "GET /x"}}, ".request.method: string should match pattern"),
        ({"request": {"headers": [{}]}}, ".request.headers[0].name: missing"),
        ({"request": {"headers": fields(("a b", "c"))}}, ": expected a header field's name, got 'a b'"),
        ({"request": {"postData": {"text": "#", "encoding": "base64"}}}, ".request.postData.text: not base64"),
        ({"response": {"headers": fields(("a", "b\x00c"))}}, ": expected one line of Latin-1"),
        ({"response": {"status": 1000}}, ".response.status: input should be less than or equal to 999, got 1000"),
        ({"response": {"status": 103}}, ": status 103 is not a final response"),
        ({"response": {"statusText": "O\nK"}}, ": expected a reason phrase of one line"),
        ({"response": {"content": {"text": "é", "encoding": "base64"}}}, ".response.content.text: not base64"),
        ({"startedDateTime": "yesterday"}, ".startedDateTime: input should be a valid datetime"),
        ({"timings": {"wait": float("nan")}}, ".timings.wait: input should be a finite number"),
        ({"timings": {"wait": 1e15}}, ": happens 1000000000000 s after the first request"),
        ({"response": SOCKET, "_webSocketMessages": [{}]}, "._webSocketMessages[0].type: missing"),
        (
            {"response": SOCKET, "_webSocketMessages": 7},
            "._webSocketMessages: input should be a valid list, got 7",
        ),
        (
            {"response": SOCKET, "_webSocketMessages": [MESSAGE | {"type": "sent"}]},
            "._webSocketMessages[0].type: exp",
        ),
        (
            {"response": SOCKET, "_webSocketMessages": [MESSAGE | {"opcode": 8}]},
            "._webSocketMessages[0].opcode: exp",
        ),
        (
            {"response": SOCKET, "_webSocketMessages": [MESSAGE | {"opcode": 2}]},
            "._webSocketMessages[0].data: not ba",
        ),
        (
            {"response": SOCKET, "_webSocketMessages": [MESSAGE | {"time": -1}]},
            "._webSocketMessages[0].time: input",
        ),
    ],
)
def test_a_mistake_in_a_har_is_told_with_its_place(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    path = har(tmp_path / "x.har", entry(), entry(), entry(), entry(**changes))
    assert refusal(path).startswith(f"x.har: log.entries[3]{said}")


@pytest.mark.parametrize("key", ["request", "response", "startedDateTime"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    broken = {name: value for name, value in entry().items() if name != key}
    assert refusal(har(tmp_path / "x.har", broken)) == f"x.har: log.entries[0].{key}: missing"


def test_thousands_of_mistakes_are_told_by_the_first(tmp_path: Path) -> None:
    assert refusal(har(tmp_path / "x.har", *[{}] * 100_000)).startswith("x.har: log.entries[0].startedDateTime: ")
    messages = entry(response=SOCKET, _webSocketMessages=[{}] * 100_000)
    assert refusal(har(tmp_path / "x.har", messages)).startswith("x.har: log.entries[0]._webSocketMessages[0].")
    (tmp_path / "x.json").write_text(json.dumps({"interactions": [{}] * 100_000}))
    assert refusal(tmp_path / "x.json").startswith("x.json: interactions[0].request: missing")


def test_a_declared_size_is_not_believed(tmp_path: Path) -> None:
    content = {"size": 10**9, "compression": -(10**9), "text": "small"}
    imported = read_text(har(tmp_path / "x.har", entry(response={"content": content})))
    assert imported.events[1].body == b"small"  # type: ignore[attr-defined]


@given(st.sampled_from(["chrome.har", "requests.yaml", "requests.json"]), st.data())
def test_a_damaged_file_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Cut off, or with some bytes replaced."""
    content = bytearray((SAMPLES / name).read_bytes()[:12_000])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            assert read_text(path).events
        except StagesimError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("started", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_recording_can_say_is_told(tmp_path: Path, started: str) -> None:
    line = refusal(har(tmp_path / "x.har", entry(startedDateTime=started)))
    assert line == "x.har: log.entries[0]: happens before the year 1 or after the year 9999, in UTC"
