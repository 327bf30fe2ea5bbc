# aftercast: every target works on a machine with Python 3.11, make and git; the environment is made from requirements.lock.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A core for each test worker; the numerical libraries keep to one thread each inside tests.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
SPREAD := -q -n $(WORKERS) --dist worksteal --durations=25
GATE := $(SPREAD) -m "not slow"
# Every property is tried with more examples there, too.
SLOW := $(SPREAD) -m "slow or hypothesis" --hypothesis-profile=slow
# Used only where the machine has no OpenMP runtime of its own, see $(READY).
export LD_LIBRARY_PATH := $(CURDIR)/$(VENV)/lib/openmp$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

.PHONY: help demo test test-slow lint types contracts licences doctests unit wheel bench audit format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on this machine: install Python 3.11, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the environment in $(VENV) (once, one to three minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements.lock 2>&1 | { grep -v '^WARNING: Location' || true; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . 2>&1 | { grep -v '^WARNING: Location' || true; }
	@$(BIN)/python scripts/openmp.py $(VENV)
	@$(BIN)/python -c "import aftercast.operations.settings, lightgbm"
	@touch $@

demo: $(READY) ## simulate a fleet, train, backtest, list risks, answer one HTTP request (three to four minutes on two cores)
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh

test: lint types contracts licences doctests wheel ## everything a change must pass; the tests run against the built wheel

test-slow: $(READY) ## what a change must pass before a release: kills, soak, statistics, containers, more examples (ARGS="-k name")
	OMP_NUM_THREADS=1 $(BIN)/python scripts/check_wheel.py $(SLOW) $(ARGS)

lint: $(READY) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## strict static types, tests included
	$(BIN)/mypy

contracts: $(READY) ## who may import whom
	$(BIN)/lint-imports

doctests: $(READY) ## the examples in docstrings
	$(PYTEST) -q --doctest-modules $$(grep -rl --include=*.py '>>> ' data features models pipelines serving)

unit: $(READY) ## all tests but the slow ones, against the checkout (ARGS="-k name" for some)
	$(PYTEST) $(GATE) $(ARGS)

wheel: $(READY) ## the same tests against the built wheel, installed into an empty environment
	OMP_NUM_THREADS=1 $(BIN)/python scripts/check_wheel.py $(GATE) $(ARGS)

bench: $(READY) ## list the benchmarks
	@$(BIN)/python -m benchmarks

bench-%: $(READY)
	$(BIN)/python -m benchmarks $* $(ARGS)

licences: $(READY) ## what the image ships may be shipped: a list in pyproject.toml
	$(BIN)/pip-licenses --summary --packages $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' deploy/serve.lock)

audit: licences ## licences of what the image ships; known vulnerabilities where pip-audit is installed
	@if ! command -v pip-audit >/dev/null; then \
	  echo "Not looked for: known vulnerabilities. pip-audit is not on the path (it asks a service, so it is no part of the lock)."; \
	elif ! pip-audit --strict --require-hashes --disable-pip -r deploy/serve.lock; then \
	  echo "Where pip-audit could not connect, or 'not found on PyPI' stands above, its service was not reached: try again with a network that reaches pypi.org, or with the index in PIP_INDEX_URL unset. Nothing is known of vulnerabilities until then."; \
	  exit 1; \
	fi

format: $(READY) ## put code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := uv pip compile --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate --no-header

lock: $(READY) ## resolve the dependencies anew into requirements.lock, and what the container needs of them (needs uv)
	$(COMPILE) pyproject.toml --all-extras --upgrade -o requirements.lock
	$(COMPILE) pyproject.toml --extra postgres --extra tracing -c requirements.lock -o deploy/serve.lock
	echo 'hatchling>=1.27' | $(COMPILE) - -c requirements.lock -o deploy/build.lock

clean: ## remove the environment and what the demo made
	rm -rf $(VENV) demo-workspace .test-fleets build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
