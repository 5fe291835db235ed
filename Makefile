# Each target sets itself up from nothing, and a second call is quick: `make demo` on a fresh clone
# is enough. PYTHON is any Python from 3.11 on; VENV is where everything is installed.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
OTHERS := $(VENV)/others
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
CODE := src tests benchmarks examples

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo demo-deep setup test check fix docs bench

help:
	@echo "make demo    turn the wheel twice on examples/support-tickets (light core only)"
	@echo "make demo-deep"
	@echo "             the same with a fine-tuned encoder (about 2 GB to install), from the hub;"
	@echo "             ARGS='--base FOLDER_OR_HUB_NAME' names another, or a folder"
	@echo "make test    every test; make test ARGS='-m \"not slow\"' leaves the slow ones out"
	@echo "make check   format, lint, types, and which room may import which"
	@echo "make fix     mend format and lint where that can be done by itself"
	@echo "make docs    build the documentation site into site/"
	@echo "make bench   measure every claim of benchmarks/README.md (about three and a half hours)"
	@echo "make setup   what developing needs, in $(VENV)"

demo: $(VENV)/.core
	@$(BIN)/python examples/support-tickets/demo.py $(ARGS)

demo-deep: $(VENV)/.deep
	@$(BIN)/python examples/support-tickets/demo.py --base auto $(ARGS)

setup: $(VENV)/.dev

# Training in a process of its own: all native libraries of all tests in one have crashed it.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -rs --ignore=tests/train $(ARGS)
	$(BIN)/python -m pytest -rs tests/train $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

docs: $(VENV)/.dev
	$(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.bench $(VENV)/.others
	@missed=; for script in benchmarks/*.py; do \
	  case $$script in \
	    */serving.py|*/encoder_serving.py|*/tables_against_autogluon.py) more='--others $(OTHERS)/bin/python' ;; \
	    */start_up.py) more=--encoder ;; \
	    */shared.py|*/turns.py|*/table_sets.py) continue ;; \
	    *) more= ;; \
	  esac; \
	  echo "== $$script $$more"; \
	  $(BIN)/python "$$script" $$more $(ARGS) || missed="$$missed $$script"; \
	done; [ -z "$$missed" ] || { echo "missed:$$missed"; exit 1; }

# A stamp is written when all went well; it is made again when the file of versions changes.
$(VENV)/.core: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || \
	  { echo "error: there is no $(PYTHON)"; \
	    echo "  try  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: volano needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1)"; \
	    echo "  try  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: $(PYTHON) cannot make virtual environments"; \
	    echo "  try  apt install python3-venv, or another python: make PYTHON=..."; exit 1; }
	@echo "setting up $(VENV) (once; a minute or two)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.deep: $(VENV)/.core
	@echo "adding what encoders are trained with (about 2 GB; some minutes)"
	$(PIP) -e '.[deep]'
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev,docs]'
	@touch $@

# With `dev`, so that pip sees what must fit together.
$(VENV)/.bench: $(VENV)/.dev
	$(PIP) -e '.[dev,docs,bench]'
	@touch $@

# Other servers cannot live with the versions that are tested here.
$(VENV)/.others: $(VENV)/.bench
	$(BIN)/python -m venv $(OTHERS)
	$(OTHERS)/bin/python -m pip --disable-pip-version-check install --quiet \
	  . litserve bentoml sentence-transformers \
	  "autogluon.tabular[lightgbm,catboost,xgboost]" $$(grep '^torch==' constraints.txt)
	@touch $@
