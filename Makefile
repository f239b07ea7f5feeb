# Every verb sets up what it needs first. PYTHON=… chooses another interpreter (3.11 or later).
SHELL := /bin/sh
PYTHON ?= python3
SCENARIO ?= quick
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup bench claims report check capabilities selftest bench-origin bench-generator bench-recorder prove-faults lint test caches lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  e.g.: make bench SCENARIO=ttl_sweep"

setup: $(READY) ## Make the virtual environment (the other verbs do it by themselves)

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "edgebench needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 2; }
	@echo "setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $(READY)

bench: $(READY) ## Run a scenario and write its report: make bench [SCENARIO=quick]
	@$(BIN)/python -m edgebench run scenarios/$(SCENARIO).toml

claims: $(READY) ## Put every claim made for CDNs to the test, and write one report (about 12 min)
	@$(BIN)/python -m edgebench claims

report: $(READY) ## Make the newest run's report again
	@$(BIN)/python analyze.py reports/latest

check: $(READY) ## Show what this machine has: caches, cores, clock, the generator's ceiling
	@$(BIN)/python -m edgebench check

capabilities: $(READY) ## Try what every installed cache can do; writes the README's table (25 s a cache)
	@$(BIN)/python -m edgebench check --probe --json benchmarks/capabilities.json --markdown README.md

selftest: $(READY) ## Check the generator against a server that freezes (35 s)
	@$(BIN)/python -m edgebench selftest

bench-origin: $(READY) ## Measure what the ledger costs the app
	@$(BIN)/python -m benchmarks.origin_overhead

bench-generator: $(READY) ## Measure the generator beside wrk, hey and k6 (6 min)
	@$(BIN)/python -m benchmarks.generator

bench-recorder: $(READY) ## Measure what recording costs: CPU, send lag, memory (90 s)
	@$(BIN)/python -m benchmarks.recorder

prove-faults: $(READY) ## Run the harness through a proxy with every known fault, 30 s each, and ten times without (15 min)
	@$(BIN)/python -m benchmarks.broken_proxy

lint: $(READY) ## Lint and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: $(READY) lint ## Lint, types and tests
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile

caches: ## Install the caches that come from the system's packages (root)
	@sh scripts/install_caches.sh

lock: $(READY) ## Compile requirements.lock again (needs uv)
	@uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 --group dev pyproject.toml -o requirements.lock

clean: ## Remove the virtual environment and caches; reports stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis instance
