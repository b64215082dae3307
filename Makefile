# `make demo` and `make test` set up what they need; nothing else has to be installed but Python 3.11 with pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-compose check bench proto clean

demo: $(VENV)/.ready
	@deploy/demo.sh $(BIN)/skyrack

# What computes runs beside each other, what measures time runs alone.
test: $(VENV)/.dev-ready
ifeq ($(PYTEST),)
	$(BIN)/pytest tests/unit tests/transcripts -m 'not mesh' --numprocesses=auto
	$(BIN)/pytest tests/unit -m mesh
	$(BIN)/pytest tests/integration tests/e2e tests/recipes -m together --numprocesses=3 --dist=loadfile
	$(BIN)/pytest tests/integration tests/e2e tests/recipes -m 'not together'
else
	$(BIN)/pytest $(PYTEST)
endif

# The committed compose project on a real engine: the one that answers, else (as root) one of the tests' own.
test-compose: $(VENV)/.dev-ready
	$(BIN)/pytest tests/compose $(PYTEST)

check: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --exit-code --diff
	$(BIN)/pytest -q tests/unit/test_proto.py tests/unit/test_scenario_schema.py

bench: $(VENV)/.dev-ready
	$(BIN)/python -m tests.bench

proto: $(VENV)/.dev-ready
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --grpc_python_out=proto \
	  --mypy_out=proto --mypy_grpc_out=proto proto/skyrack/v1/*.proto

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Debian splits venv off from python3: where it is missing, virtualenv does the same.
$(VENV)/bin/pip:
	@echo "setting up $(VENV), once"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  $(PYTHON) -m pip install --quiet --user --break-system-packages virtualenv && $(PYTHON) -m virtualenv --quiet $(VENV); }
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.ready: pyproject.toml | $(VENV)/bin/pip
	@echo "installing skyrack into $(VENV)"
	@$(BIN)/pip install --quiet --editable .
	@touch $@

# Resolved together with the run-time packages: the generator wants an older protobuf than they would take alone.
$(VENV)/.dev-ready: $(VENV)/.ready
	@echo "installing the development tools into $(VENV)"
	@$(BIN)/pip install --quiet --editable . --group dev
	@touch $@
