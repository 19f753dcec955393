# `make test` and `make demo` do everything on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAIN ?=

.PHONY: env test demo bench clean
.DELETE_ON_ERROR:

# The stamp names what is installed, so a change of the lists installs again and nothing else does.
STAMP := $(VENV)/.installed$(if $(TRAIN),-train)

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "RoadStream needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TRAIN),"torch==2.13.0")  -e ".[dev]"
	touch $@

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(PYTEST)

demo: env
	@echo "The demo's network comes with the training work; until then bring one: .venv/bin/roadstream synthetic: --engine NETWORK.onnx --save demo.mp4"

bench: env
	$(BIN)/python benchmarks/main_job.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
