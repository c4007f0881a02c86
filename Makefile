# `make demo` and `make test` each do all their own set-up, from the lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STORE ?= runs
PORT ?= 5000
LOCK := requirements/cpu.lock
TORCH_CPU := https://download.pytorch.org/whl/cpu
STAMP := $(VENV)/.installed-$(shell cat $(LOCK) pyproject.toml | sha256sum | cut -c1-16)
LONGEST := $(addprefix tests/,recipe rollout sweep training rl rewards)
REST := $(filter-out $(LONGEST) tests/__pycache__,$(patsubst %/,%,$(wildcard tests/*/))) $(wildcard tests/test_*.py)
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.installed-$(shell sha256sum requirements/bench.lock | cut -c1-16)

.PHONY: help setup bench-setup sandbox demo test soak check ui lock lock-debian image test-image test-stack clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) sandbox ## make .venv from the lock (a few minutes, once), install bubblewrap where it may

# Bytecode is made by all cores, which pip does by one; where the environment forbids Python to write any, each process would
# otherwise compile torch anew. A few installed files are not for this Python.
# The CPU build of torch comes from where pip is configured to look, else from PyTorch's own CPU index.
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "make: the lock is for CPython 3.11; give its name: make PYTHON=/path/to/python3.11 setup" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked requirements into $(VENV) (a few minutes, once)"
	@$(BIN)/pip install -qq --no-deps --no-compile --require-hashes -r $(LOCK) || { \
	  echo "trying again with PyTorch's CPU index"; \
	  $(BIN)/pip install -qq --no-deps --no-compile --require-hashes --extra-index-url $(TORCH_CPU) -r $(LOCK); }
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@$(BIN)/pip install -qq --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.installed-* && touch $@

bench-setup: $(BENCH_STAMP) ## make .venv-bench: verl, which the lock cannot hold, for the benchmarks

$(BENCH_STAMP):
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@echo "installing verl and the CPU build of torch into $(BENCH) (a minute, once)"
	@$(BENCH)/bin/pip install -qq --no-deps --require-hashes -r requirements/bench.lock || { \
	  echo "trying again with PyTorch's CPU index"; \
	  $(BENCH)/bin/pip install -qq --no-deps --require-hashes --extra-index-url $(TORCH_CPU) -r requirements/bench.lock; }
	@rm -f $(BENCH)/.installed-* && touch $@

# Responses that are code are judged inside bubblewrap. Installing it needs root, or sudo that asks nothing.
sandbox:
	@command -v bwrap >/dev/null && exit 0; \
	as_root=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
	  echo "installing bubblewrap, the sandbox of code rewards"; \
	  { $$as_root apt-get update -qq && $$as_root apt-get install -y -qq --no-install-recommends bubblewrap; } >/dev/null 2>&1; \
	fi; \
	command -v bwrap >/dev/null || \
	  echo "make: bubblewrap is missing, so runs with code will refuse to start: install it, e.g. sudo apt-get install bubblewrap" >&2

demo: setup ## the whole recipe on this machine's CPU: experiment=ring_tiny
	@$(BIN)/ringexp experiment=ring_tiny

# Two processes; the longest files first. Each folder is named: of "tests/recipe tests" pytest keeps "tests" alone.
test: setup check ## all checks and tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15 $(LONGEST) $(REST)

soak: setup ## the long tests: kills, faults, each benchmark once (hours)
	@$(BIN)/python -m pytest -m soak tests

check: setup ## ruff, mypy, import-linter
	@$(BIN)/ruff check src tests benchmarks analysis
	@$(BIN)/mypy && $(BIN)/mypy benchmarks && $(BIN)/mypy analysis
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

ui: setup ## the MLflow UI on this machine's loopback (STORE=runs PORT=5000)
	@$(BIN)/python -m ringexp.tracking.ui "$(STORE)" "$(PORT)"

lock: setup ## resolve the requirements anew
	@$(BIN)/uv pip compile pyproject.toml --extra cpu --extra server --extra dev --override requirements/overrides-cpu.txt \
	  --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet \
	  $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--extra-index-url $(TORCH_CPU) --index-strategy unsafe-best-match) \
	  -o $(LOCK)
	@$(BIN)/uv pip compile pyproject.toml --extra gpu --extra server --extra dev --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --quiet -o requirements/gpu.lock

lock-debian: ## lock the image's Debian packages anew (root, debootstrap)
	@sh docker/lock-debian.sh

image: ## build the container image of this checkout (TARGET=cpu|gpu ENGINE=docker|podman|buildah)
	@TARGET=$(or $(TARGET),cpu) ENGINE=$(or $(ENGINE),docker) sh docker/build.sh

test-image: setup ## build the image without an engine and run the pipeline in it (root, buildah, debootstrap)
	@$(BIN)/python -m pytest -m docker tests/docker/test_image.py

test-stack: setup ## compose.yaml's services as processes: pipeline, sweep, a killed server (PostgreSQL)
	@$(BIN)/python -m pytest -m docker tests/docker/test_stack.py

clean: ## remove the environment (runs/ stays)
	rm -rf $(VENV)
