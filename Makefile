# Two commands do all the set-up on a fresh machine: `make demo` (the main job on an emulated censored internet) and
# `make test` (everything that is checked). Python 3.11 or later and, for the lab, Linux with iproute2 are needed.

# The first Python that is recent enough and starts; a name alone proves neither.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
APT_TEST := iproute2 util-linux chromium nginx-light curl prometheus prometheus-alertmanager prometheus-pushgateway \
	prometheus-blackbox-exporter victoria-metrics systemd
APT_DEMO := iproute2 util-linux

.PHONY: demo test lint types unit property loopback lab bench schemas packages-demo packages-test clean

demo: $(VENV)/.ready packages-demo
	$(BIN)/throttleprobe demo

test: lint types unit property loopback lab

$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh deploy/packages.sh python3-venv
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

# Some unit tests ask Prometheus's and systemd's own tools what they think of deploy/.
unit property: $(VENV)/.ready packages-test
	$(BIN)/pytest tests/$@ -n 2

loopback: $(VENV)/.ready packages-test
	$(BIN)/pytest tests/loopback

# Labs share nothing but the processor: four at a time are mostly asleep. What measures bytes or time runs alone.
lab: $(VENV)/.ready packages-test
	$(BIN)/pytest tests/lab -m 'not quiet' -n 4
	$(BIN)/pytest tests/lab -m quiet

bench: $(VENV)/.ready packages-test
	$(BIN)/python -m benchmarks
	$(BIN)/pytest tests/lab/test_scenarios.py -m bench -n 4

# The published schemas and the list of metrics are made from the code; tests check that they are equal.
schemas: $(VENV)/.ready
	$(BIN)/throttleprobe targets schema > docs/schema/targets.schema.json
	$(BIN)/python -c 'from probe.config import watch_file; print(watch_file.watch_schema_text(), end="")' > docs/schema/watch.schema.json
	$(BIN)/python -c 'from probe import records, registry; print(records.schema_text(registry.EVIDENCE_TYPES), end="")' > docs/schema/report.schema.json
	$(BIN)/python -m probe.metrics.page > docs/metrics.md

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
