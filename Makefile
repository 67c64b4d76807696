# The README's two commands are `make demo` and `make test`; each does all set-up and is quick when there is none to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# As many test processes as there are processors, for tests that share nothing.
JOBS ?= auto

.PHONY: demo demo-stop test lint typecheck unit root bench chaos docs venv setup-demo setup-test clean

demo: setup-demo venv
	@./examples/demo.sh

demo-stop:
	@./examples/demo.sh stop

test: setup-test lint unit root

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What needs neither root nor an engine.
unit: venv
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not root"

# What needs root, a real kernel and real engines: one at a time, they share the machine (its mounts, its load). What
# failed is asked once more by itself: dockerd and Podman have bad moments of their own, and both answers are printed.
root: venv
	@if [ "$$(id -u)" = 0 ]; then \
		$(BIN)/python -m pytest -q -m root || $(BIN)/python -m pytest -q -m root --last-failed --last-failed-no-failures none; \
	else echo "left out: the tests that need root (run 'sudo make test')"; fi

bench: setup-test venv
	$(BIN)/python -m tests.bench

# The long fault and property runs whole, where `make test` takes a fixed sample of them; and the commands' tests, which
# it runs on dockerd, on the embedded engine.
chaos: setup-test venv
	RORQUAL_CHAOS=1 $(BIN)/python -m pytest -q
	RORQUAL_TEST_ENGINE=rorqual $(BIN)/python -m pytest -q -m root tests/engine/cli tests/engine/reconcile

docs: $(VENV)/.stamp-docs
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet
	@echo "the manual: site/index.html"

venv: $(VENV)/.stamp

setup-demo setup-test: setup-%:
	@PYTHON="$(PYTHON)" ./.ci/setup $*

# Compiled by hand: where PYTHONDONTWRITEBYTECODE is set, Python would compile everything again at each start.
$(VENV)/.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q $(VENV)/lib engine specs
	@touch $@

$(VENV)/.stamp-docs: $(VENV)/.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
