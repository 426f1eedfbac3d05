# make demo: convert the bundled demo    make test: run the tests    make help: the rest
# Everything runs in .venv, made from requirements.lock; PYTHON=python3.13 chooses another interpreter.

SHELL := /bin/bash
PYTHON ?= python3
PYTEST_ARGS ?= -n auto --dist loadfile --no-loadscope-reorder
BIN := .venv/bin
READY := .venv/.ready
UV := $(shell command -v uv 2>/dev/null)
CAMPAIGNS := $(addprefix torture-,odd_file_systems random_processes injected_faults mutated_dicoms)
# The rules of the workflow call `python`, `dciodvfy`, ...: those of the environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Images of containers often set it; then each of a run's processes would compile all that it imports, seconds of CPU.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast lint format bench bench-full pictures fuzz torture $(CAMPAIGNS) audit lock clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

DEMO := --directory demo --configfile tests/data/demo/config.yaml
demo: $(READY) ## convert the bundled demo into the folder demo: DICOM objects and results/studies.with_dcm.csv
	$(BIN)/wfdb2dicom run --cores 2 $(DEMO)

test: $(READY) ## run all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: $(READY) ## the unit tests alone: about a minute
	$(BIN)/python -m pytest -n auto -m "not slow" tests/unit

lint: $(READY) ## every check of style, types and workflow, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint $(DEMO)

format: $(READY) ## format Python and Snakemake files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

bench: $(READY) ## measure speed against a baseline and against cp; prints a table
	$(BIN)/python tests/bench/bench.py $(BENCH_ARGS)

bench-full: $(READY) ## the same phase by phase at 1,000 to 800,035 short studies: 20 GB, 5 million files, an hour
	$(BIN)/python tests/bench/full.py $(BENCH_ARGS)

pictures: $(READY) ## make the pictures of the README anew; needs chromium and chromedriver
	$(BIN)/python docs/pictures/make_pictures.py

FUZZ_SECONDS ?= 600
fuzz: $(READY) ## fuzz all that is read from outside, FUZZ_SECONDS=600 each
	WFDB2DICOM_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -n auto tests/fuzz

torture: $(CAMPAIGNS) ## random faults until 1,000 signals, 5,000 failed calls and 1,000,000 damaged DICOMs: hours; make -j3 torture
$(CAMPAIGNS): torture-%: $(READY)
	WFDB2DICOM_TORTURE=1 $(BIN)/python -m pytest -n 0 -s tests/torture/test_$*.py

audit: $(READY) ## known vulnerabilities of the locked packages; needs a service of advisories in reach
	$(BIN)/python .ci/audit

lock: $(READY) ## resolve requirements.lock anew from pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo "make lock needs uv: see its documentation, or '$(BIN)/pip install uv'" >&2; exit 1; }
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url \
	    --upgrade --custom-compile-command "make lock" --quiet --output-file requirements.lock pyproject.toml

clean: ## remove what runs and tools left behind
	rm -rf demo results logs dicom build .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis scripts/*.egg-info
	find scripts tests -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## the same and the environment
	rm -rf .venv

# The environment is made once, and again when what it is made from changed. A half-made one has no .ready.
$(READY): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { echo "wfdb2dicom needs Python 3.11 or newer, and there is no '$(PYTHON)' on the PATH: install it, or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wfdb2dicom needs Python 3.11 or newer, and '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1): name a newer one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@rm -f $@
	@echo "Setting up .venv from requirements.lock: once, a minute or two"
ifneq ($(UV),)
	@$(BIN)/python -c "" 2>/dev/null || { rm -rf .venv && "$(UV)" venv --quiet --python "$(PYTHON)" .venv; }
	@"$(UV)" pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@"$(UV)" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv || { echo "'$(PYTHON)' has no working venv module: on Debian and Ubuntu 'apt-get install python3-venv', or put uv on the PATH" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $@
