# Two commands for a fresh machine: `make demo` and `make test`. Both make .venv from the constraints file.
PYTHON ?= python3
BIN := .venv/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)
STAMP := .venv/.installed

.PHONY: demo test test-all lint types studies leaderboard leaderboard-check speed clean

$(STAMP): pyproject.toml constraints.txt $(PLUGINS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' \
		$(foreach plugin,$(PLUGINS),--editable $(dir $(plugin)))
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/sslbench run --method simclr --dataset shifted-digits

# two processes, each with whole files: what a file's tests share is made once
test: $(STAMP) lint types
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

test-all: $(STAMP) lint types
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(STAMP)
	$(BIN)/mypy sslbench $(wildcard plugins/*/src)

studies: $(STAMP)
	for study in benchmarks/studies/*.yaml plugins/*/src/*/studies/*.yaml; do \
		$(BIN)/sslbench study run $$study --scale smoke --out runs/smoke || exit 1; \
	done

leaderboard-check: $(STAMP)
	$(BIN)/sslbench leaderboard check

leaderboard: leaderboard-check
	$(BIN)/sslbench leaderboard build --check

speed: $(STAMP)
	rm -f benchmarks/speed/results.json
	$(BIN)/python -m pytest benchmarks/speed --benchmark-only --results -s

clean:
	rm -rf .venv runs
