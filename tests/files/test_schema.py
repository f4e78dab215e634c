"""The schema that is shipped is the schema of the models."""

from simulator.files.locate import shipped
from simulator.files.schema import schema


def test_the_shipped_schema_is_current() -> None:
    assert (shipped() / "recordings" / "schema.json").read_text() == schema(), "run `make schema`"
