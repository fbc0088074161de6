# Needs Python 3.11+ and make. Every target makes .venv by itself the first time.
PYTHON ?= python3
LINE ?= bundled
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run ui test lint bench

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make the virtual environment (the other targets do so by themselves)

run: $(STAMP) ## Make the bundled line from seeds to a tuned student; another with LINE=name
	@$(BIN)/factory run $(LINE)

ui: $(STAMP) ## Serve Dagster, MLflow and the data cards on loopback, until Ctrl-C
	@$(BIN)/factory ui

test: lint ## Lint, types, layers, then the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(STAMP) ## Ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(STAMP) ## Measure what filtering is worth (docs/benchmarks.md)
	$(BIN)/python bench/filtering.py

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed; $(PYTHON) is {sys.version.split()[0]}. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off -c constraints.txt -e '.[dev]'
	@touch $@
