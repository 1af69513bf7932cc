# The commands of this project, above all: `make demo` and `make test`. Both make .venv themselves: with uv when it is there,
# else with venv and pip of the first Python >= 3.11 that is found.

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3; do \
	command -v $$name >/dev/null 2>&1 && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$name; break; }; done)
BIN := .venv/bin
# Processes of the tests: two more than cores, since some tests wait for kernels, servers and a browser (on two cores
# 5 min 13 s, with one more 6 min 8 s). Each costs ten seconds of a processor before its first test.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((cores < 6 ? cores + 2 : 8)))
# Tests start hundreds of interpreters. They share compiled modules even where the shell forbids to write them: with none,
# each one compiles pandas again, and that is half of all their work.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check fix notebooks docs pictures benchmarks clean

demo: .venv/installed
	$(BIN)/claude-parallel demo

test: .venv/installed
	$(BIN)/python -m pytest -q -n $(WORKERS)

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: .venv/installed
	$(BIN)/python notebooks/execute.py

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file .ci/site/mkdocs.yml --strict --quiet
	@echo "site/index.html"

# The pictures of README and docs, from JupyterLab and a report in headless Chromium; look at them before you commit.
pictures: .venv/installed
	$(BIN)/python -c "import playwright, jupyterlab" || { echo 'first: pip install -e ".[dev,browser]"'; exit 1; }
	CLAUDE_PARALLEL_SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/browser

benchmarks: .venv/installed
	$(BIN)/python -m benchmarks

.venv/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "claude_parallel needs Python 3.11 or newer"; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
		echo "setting up .venv with uv" && uv venv --quiet --allow-existing --python "$(PYTHON)" .venv \
		&& uv pip install --quiet --python $(BIN)/python -e ".[dev]"; \
	else \
		echo "setting up .venv with pip" && "$(PYTHON)" -m venv .venv \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"; \
	fi
	@touch .venv/installed

.venv/installed-docs: .venv/installed
	@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(BIN)/python -e ".[docs]"; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"; fi
	@touch .venv/installed-docs

clean:
	rm -rf .venv site docs/notebooks .pytest_cache .mypy_cache .ruff_cache dist
