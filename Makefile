# Every target sets up what it needs: a .venv with the toolkit and its tools in it.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.PHONY: help demo test lint bench peers soak words clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## run a Task service and drive a process through its life
	@$(BIN)/python examples/demo.py

test: $(READY_DEV)  ## run the tests; INTEROP=required fails where a real peer is missing
	$(BIN)/pytest $(ARGS)

lint: $(READY_DEV)  ## formatting, lint, types, layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY_DEV)  ## measure what is promised; ARGS="--json FILE" keeps the numbers
	$(BIN)/python -m tests.bench $(ARGS)

peers: $(READY_DEV)  ## build the real peers (Go, Rust, runc shims, containerd) into a cache
	$(BIN)/python -m tests.interop.peers $(ARGS)

soak: $(READY_DEV)  ## 200,000 mixed calls per flavour, and nothing left of them
	$(BIN)/python -m tests.soak $(ARGS)

words: $(READY)  ## print the vendored files again, with what vendor/docs says by now
	@export XDG_DATA_HOME=/nowhere; \
	for name in $$($(BIN)/ttrpc releases | tail -n +2 | cut -d' ' -f1); do \
	    $(BIN)/ttrpc vendor sync --vendor vendor --from "$$name" "$$name" || exit 1; \
	done

clean:  ## remove the environment and what the tools leave behind
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The toolkit alone is enough for the demo. The first interpreter that is new enough and can make an
# environment is taken.
$(READY): pyproject.toml
	@for python in "$${PYTHON:-python3}" python3.13 python3.12 python3.11; do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo 'Python 3.11 or newer with its venv module is needed; PYTHON=... names one.' \
	        'Debian: apt-get install python3-venv' >&2; exit 1; \
	fi; \
	echo "Setting up the toolkit in $(VENV) ..." >&2; \
	"$$found" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# pip reads dependency groups since 25.1, and older environments start with an older one.
$(READY_DEV): $(READY)
	@echo "Setting up what tests and checks need in $(VENV) ..." >&2
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group test --group lint
	@touch $@
