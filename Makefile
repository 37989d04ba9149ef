# Two commands do all the set-up on a fresh machine: `make demo` (the main job on an emulated censored internet) and
# `make test` (everything that is checked). Python 3.11 or later and, for the lab, Linux with iproute2 are needed.

PYTHON ?= $(shell command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
APT_TEST := iproute2 util-linux chromium nginx-light curl
APT_DEMO := iproute2 util-linux

.PHONY: demo test lint types unit property loopback lab bench schemas packages-demo packages-test clean

demo: $(VENV)/.ready packages-demo
	$(BIN)/throttleprobe demo

test: lint types unit property loopback lab

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[raw,watch,test]'
	touch $@

# Packages are installed only where they are missing and this user may install them; what is still missing then fails loudly.
packages-demo:
	@sh deploy/packages.sh $(APT_DEMO)

packages-test:
	@sh deploy/packages.sh $(APT_TEST)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready
	$(BIN)/mypy

unit property: $(VENV)/.ready
	$(BIN)/pytest tests/$@

loopback lab: $(VENV)/.ready packages-test
	$(BIN)/pytest tests/$@

bench: $(VENV)/.ready packages-test
	$(BIN)/python -m benchmarks

# The published schemas are made from the code; tests check that they are equal.
schemas: $(VENV)/.ready
	$(BIN)/throttleprobe targets schema > docs/schema/targets.schema.json
	$(BIN)/python -c 'from probe.records import schema_text; from probe.registry import EVIDENCE_TYPES; print(schema_text(EVIDENCE_TYPES), end="")' > docs/schema/report.schema.json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
