# `make help` lists what there is. Everything happens in the checkout: the environment in .venv, data in var.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: help run demo-reset test check bench pins clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z.-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What tests need holds what the panel needs, so an environment with it serves both.
$(RUN_STAMP): requirements.txt .ci/venv
	@.ci/venv $(VENV) requirements.txt
	@touch $@

$(DEV_STAMP): requirements.txt requirements-dev.txt .ci/venv
	@.ci/venv $(VENV) requirements-dev.txt
	@touch $@ $(RUN_STAMP)

.PHONY: .venv
.venv: $(DEV_STAMP) ## Make .venv with all that running, testing and checking need

run: $(RUN_STAMP) ## Start the panel: web, worker and beat, with the demo in it (PORT=8000)
	@exec $(BIN)/python manage.py serve

demo-reset: $(RUN_STAMP) ## Throw the embedded data away and load the demo again
	@exec $(BIN)/python manage.py serve --reset

test: $(DEV_STAMP) ## Run every test on SQLite, then actions, runs and races on PostgreSQL (ARGS="sqlite tests/billing -k run" runs a part)
	@$(BIN)/python -m tests $(ARGS)

check: $(DEV_STAMP) ## Run the checks: lint, format, types, imports, migrations, templates, deployment
	@.ci/check

bench: $(DEV_STAMP) ## Measure the invoice run and the import of usage
	@$(BIN)/python -m tests.benchmarks

pins: $(DEV_STAMP) ## Compile the requirements files from pyproject.toml (ARGS=--upgrade renews all)
	@.ci/compile-pins $(ARGS)

clean: ## Remove the environment and caches; data in var stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
