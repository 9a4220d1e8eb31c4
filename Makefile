# Everything a person does with a clone. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules
.NOTPARALLEL:

# What may be given: the Python to make .venv with, and flags for the command behind a target.
PYTHON ?=
ARGS ?=
# Of make chaos: what decides its faults, how long they come, and rabbitmq or valkey.
SEED ?= 1
SECONDS ?= 60
BROKER ?= rabbitmq
# Of make fuzz: how many requests it makes for each operation.
EXAMPLES ?= 300
export PYTHON

BIN := .venv/bin
UV := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
      --generate-hashes --no-emit-index-url --no-emit-find-links

# A file stays in one process, which has servers of its own; the longest come first (tests/conftest.py orders them).
SPREAD := --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: help up demo test test-long lint types bench bench-ingress bench-growth bench-imports bench-peers load-test chaos fuzz format lock clean runtime dev

help: ## list what there is
	@echo "Gristmill: what make can do. ARGS= passes flags on, for instance: make up ARGS=--rabbitmq"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/' \
	    | while IFS=$$'\t' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

up: runtime ## run the whole platform here, without Docker; Ctrl-C stops it
	@exec $(BIN)/gristmill up $(ARGS)

demo: runtime ## post real jobs of every kind and watch them end
	@exec $(BIN)/gristmill demo $(ARGS)

test: dev ## run the tests on real services, below 15 minutes on two cores (ARGS="-k name" for some)
	@bash requirements/rabbitmq.sh
	@exec $(BIN)/pytest -m "not long" $(SPREAD) $(ARGS)

test-long: dev ## run the tests that take long, and note the result in docs/tested.md
	@bash requirements/rabbitmq.sh
	@exec $(BIN)/pytest -m long --note $(SPREAD) $(ARGS)

lint: dev ## look at style, imports, security, containers and manifests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --cache-dir .cache/imports
	$(BIN)/bandit -q -c pyproject.toml -r gristmill ingress workers tasks shared migrations # real folders: links are not followed
	$(BIN)/hadolint Dockerfile
	$(BIN)/kubernetes-validate --strict --quiet deploy/k8s/*.yaml
	$(BIN)/docker-compose config --quiet --no-interpolate

types: dev ## check the types
	$(BIN)/mypy

bench: dev ## measure: accepted, published and executed a second, latencies, memory
	@exec $(BIN)/python -m bench $(ARGS)

bench-ingress: dev ## compare: POSTs against a plain Flask and Celery app, batches, a full table
	@exec $(BIN)/python -m bench.ingress $(ARGS)

bench-growth: dev ## measure: what costs as much with millions of jobs in the tables, bloat, relays, partitions
	@exec $(BIN)/python -m bench.growth $(ARGS)

bench-imports: dev ## measure: what `from gristmill import enqueue` adds to an application
	@exec $(BIN)/python -m bench.imports $(ARGS)

bench-peers: dev ## compare with other job queues, in turn: 40 minutes (ARGS="--only celery --rounds 1")
	@bash requirements/rabbitmq.sh
	@exec $(BIN)/python -m bench.peers $(ARGS)

load-test: dev ## 1,000 producers and people by Locust against the platform that runs; fails when too slow (ARGS=--here: one of its own)
	@exec $(BIN)/python -m bench.load_test $(ARGS)

fuzz: dev ## send the running server what its contract allows and forbids, for long (EXAMPLES=300)
	@GRISTMILL_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q -m "not long" --capture=no tests/integration/ingress/document/test_generated.py $(ARGS)

chaos: dev ## kill, cut and pause everything under load; lose nothing (SEED=1 SECONDS=60 BROKER=rabbitmq)
	@exec $(BIN)/python -m chaos --seed $(SEED) --seconds $(SECONDS) --broker $(BROKER) $(ARGS)

format: dev ## put the code into its format, and repair what ruff can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lock: dev ## write requirements/*.txt anew (ARGS=--upgrade takes newer versions)
	$(UV) $(ARGS) requirements/runtime.in --output-file requirements/runtime.txt
	$(UV) $(ARGS) requirements/image.in --output-file requirements/image.txt
	$(UV) $(ARGS) requirements/dev.in --output-file requirements/dev.txt
	for file in bench/requirements/*.in bench/peers/requirements/*.in; do $(UV) $(ARGS) "$$file" --output-file "$${file%.in}.txt"; done

clean: ## remove what was made here: .venv, caches, and the data of `make up`
	@if pids=$$(grep -alsF -f <(printf '%s\n' "$$PWD/.venv/bin/" "$$PWD/.gristmill/") /proc/[0-9]*/cmdline | cut -d/ -f3 | xargs); \
	    [ -n "$$pids" ]; then \
	    echo "Something of this folder is still running (process $$pids). Stop it first: Ctrl-C where make up runs." >&2; exit 1; \
	fi
	rm -rf .venv .cache .hypothesis .schemathesis .gristmill build dist gristmill.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv with what the processes need, or with what tests and checks need on top. Silent when it is there.
runtime dev:
	@bash requirements/install.sh $@
