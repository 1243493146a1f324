# One command each: `make serve` starts the product, `make test` runs the tests. Both set themselves up.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python of at least 3.11 on the PATH; `make serve PYTHON=/path/to/python3` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help serve dashboard check-dashboard screenshots compiled pure setup setup-dev test test-long test-soak check format lock bench bench-full bench-engine clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "dwctl needs Python 3.11 or newer with the venv module; none was found on PATH." >&2; \
		echo "Install it (Debian: apt-get install python3 python3-venv) or run: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Could not make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing dwctl into $(VENV) (first time only) ..." >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml $(VENV)/.run
	@echo "Installing the test tools into $(VENV) (first time only) ..." >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

compiled: $(VENV)/.dev ## compile the modules on the path of a call, beside their sources (minutes; needs a C compiler and Python's headers)
	@$(BIN)/python -m tools.compiled

pure: | $(BIN)/python ## remove what was compiled: the sources run again
	@$(BIN)/python -m tools.compiled --remove

setup: $(VENV)/.run ## install dwctl into .venv
setup-dev: $(VENV)/.dev ## install dwctl and the test tools into .venv

# The dashboard is built beside the server, which says so at / until it is there. Of no group that a reader waits for.
serve: $(VENV)/.run ## start dwctl; UPSTREAM=http://host:port/v1 imports a model server, ARGS="..." passes flags
	@$(if $(filter no,$(DASHBOARD)),:,( $(BIN)/python -m tools.dashboard --background </dev/null >/dev/null 2>&1 & ))
	@exec $(BIN)/dwctl serve $(if $(UPSTREAM),--upstream '$(UPSTREAM)') $(ARGS)

dashboard: | $(BIN)/python ## build the dashboard into the package
	@$(BIN)/python -m tools.dashboard

check-dashboard: dashboard ## check the types and the style of the dashboard's source and run its own tests (needs Node.js)
	@npm --prefix dashboard run --silent check

screenshots: dashboard $(VENV)/.dev ## take the pictures in docs/screenshots anew (needs Chromium)
	@$(BIN)/python -m tests.e2e.screenshots

test: $(VENV)/.dev ## run the tests (under five minutes on two cores)
	@$(BIN)/python -m pytest -n 3 --dist loadgroup -m 'not long and not soak' $(ARGS)

test-long: $(VENV)/.dev ## run kill loops, a full disk, real model servers, several workers, the dashboard in Chromium, all examples of property tests (under an hour)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m '(long or hypothesis) and not soak' --hypothesis-profile=thorough \
		-o faulthandler_timeout=1200 $(ARGS)

test-soak: $(VENV)/.dev ## run the endurance tests and look for new examples for the property tests (hours, by hand)
	@$(BIN)/python -m pytest -m 'soak or hypothesis' --hypothesis-profile=search -o faulthandler_timeout=1200 $(ARGS)

check: $(VENV)/.dev ## lint, format, types, layer contracts and the repository's own rules
	@$(BIN)/ruff check src tests tools benchmarks
	@$(BIN)/ruff format --check src tests tools benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.check

format: $(VENV)/.dev ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix src tests tools benchmarks
	@$(BIN)/ruff format src tests tools benchmarks

lock: ## rewrite the lock files from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --group build --extra otel --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements-otel.lock
	uv pip compile pyproject.toml --group dev --extra otel --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements-dev.lock
	uv pip compile tests/clients/python/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file tests/clients/python/requirements.lock

bench: $(VENV)/.dev ## compare with nginx and no gateway (under five minutes)
	@$(BIN)/python -m benchmarks.run $(ARGS)

bench-full: $(VENV)/.dev ## compare with LiteLLM and the Rust routers too
	@$(BIN)/python -m benchmarks.run --full $(ARGS)

bench-engine: $(VENV)/.dev ## measure uploads, batches and the queue against the engine's bars (half an hour)
	@$(BIN)/python -m benchmarks.engine $(ARGS)

clean: ## remove what was built and installed here, never data
	find src/dwctl -name '*.so' -delete
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache benchmarks/bin benchmarks/out \
		src/dwctl/compiled.json src/dwctl/dashboard dashboard/node_modules dashboard/dist
