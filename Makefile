# Needs git, make and Python 3.11 or newer. Everything else goes into .venv.
#
#   make demo    simulate a small pair, fuse it, print where the result is
#   make test    run the tests
#   make lint    what CI checks before the tests
#   make docs    build the documentation site
#
# PYTHON=python3.12 chooses an interpreter. PIP_ARGS is passed to pip: an index with CPU builds
# of torch, say, where the default one of your platform brings CUDA packages.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
PIP_ARGS ?=
# 3.11 first: it is the Python that constraints.txt pins torch for.
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3.11 python3.12 python3.13 python3.14 python3)

.PHONY: help demo picture test test-slow lint docs linkcheck clean
help:
	@sed -n '3,6s/^#   //p' Makefile

# Python compiles what it imports; to compile all modules of all packages takes as long as to unpack
# them.
PIP = $(BIN)/python -m pip install --quiet --no-compile

# The venv is made once; each stamp is redone when the requirements change.
$(BIN)/python:
	@for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
	     2>/dev/null; then \
	    echo "$$("$$python" --version): making $(VENV)"; \
	    exec "$$python" -m venv $(VENV); \
	  fi; \
	done; \
	echo "hsfuse needs Python 3.11 or newer with venv; tried: $(CANDIDATES)." \
	     "Give one with: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.installed: setup.cfg constraints.txt | $(BIN)/python
	$(PIP) $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) $(PIP_ARGS) -c constraints.txt -e ".[$*]"
	@touch $@

# It holds those that tests and linters need.
$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	@touch $(VENV)/.installed-test $(VENV)/.installed-lint $@

demo: $(VENV)/.installed
	$(BIN)/hsfuse sample $(DEMO) --overwrite
	$(BIN)/hsfuse run $(DEMO)/scene.tif $(DEMO)/rgb.tif -o $(DEMO)/fused.tif --overwrite \
	  --hs-sensor enmap --rgb-sensor sentinel-2a:B2,B3,B4,B8
	$(BIN)/hsfuse run $(DEMO)/scene.tif $(DEMO)/rgb.tif -o $(DEMO)/bicubic.tif --overwrite --quiet \
	  --hs-sensor enmap --rgb-sensor sentinel-2a:B2,B3,B4,B8 --method bicubic
	@echo
	@echo "metrics of the fused raster against the reference:"
	@$(BIN)/hsfuse evaluate $(DEMO)/truth.tif $(DEMO)/fused.tif --ratio 3
	@echo
	@echo "metrics of the HS image interpolated without the MS image (bicubic), for comparison:"
	@$(BIN)/hsfuse evaluate $(DEMO)/truth.tif $(DEMO)/bicubic.tif --ratio 3
	@echo
	@echo "fused raster  $(CURDIR)/$(DEMO)/fused.tif"
	@echo "quicklook     $(CURDIR)/$(DEMO)/fused.tif.png"
	@echo "record        $(CURDIR)/$(DEMO)/fused.tif.json"
	@echo "report        $(CURDIR)/$(DEMO)/fused.tif.html (for a browser)"
	@echo "hsfuse        $(CURDIR)/$(BIN)/hsfuse (source $(BIN)/activate finds it as hsfuse)"

# The picture of the README, from the files of the demo.
picture: demo
	$(BIN)/python docs/images/result.py

# In parallel, one thread each: two processes of two threads are slower than one on two cores.
# Three processes for two cores, at most four: some tests wait for processes that they start.
# worksteal keeps most modules, and so their fixtures, in one process.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist worksteal --maxprocesses 4 \
  -n $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 ))

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow"

# Those that start clusters, stores and processes, train networks, or fuse large scenes.
test-slow: $(VENV)/.installed-test
	$(PYTEST) -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy

# Warnings are errors, and all pages are read (-E): those of an earlier build repeat no warning.
# The notebooks are executed; those that have not changed are taken from build/docs/notebooks.
# NOTEBOOKS=off leaves their outputs out.
NOTEBOOKS ?= cache
SPHINX = OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -D nb_execution_mode=$(NOTEBOOKS) -d build/docs/doctrees

docs: $(VENV)/.installed-docs
	rm -rf docs/reference/generated
	$(SPHINX) -E -W --keep-going -b html docs build/docs/html
	@echo "documentation $(CURDIR)/build/docs/html/index.html"

# Asks the servers of all links, so it needs the network; `make docs` checks links inside the site.
linkcheck: $(VENV)/.installed-docs
	$(SPHINX) -b linkcheck docs build/docs/linkcheck

clean:
	rm -rf $(VENV) build dist docs/generated docs/reference/generated *.egg-info
