# Tieout's commands. `make help` lists them from the notes behind each target.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SERVICE ?= payment
WORKERS ?= 2
SEEDS ?= 1000
COUNT ?= 1000
STEPS ?= 100000
PAYMENTS ?= 10000
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv

.DEFAULT_GOAL := help
.PHONY: help setup demo test stack-tests e2e seeds test-unit test-db test-kafka crash sim sim-planted deep faults up down logs status verify bench month lint types arch format schemas compatible docs lock sabotage

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready ## install everything into .venv (done by every other target)

.venv/.ready: requirements.txt pyproject.toml */pyproject.toml services/*/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tieout needs Python 3.11 or later; set PYTHON=...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { echo "Tieout needs Python's venv module (Debian: python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e schemas -e shared -e tools $(patsubst %,-e %,$(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml)))
	@touch $@

demo: setup ## the main job: real PostgreSQL and Kafka, payments of every kind, faults, the proof, and the day reconciled; FAULT=list: one fault's story
	@$(BIN)/tieout demo $(if $(FAULT),--fault $(FAULT))

test: setup ## every test, on a real PostgreSQL and Kafka that it starts itself; ARGS="-k refund -x": those tests alone
ifdef ARGS
	@$(BIN)/tieout infra --memory -- $(BIN)/pytest -q -n $(WORKERS) --dist loadgroup $(ARGS)
else
	@$(BIN)/tieout infra --memory -- $(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "not (e2e or crash or sim)"
	@$(BIN)/pytest -q -n $(WORKERS) -m sim tests/simulation
	@$(MAKE) --no-print-directory -j2 -Otarget stack-tests seeds
endif

# One after the other: two stacks at once take longer than one that has the machine to itself.
stack-tests: setup
	@$(MAKE) --no-print-directory e2e
	@$(MAKE) --no-print-directory crash
	@$(MAKE) --no-print-directory faults

e2e: setup ## whole courses of payments on the real stack
	@$(BIN)/tieout infra -- $(BIN)/pytest -q -m e2e tests/e2e $(ARGS)

# Tests on the stack often wait; what they leave of the processors is enough for most of the seeds.
seeds: setup
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --workers $(WORKERS) --yielding

test-unit: setup ## tests that need no services, but the longest, with fewer generated cases: under a minute
	@$(BIN)/pytest -q -n $(WORKERS) --hypothesis-profile=few -m "(unit or property or contract or architecture) and not long" $(ARGS)

test-db: setup ## tests on a real PostgreSQL
	@$(BIN)/tieout infra --memory -- $(BIN)/pytest -m db $(ARGS)

test-kafka: setup ## tests on a real Kafka
	@$(BIN)/tieout infra -- $(BIN)/pytest -m kafka $(ARGS)

sim: setup ## all services in one process, faults by seed: make sim SEEDS=1000; SEED=42 replays one to the letter; ARGS=--json
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --workers $(WORKERS)) $(ARGS)

faults: setup ## random faults of both processors by seed at full load: make faults COUNT=10000 SEED=1
	@$(BIN)/tieout faults --count $(COUNT) --seed $(or $(SEED),1) $(ARGS)

sim-planted: setup ## take out each protection that the simulation can miss, and show which seed finds it
	@$(BIN)/python -m tests.simulation.planted --workers $(WORKERS) $(ARGS)

deep: setup ## the payment machine with 100,000 random steps instead of the 10,000 of every test run; STEPS=... for more
	@TIEOUT_MACHINE_STEPS=$(STEPS) $(BIN)/pytest -q -o log_cli=true --log-cli-level=INFO --timeout=1800 services/payment/tests/property/test_payment_machine.py $(ARGS)

crash: setup ## kill -9 at every named crash point, pauses, two copies, everything at once: restart, audit
	@$(BIN)/pytest -q -m crash tests/crash $(ARGS)

up: setup ## start a stack that stays; prints URLs, a test key and a first request
	@$(BIN)/tieout up

down: setup ## stop it
	@$(BIN)/tieout down

logs: setup ## the log of one service: make logs SERVICE=ledger
	@$(BIN)/tieout logs $(SERVICE)

status: setup ## the processes of the running stack
	@$(BIN)/tieout status

verify: setup ## the auditor over the running stack
	@$(BIN)/tieout verify --drained

bench: setup ## speed as ratios to raw pgbench and raw Kafka in the same run
	@$(BIN)/tieout bench

month: setup ## a month over six formats with errors planted, to its answer key: make month PAYMENTS=1000000 SEED=1
	@$(BIN)/tieout infra -- $(BIN)/python -m tests.integration.months --payments $(PAYMENTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

sabotage: setup ## take out each protection in turn and show which test or invariant notices
	@$(BIN)/tieout infra -- $(BIN)/python -m tools.sabotage $(ARGS)

lint: setup ## ruff, codespell
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/codespell

format: setup ## let ruff format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

types: setup ## mypy, strict
	@$(BIN)/mypy

arch: setup ## import contracts
	@$(BIN)/lint-imports

schemas: setup ## generate the event classes from schemas/events
	@$(BIN)/python -m tools.gen_schemas

compatible: setup ## refuse unsafe changes of schemas/ against BASE (default: origin/main, the last tag, HEAD~1)
	@$(BIN)/python -m tools.check_compatibility $(if $(BASE),--base $(BASE))

lock: setup ## resolve dependencies anew and write requirements.txt
	@$(BIN)/uv lock -q && $(BIN)/uv export -q --all-packages --no-emit-workspace --no-header --format requirements-txt > requirements.txt
