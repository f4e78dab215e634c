"""YAML as untrusted input: safe types only, no aliases, no double keys, bounded size, one-line errors."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import ScalarNode

from simulator.core.errors import FaultError

MAX_SIZE: Final = 1024 * 1024
MAX_DEPTH: Final = 100


class _Yaml11(SafeConstructor):
    """YAML 1.1 as PyYAML writes it: a float has a dot, so that the id 12e45 stays a text."""

    def float_or_text(self, node: ScalarNode) -> float | str:
        text = str(node.value)
        return float(self.construct_yaml_float(node)) if "." in text else text


_Yaml11.add_constructor("tag:yaml.org,2002:float", _Yaml11.float_or_text)


def load_yaml(path: Path) -> dict[str, object]:
    """The mapping that a YAML 1.2 file holds. Raises FaultError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise FaultError(f"cannot be read: {error.strerror}", place=str(path)) from None
    if len(data) > MAX_SIZE:
        raise FaultError(f"is larger than {MAX_SIZE} bytes", place=str(path))
    return parse_yaml(data, str(path))


def parse_yaml(data: bytes, place: str, *, yaml11: bool = False) -> dict[str, object]:
    """The mapping in some YAML text; YAML 1.1, with libyaml where it is there, is for files of PyYAML's.

    Raises FaultError.
    """
    try:
        _check(data, place, pure=not yaml11)
        value = _yaml(yaml11=yaml11).load(data)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise FaultError(f"not YAML: {error.problem}", place=place + line) from None
    except (YAMLError, ValueError, LookupError) as error:
        raise FaultError(f"not YAML: {' '.join(str(error).split())[:200]}", place=place) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise FaultError("expected a mapping with names as keys, such as 'rules: […]'", place=place)
    return value


def dump_yaml(content: Mapping[str, object]) -> str:
    """YAML text that reads back as the same mapping, in the order of its keys, without anchors."""
    yaml = YAML(pure=True)
    yaml.representer.ignore_aliases = lambda data: True
    text = io.StringIO()
    yaml.dump(dict(content), text)
    return text.getvalue()


def _yaml(*, yaml11: bool) -> YAML:
    if not yaml11:
        return YAML(typ="safe", pure=True)
    yaml = YAML(typ="safe")
    yaml.version = (1, 1)
    yaml.Constructor = _Yaml11
    return yaml


def _check(data: bytes, place: str, *, pure: bool) -> None:
    """Refuse what is small to write and large to read, and what no wire can carry."""
    depth = 0
    for event in YAML(typ="safe", pure=pure).parse(data):
        if isinstance(event, AliasEvent):
            raise FaultError("aliases (*name) are not read here; write the value out", place=place)
        if isinstance(event, ScalarEvent) and any("\ud800" <= char <= "\udfff" for char in event.value):
            raise FaultError("half of a surrogate pair is no text", place=f"{place}:{event.start_mark.line + 1}")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1
            raise FaultError(f"nests deeper than {MAX_DEPTH} levels", place=f"{place}:{line}")
