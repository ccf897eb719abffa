# One word per task. `make run` and `make test` are all that a newcomer needs.
# What each target needs is made on demand and not made again while nothing changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
NATIVE_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml

.PHONY: run setup test test-full check bench dist format schema clean

run: setup ## set up, then run the market with live flow and its page
	@$(BIN)/tradepit demo

setup: $(VENV)/.native ## build everything into .venv

test: setup ## the whole test suite
	@cargo test --release --quiet --workspace --exclude tradepit-python
	@$(BIN)/python -m pytest

test-full: setup ## the long runs: millions of random commands, a hundred kills
	@$(BIN)/python -m pytest -m full

check: setup ## format, lint, types, import rules, generated code
	@$(BIN)/python schema/generate.py --check
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@cargo fmt --all --check
	@cargo clippy --release --quiet --workspace -- -D warnings

bench: setup ## every benchmark, one after the other
	@$(BIN)/python -m bench

dist: setup ## a wheel that runs the demo without Rust on the target
	@$(BIN)/maturin build --release --strip --out dist

format: setup ## rewrite the sources in the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && cargo fmt --all

schema: setup ## regenerate the wire code from schema/records.toml
	@$(BIN)/python schema/generate.py

clean: ## remove what the other targets made
	rm -rf $(VENV) target dist

$(VENV)/.python: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Tradepit needs Python 3.11 or newer as '$(PYTHON)' (set PYTHON=...)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv module is missing (Debian: apt install python3-venv)." >&2; exit 1; }
	@echo "installing Python packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.native: $(VENV)/.python $(NATIVE_SOURCES)
	@command -v cargo >/dev/null || \
		{ echo "Rust is missing: install it from https://rustup.rs, then run this again." >&2; exit 1; }
	@echo "building the native engine (about half a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
