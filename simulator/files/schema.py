"""The JSON Schema of a recording's lines, generated from the models. `python -m simulator.files.schema FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import TypeAdapter

from simulator.files.models import EventLine, HeaderLine


def schema() -> str:
    """The schema as text: line 1 is a HeaderLine, every other line one of the rest (JSON Schema 2020-12)."""
    adapter: TypeAdapter[object] = TypeAdapter(HeaderLine | EventLine)
    made = adapter.json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A line of a stagesim recording"}
    return json.dumps(head | made, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema())
