# Everything happens in .venv; `make demo` and `make test` set it up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types golden schema verdicts clean

$(VENV)/ready: pyproject.toml simulator/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/ready  ## record, replay, break: the whole story on this machine
	$(BIN)/stagesim demo

test: $(VENV)/ready  ## all tests
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

golden: $(VENV)/ready  ## record recordings/golden-path.jsonl again from the stand-in staging
	$(BIN)/python -m simulator.demo.golden recordings/golden-path.jsonl

schema: $(VENV)/ready  ## write recordings/schema.json again from the models
	$(BIN)/python -m simulator.files.schema recordings/schema.json

verdicts: $(VENV)/ready  ## the whole table of tests/harness/verdicts.toml, 20 times over: an hour
	$(BIN)/python -m tests.harness.verdicts 20 4

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
