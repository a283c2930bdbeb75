# Two commands for users: make demo, make test. PIP_ARGS is passed to every pip install.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
STAMP := $(VENV)/.edgesim-installed
TEST_STAMP := $(VENV)/.edgesim-test-installed

.PHONY: demo test lint types check clean

demo: $(STAMP)
	$(BIN)/edgesim demo

test: $(TEST_STAMP)
	$(BIN)/python -m pytest

lint: $(TEST_STAMP)
	$(BIN)/ruff check edgesim tests
	$(BIN)/ruff format --check edgesim tests

types: $(TEST_STAMP)
	$(BIN)/mypy edgesim

check: lint types test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -e .
	touch $@

$(TEST_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -e '.[test,dev]'
	touch $@ $(STAMP)

clean:
	rm -rf build dist demo-report .pytest_cache .mypy_cache .ruff_cache
