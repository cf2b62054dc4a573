# make search   set everything up and find the best learning rate of the course's fit
# make test     set everything up and run the tests
# make test-long  tests that take a minute or so each, and all commands of the documents
# make test-extras  tests that need a browser (Chromium), trackers or TensorFlow
# make check    format, lint and types
# make benchmark  shoal against its peers, plain loops and the machine: benchmarks/results/
# make soak     strike searches for half an hour, and prove that nothing came of it
# make fuzz     random problems for half an hour: kernels against torch, and with sanitizers
# make cluster  a shell on the login host of a real SLURM of three hosts, on this machine (as root)
# make pictures  the pictures of docs/, by the browser
# make clean    remove what these made (runs/ stays)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)

# Four processes, since two wait for SLURM most of their time. One that dies ends the run, which names
# its test: pytest-xdist would go on without it and may wait for its last tests for ever.
PROCESSES := --numprocesses 4 --no-loadscope-reorder --max-worker-restart 0

.PHONY: search test test-long test-extras check benchmark soak fuzz cluster pictures clean

search: $(VENV)/installed
	$(BIN)/shoal run

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(PROCESSES)

test-long: $(VENV)/installed-extras
	$(BIN)/python -m pytest -m 'long and not extras' $(PROCESSES)

test-extras: $(VENV)/installed-extras
	$(BIN)/python -m pytest -m extras $(PROCESSES)

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

benchmark: $(VENV)/installed-dev
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/fits.py

soak: $(VENV)/installed-dev
	$(BIN)/python tests/faults/campaign.py all --minutes 30

fuzz: $(VENV)/installed-dev
	$(BIN)/python tests/fuzzing/campaign.py --minutes 30

cluster: $(VENV)/installed-dev
	$(BIN)/python tests/cluster/three_hosts.py

pictures: $(VENV)/installed-dev
	$(BIN)/python tests/extras/pictures.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'shoal needs Python 3.11 or later; name one, as in: make PYTHON=python3.12' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/pip pyproject.toml $(CONSTRAINTS)
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-extras: $(VENV)/installed-dev
	$(PIP) --editable '.[extras]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	@touch $@
