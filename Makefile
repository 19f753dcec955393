# `make test` and `make demo` do everything on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAIN ?=
COMMA := ,

.PHONY: env test demo bench soak clean
.DELETE_ON_ERROR:

# The stamp names what is installed, so a change of the lists installs again and nothing else does.
STAMP := $(VENV)/.installed$(if $(TRAIN),-train)

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "RoadStream needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)  # a venv without pip is a broken one
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev$(if $(TRAIN),$(COMMA)train$(COMMA)ultralytics)]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt trackers  # it names a second OpenCV
	touch $@

# What needs torch is checked where it is installed: make test TRAIN=1, as CI does.
WITHOUT_TORCH := --exclude '^(tests/)?training/|^(tests/commands/test_|commands/)eval\.py|^tests/engines/ultralytics_predictor\.py|^benchmarks/(network_export|int8_accuracy)\.py'

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(if $(TRAIN),,$(WITHOUT_TORCH))
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

demo: env
	$(BIN)/roadstream synthetic:city --save demo.mp4 --overwrite
	@echo "Look at $(CURDIR)/demo.mp4; your own drive: $(BIN)/roadstream drive.mp4 --save out.mp4"

# The loop that is replaced runs in an environment of its own: it brings torch and a second OpenCV.
bench: env $(VENV)-baseline/.installed
	$(BIN)/python benchmarks/main_job.py

# Live streams for minutes, standing still, lost a thousand times: half an hour. `make soak SOAK='--minutes 1 --reconnects 50'`: less.
soak: env
	$(BIN)/python -m pytest soak -s --timeout 7200 $(SOAK)

$(VENV)-baseline/.installed: benchmarks/baseline_requirements.txt
	test -x $(VENV)-baseline/bin/pip || $(PYTHON) -m venv --clear $(VENV)-baseline
	$(VENV)-baseline/bin/python -m pip install --quiet "torch==2.13.0"
	$(VENV)-baseline/bin/python -m pip install --quiet -r benchmarks/baseline_requirements.txt
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-baseline build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
