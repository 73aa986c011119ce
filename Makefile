# SPDX-License-Identifier: Apache-2.0
# Two targets do everything on a fresh machine: `make demo` and `make test`. `make help` lists the others.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := lib/python/d8registry images/auth hooks box tests bench
SHELL_FILES = $(shell git ls-files '*.sh' .ci/run images/proxy/run-nginx box/platform/bin)

.DEFAULT_GOAL := help
# Every target but the virtual environment's is a name, not a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14
	@echo; echo 'the cluster itself: python -m box --help, docs/internal/BOX.md'

$(VENV)/.ready: requirements-dev.txt lib/python/requirements.txt
	@echo "== Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

deps: $(VENV)/.ready ## Install what the machine lacks: Python packages, and Debian packages without services
	@$(PY) -m box deps

build: deps ## Build the box's programs and images into the cache (first time about ten minutes)
	@$(PY) -m box build

bundle: deps ## Write the shipped module, dist/registry-module.tar: the same bytes every time
	@$(PY) -m box bundle

demo: build ## The main job: a real cluster switched from Unmanaged to Direct under load (KEEP=1 leaves it up)
	@$(PY) -m box demo $(if $(KEEP),--keep)

test: build check search cluster ## All that is proven in a quarter of an hour: fast tests, then the search, then real clusters

test-full: test ## That, and what takes longer: the tests marked `full`, then the demo
	@$(PY) -m pytest -m full --durations=10 tests
	@$(PY) -m box demo

check: lint types layers unit ## What a developer runs before a commit, under two minutes

lint: deps
	@echo "== ruff, shellcheck"
	@$(VENV)/bin/ruff check --quiet $(SOURCES)
	@$(VENV)/bin/ruff format --quiet --check $(SOURCES)
	@shellcheck --severity=style $(SHELL_FILES)
	@cat templates/registry-node/program/_*.sh.tpl | shellcheck --severity=style -

types: deps
	@echo "== mypy"
	@$(VENV)/bin/mypy --no-error-summary $(SOURCES)

layers: deps
	@echo "== import layers"
	@shown=$$(PYTHONPATH=lib/python:images/auth:. $(VENV)/bin/lint-imports --no-logo 2>&1) || { echo "$$shown"; exit 1; }

unit: deps
	@echo "== fast tests"
	@$(PY) -m pytest -q -n 2 -m "not box and not search and not full" tests

search: deps ## The exhaustive search over crashes, faults and orders of reports, as far as `make test` goes
	@echo "== the search"
	@$(PY) -m pytest -q -n 2 -m "search and not full" tests

cluster: build ## The tests that need a real API server or a whole box; ends with the slowest of them
	@echo "== real clusters"
	@$(PY) -m pytest -q -n 2 --dist loadfile -m "box and not full" --durations=5 tests/contract tests/images
	@$(PY) -m pytest -m "box and not full" --durations=10 --ignore=tests/contract --ignore=tests/images tests

prove: deps ## The long search over every transition, fault and crash, and its mutants (about 20 minutes on two cores); ends with one line
	@PYTHONPATH=lib/python:. $(PY) -m tests.prove

bench-hooks: deps ## CPU of a run with nothing to do, Helm runs and API writes of a switch; ends with one line
	@PYTHONPATH=lib/python:. $(PY) -m bench.hooks

bench-nodes: build ## Idle rounds, dead sources, proofs, 5,000 nodes (root, six minutes); ends with one line
	@PYTHONPATH=lib/python:. $(PY) -m bench.nodes

bench-switch: build ## Every switch of a cluster's life on a box under load, judged (DEAD=1: from a dead registry)
	@$(PY) -m bench.switch $(if $(DEAD),--dead)

golden: $(VENV)/.ready ## Write the golden files anew; read the difference before you commit it
	@GOLDEN=write $(PY) -m pytest -q -m "not box and not search and not full" tests

record: build ## Record anew what real containerd does and says (root); read the difference before you commit it
	@$(PY) -m tests.record

down: $(VENV)/.ready ## Take down whatever box is left
	@$(PY) -m box down
