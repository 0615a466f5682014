# Thin: the work is in scripts/, the npm scripts and the Python package.
SHELL := /bin/bash
export ONNXRUNTIME_NODE_INSTALL := skip
PORT ?= 8080
SEED ?= 2026
TRAINING_SEED = $(if $(filter file,$(origin SEED)),1,$(SEED))
OUT ?= out/evaluate
CONFIG ?= cpu
ROUNDS ?= 20
EXAMPLES ?= 500
NODE := node_modules/.bin/node
PYTHON := .venv/bin/python

.PHONY: help setup setup-all demo test fuzz overload bench webhooks-bench regions-bench region-memory-bench reload-bench evaluate benchmark train-mini faults

help: ## what can be done here
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 22

setup: ## install what the demo needs (idempotent)
	@bash scripts/setup.sh service

setup-all: ## the same plus the Python environment, and Chromium
	@bash scripts/setup.sh all

demo: setup ## serve API and page on http://127.0.0.1:8080 (PORT=...)
	@PORT=$(PORT) bin/geo2 serve

test: setup-all ## everything that CI checks
	@$(NODE) scripts/test.ts

fuzz: setup-all ## Schemathesis against the running service (EXAMPLES=n for each operation)
	@$(NODE) scripts/fuzz.ts --examples $(EXAMPLES)

overload: setup ## ten times what the service can do, for a minute; counts and bench/results/overload.json
	@$(NODE) bench/overload.ts

bench: setup-all ## benchmarks; a table and bench/results/*.json
	@$(NODE) bench/run.ts

regions-bench: setup-all ## regions: build throughput, search of 100,000 tiles, Milvus against FAISS (half an hour); bench/results/
	@$(NODE) bench/region-build.ts
	@$(NODE) bench/region-search.ts
	@$(NODE) bench/milvus.ts

region-memory-bench: setup ## memory of a region build of 100,000 tiles; bench/results/region-memory.json
	@$(NODE) bench/region-memory.ts

reload-bench: setup ## 50 publications and roll-backs under load; bench/results/reload.json
	@$(NODE) bench/reload.ts

webhooks-bench: setup-all ## deliveries beside 50 sick receivers; bench/results/webhooks.json
	@$(NODE) bench/webhooks.ts

faults: setup-all ## SIGKILL api, worker, inference process and PostgreSQL during jobs with webhooks (ROUNDS=20)
	@$(NODE) bench/faults.ts --rounds $(ROUNDS) --jobs $$((25 * $(ROUNDS)))

evaluate: setup-all ## fresh Null Island splits (SEED=n) against the released model (OUT=dir)
	@$(PYTHON) -m geo2.evaluate suite --seed $(SEED) --out $(OUT)

benchmark: setup-all ## train and measure rows of the benchmark, resumable (ROW=name, default all; SEED=1; CONFIG=cpu|gpu|tiny)
	@set -e; for row in $(or $(ROW),$$($(PYTHON) -m geo2.benchmark list --size $(CONFIG))); do \
	  $(PYTHON) -m geo2.benchmark $$row --size $(CONFIG) --seed $(TRAINING_SEED) --resume; done

train-mini: setup-all ## the whole training recipe, resumable (CONFIG=cpu|gpu|tiny)
	@$(PYTHON) -m geo2.train_mini --config $(CONFIG)
