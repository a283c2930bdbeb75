# Two commands for users: make demo, make test. PIP_ARGS is passed to every pip install.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
# Such as --sentences DIR/sst2/dev.tsv: also times a labelled text of one's own.
BENCH_ARGS ?=
# Processes that share the tests.
WORKERS ?= 2
STAMP := $(VENV)/.edgesim-installed
TEST_STAMP := $(VENV)/.edgesim-test-installed

# A site-packages folder whose packages test-wheel uses instead of installing the dependencies.
SITE ?=

# The environment of test-oldest.
OLDEST ?= .venv-oldest

.PHONY: demo test test-oldest lint types check test-wheel bench bench-peers albert-hls clean

demo: $(STAMP)
	$(BIN)/edgesim demo

test: $(TEST_STAMP)
	$(BIN)/python -m pytest -n $(WORKERS)

# All tests but those of the notebooks and of the wheel, with the lowest versions declared.
test-oldest:
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python tests/oldest_versions.py > $(OLDEST)/requirements.txt
	$(OLDEST)/bin/python -m pip install $(PIP_ARGS) -r $(OLDEST)/requirements.txt -e .
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --ignore tests/notebooks --ignore tests/test_wheel.py

lint: $(TEST_STAMP)
	$(BIN)/ruff check edgesim tests
	$(BIN)/ruff format --check edgesim tests

types: $(TEST_STAMP)
	$(BIN)/mypy edgesim

check: lint types test

test-wheel: $(TEST_STAMP)
	rm -rf build/test-wheel
	$(BIN)/python -m build --no-isolation --outdir build/test-wheel/dist .
	$(PYTHON) -m venv build/test-wheel/venv
	build/test-wheel/venv/bin/python -m pip install $(PIP_ARGS) $(if $(SITE),--no-deps) \
	  build/test-wheel/dist/*.whl
	$(if $(SITE),echo "$(abspath $(SITE))" > \
	  "$$(build/test-wheel/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/site.pth")
	mkdir build/test-wheel/away
	cd build/test-wheel/away && ../venv/bin/edgesim chip list
	cd build/test-wheel/away && ../venv/bin/edgesim run minilm-sst2-ee --exit-threshold 0.24
	cd build/test-wheel/away && ../venv/bin/edgesim demo

bench: $(TEST_STAMP)
	PYTHONPATH="$(CURDIR)/tests" $(BIN)/python tests/benchmarks/bench.py $(BENCH_ARGS)

bench-peers: $(TEST_STAMP)
	PYTHONPATH="$(CURDIR)/tests:$(CURDIR)/tests/benchmarks/peers" \
	  $(BIN)/python tests/benchmarks/bench_peers.py

albert-hls: $(TEST_STAMP)
	PYTHONPATH="$(CURDIR)/tests" $(BIN)/python tests/benchmarks/albert_hls.py

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
