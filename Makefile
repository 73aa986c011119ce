# SPDX-License-Identifier: Apache-2.0
# Two targets do everything on a fresh machine: `make demo` and `make test`. `make help` lists the others.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := lib/python/d8registry images/auth hooks box tests bench
SHELL_FILES = $(shell git ls-files '*.sh' .ci/run images/proxy/run-nginx box/platform/bin)

.PHONY: help deps build bundle demo test test-full check lint types layers unit bench-hooks golden record down

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

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

test: build check ## Everything provable: fast tests first, then the switch on a real cluster
	@$(PY) -m pytest -m box tests

test-full: test demo ## Both of the README's commands, one after the other

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
	@$(PY) -m pytest -q -n 2 -m "not box" tests

bench-hooks: deps ## CPU of a run with nothing to do, Helm runs and API writes of a switch; ends with one line
	@PYTHONPATH=lib/python:. $(PY) -m bench.hooks

golden: $(VENV)/.ready ## Write the golden files anew; read the difference before you commit it
	@GOLDEN=write $(PY) -m pytest -q -m "not box" tests

record: build ## Record anew what real containerd does and says (root); read the difference before you commit it
	@$(PY) -m tests.record

down: $(VENV)/.ready ## Take down whatever box is left
	@$(PY) -m box down
