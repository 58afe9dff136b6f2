# `make` lists the targets. Everything works in a plain clone with Python 3.11 or newer and make;
# the control plane is built with go unless its binaries are on the machine.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The Python that makes the virtual environment, and the one that runs everything.
PYTHON3 ?= python3
VENV ?= .venv
PYTHON ?= $(VENV)/bin/python
UV ?= uv
PYTEST_ARGS ?=

LOCKED := $(shell cat requirements-dev.lock pyproject.toml 2>/dev/null | cksum | tr ' ' '-')
STAMP := $(VENV)/.installed-$(LOCKED)

export PYTHONPATH := operator:hack

# A cluster is used only when it is named in this very command (`make demo KUBECONFIG=…`): one that
# happens to be in the environment may be production.
ifneq ($(origin KUBECONFIG),command line)
unexport KUBECONFIG
endif

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use

.PHONY: demo
demo: venv ## Watch the operator guard a real model; KUBECONFIG=… runs it on your cluster
	$(PYTHON) -m demo

.PHONY: cluster-up
cluster-up: tools ## Start a control plane, Prometheus and the local node, and leave them running
	$(PYTHON) -m localcluster up

.PHONY: cluster-down
cluster-down: venv ## Stop what cluster-up started
	$(PYTHON) -m localcluster down

##@ Check

.PHONY: test
test: lint types unit integration e2e ## Everything that CI runs

.PHONY: lint
lint: venv verify-crds verify-locks ## Style, imports between layers, generated files
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(dir $(PYTHON))lint-imports --no-cache

.PHONY: types
types: venv ## mypy, strict
	$(PYTHON) -m mypy

.PHONY: unit
unit: venv ## Unit and golden tests: no cluster, no network
	$(PYTHON) -m pytest -m "not integration and not e2e" $(PYTEST_ARGS)

.PHONY: integration
integration: tools ## Against a real API server and a real Prometheus
	$(PYTHON) -m pytest -m integration $(PYTEST_ARGS)

.PHONY: e2e
e2e: tools ## The steps of the demo as a test
	$(PYTHON) -m pytest -m e2e $(PYTEST_ARGS)

MINUTES ?= 10

.PHONY: bench
bench: tools ## CPU of a check, a backtest of a month, and writes in MINUTES quiet minutes
	$(PYTHON) tests/bench/check_cost.py
	$(PYTHON) tests/bench/backtest_speed.py
	$(PYTHON) tests/bench/quiet_writes.py --minutes $(MINUTES)

.PHONY: bench-decision
bench-decision: venv ## False rollbacks and delays of rule 1 and of other tools' rules, by simulation
	$(PYTHON) tests/bench/decision/table.py
	$(PYTHON) tests/bench/decision/cost.py

.PHONY: verify-crds
verify-crds: venv ## Fail when crds/ is not what the models generate
	$(PYTHON) hack/update_crds.py --check

.PHONY: verify-locks
verify-locks: venv ## Fail when a lock is incomplete, unhashed or names a registry
	$(PYTHON) hack/verify_locks.py

##@ Update

.PHONY: update-crds
update-crds: venv ## Write crds/ from the models in operator/model_rollout/api
	$(PYTHON) hack/update_crds.py

.PHONY: update-golden
update-golden: venv ## Write tests/golden/**/*.output.yaml from what the code gives now
	$(PYTHON) -m pytest tests/golden --update-golden

LOCK = $(UV) pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links

.PHONY: update-locks
update-locks: ## Pin the newest dependencies that pyproject.toml allows (needs uv)
	@command -v $(UV) >/dev/null || { echo "update-locks needs uv: pip install uv" >&2; exit 1; }
	$(LOCK) --extra dev --output-file requirements-dev.lock
	$(LOCK) --constraint requirements-dev.lock --no-annotate --output-file requirements.lock

##@ Set up

.PHONY: venv
ifeq ($(PYTHON),$(VENV)/bin/python)
venv: $(STAMP) ## Make .venv from requirements-dev.lock (nothing to do when nothing changed)
else
venv:
	@true
endif

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, $(PYTHON3) is: $$($(PYTHON3) --version 2>&1)." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON3=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON3) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

.PHONY: tools
tools: venv ## Find or build etcd, kube-apiserver, Prometheus and the rest
	$(PYTHON) -m localcluster tools

.PHONY: clean
clean: ## Remove the virtual environment and the caches; built tools stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
