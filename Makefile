# Everything from a machine that has only Python 3.11 to 3.13 and make. Each target sets up what it needs.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-runtimes lint format docs bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## check, analyze, train, export and run a small network on real handwritten digits
	$(BIN)/archspec check resnet_digits
	$(BIN)/archspec analyze resnet_digits
	$(BIN)/archspec train resnet_digits --data digits -o runs/digits --force --threads 1
	$(BIN)/archspec export resnet_digits --weights runs/digits/weights.safetensors -o runs/digits/model.onnx
	$(BIN)/archspec evaluate runs/digits

test: lint ## run every check: lint, types, import contracts, all tests but the slow ones
	$(BIN)/pytest -q -n auto -m "not slow and not runtimes"

test-all: lint ## the same with the slow tests
	$(BIN)/pytest -q -n auto -m "not runtimes"

test-runtimes: $(INSTALLED) ## run exported files in each ONNX Runtime since 1.16, in environments of their own
	$(BIN)/python -m tests.old_runtimes.environments
	$(BIN)/pytest -q -m runtimes tests/old_runtimes

lint: $(INSTALLED) ## run ruff, mypy and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## let ruff put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED) ## write what is generated: docs/ops.md, docs/limits.md, docs/zoo.md with its pictures, the JSON Schema
	$(BIN)/python docs/generate.py

bench: $(INSTALLED) ## measure against peers, in one run
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/compile.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/transformers.py
	$(BIN)/python benchmarks/export.py
	$(BIN)/python benchmarks/forms.py
	$(BIN)/python benchmarks/int8.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/training.py

clean: ## remove the environment, builds and caches; runs/ stays
	rm -rf .venv .runtimes build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find archspec compiler runtime tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# torch first, since the rest depends on which build of it is there; then the build tools, so that they are pinned too.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; version = sys.version_info[:2]; \
	(3, 11) <= version <= (3, 13) or sys.exit("archspec needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d; " \
	"name another: make PYTHON=python3.12" % version)'
	@echo "Setting up .venv; the first time takes a few minutes, most of them for torch"
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) hatchling editables
	$(PIP_INSTALL) --no-build-isolation --editable '.[all,dev]'
	@touch $@
