# Huice's chores; `make` alone lists them. PYTHON picks the interpreter that .venv is built with.
PYTHON ?= python3
VENV   ?= .venv
UV     ?= uv

# The two backtests that the README shows, both on the embedded synthetic market: one that trains a network, walk-forward,
# and one that needs no torch.
DEMO     = scripts/backtest.py --universe csi500 --strategy top-n --signal lstm-residual-value --hold 50 --benchmark 000905 --start 2012-01-01 --jobs 2
BACKTEST = scripts/backtest.py --universe csi500 --strategy top-n --signal reversal-20d --hold 50 --rebalance 1M --benchmark 000905

# What `make test-akshare` runs: these skip where AKShare is not installed.
AKSHARE_TESTS = tests/feeds/test_akshare_contract.py tests/feeds/test_akshare_routes.py

BIN    := $(VENV)/bin
PYTAG  := $(shell $(PYTHON) -c 'import sys; print("py%d%d" % sys.version_info[:2])' 2>/dev/null)
COMPILE = $(UV) pip compile pyproject.toml $(LOCK_FLAGS) --quiet --group build --python-platform linux \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help

.PHONY: help demo backtest test test-slow test-akshare lint bench wheel lock clean
.DELETE_ON_ERROR:

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.torch-$(PYTAG)  ## install Huice and torch, train an LSTM over nine synthetic years, print the table and the tearsheet's path
	$(BIN)/python $(DEMO)

backtest: $(VENV)/.core-$(PYTAG)  ## install Huice without torch, run ten synthetic years, print the table and the tearsheet's path
	$(BIN)/python $(BACKTEST)

test: $(VENV)/.test-$(PYTAG) $(VENV)/.torch-$(PYTAG)  ## install the test tools and torch, run the tests on every core
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(VENV)/.test-$(PYTAG) $(VENV)/.torch-$(PYTAG)  ## run every test, the slow ones too (a fresh environment is built: an hour)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "slow or not slow"

test-akshare: $(VENV)/.akshare-$(PYTAG)  ## add AKShare to the test environment and test the feed against it (no network)
	$(BIN)/python -m pytest -m "slow or not slow" $(AKSHARE_TESTS)

lint: $(VENV)/.test-$(PYTAG)  ## check style (ruff) and types (mypy)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

bench: $(VENV)/.core-$(PYTAG)  ## time our broker and plain Backtrader on the same job
	$(BIN)/python scripts/bench.py

wheel: $(VENV)/.core-$(PYTAG)  ## build the wheel into dist/
	rm -rf build
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf build

lock:  ## resolve the locks again (needs uv; pins that still fit stay, LOCK_FLAGS=--upgrade renews them)
	@for v in 3.11 3.12 3.13; do t=py$$(echo $$v | tr -d .); \
	  $(COMPILE) --python-version $$v -o locks/core-$$t.txt >/dev/null && \
	  $(COMPILE) --python-version $$v -c locks/core-$$t.txt --extra test -o locks/test-$$t.txt >/dev/null || exit 1; \
	done
	@for e in akshare optimise ray dask; do \
	  $(COMPILE) --python-version 3.11 -c locks/core-py311.txt --extra $$e -o locks/$$e-py311.txt >/dev/null || exit 1; \
	done
	@# The CPU build's version carries a local tag that no other index knows, and the other build some
	@# twenty GPU packages that a CPU user must not get.
	@for v in 3.11 3.12 3.13; do t=py$$(echo $$v | tr -d .); \
	  $(COMPILE) --python-version $$v -c locks/test-$$t.txt --extra torch -o locks/torch-$$t.txt >/dev/null || exit 1; \
	  { echo '# On a machine without a GPU first install the CPU build: pip install torch==2.13.0 from the CPU'; \
	    echo '# index that the PyTorch project names. GPU packages are left out: torch brings its own.'; \
	    grep -vE '^(#|nvidia-|cuda-|triton)' locks/torch-$$t.txt | sed 's/^\(torch==[0-9.]*\)+[a-z0-9]*/\1/'; \
	  } > locks/torch.tmp && mv locks/torch.tmp locks/torch-$$t.txt || exit 1; \
	done

clean:  ## remove .venv, build results and caches (runs/ and .huice/ stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# One stamp per interpreter: another PYTHON builds .venv anew, the same one installs nothing twice.
$(VENV)/.venv-$(PYTAG):
	@case "$(PYTAG)" in py311|py312|py313) ;; *) \
	  echo "error: '$(PYTHON)' is not Python 3.11, 3.12 or 3.13; name one, e.g. make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
	  exit 2;; esac
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.core-$(PYTAG) $(VENV)/.test-$(PYTAG) $(VENV)/.torch-$(PYTAG): $(VENV)/.%-$(PYTAG): $(VENV)/.venv-$(PYTAG) locks/%-$(PYTAG).txt pyproject.toml
	$(PIP) install -r locks/$*-$(PYTAG).txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# AKShare's lock is of Python 3.11; it holds the pins of core, so the test tools stay as they are.
$(VENV)/.akshare-$(PYTAG): $(VENV)/.test-$(PYTAG) locks/akshare-py311.txt
	@[ "$(PYTAG)" = py311 ] || { echo "error: AKShare is locked for Python 3.11; make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PIP) install -r locks/akshare-py311.txt
	@touch $@
