# `make demo` and `make test` are all that a newcomer needs; both make .venv from the lock file first.
PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
SCALE_VENV := .venv-scale
DOCS_VENV := .venv-docs
BIN := $(VENV)/bin
CODE := vs_st_pipeline vs_st_pipeline_tests scripts benchmarks proof deploy docs/conf.py setup.py

export DAGSTER_HOME ?= $(CURDIR)
# Where Python may not keep what it has compiled, each of hundreds of processes that tests start compiles all of it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check code docs ui pictures bench proof scale lock clean

demo: $(VENV)/ready
	@$(BIN)/vs-st demo

# While types are checked, the other core compiles the tests, once (else each worker would do it for itself), and builds the
# site. A worker that is done takes from the others: the longest stories stand last.
test: $(VENV)/ready
	@($(BIN)/pytest --collect-only -qq > /dev/null 2>&1; $(MAKE) --no-print-directory docs) & beside=$$!; \
	$(MAKE) --no-print-directory code; ended=$$?; wait $$beside && exit $$ended
	$(BIN)/pytest -n 3 --dist worksteal

check: code docs

code: $(VENV)/ready
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/lint-imports
	$(BIN)/mypy

# The site of README and docs, with search, for a browser without a network: build/site/index.html. A warning is an error.
docs: $(DOCS_VENV)/ready
	@$(DOCS_VENV)/bin/python scripts/site.py

ui: $(VENV)/ready
	@$(BIN)/python scripts/ui.py

# docs/pictures, taken from what `make ui` shows; needs Debian's chromium.
pictures: $(VENV)/ready
	@$(BIN)/python scripts/screenshots.py

# Fails where a bar of benchmarks/bars.py is missed: QUICK=1 takes half an hour, BENCHES="landing tick" are those alone.
bench: $(VENV)/ready $(BENCH_VENV)/ready
	$(BIN)/python -m benchmarks --bars $(if $(QUICK),--quick) $(BENCHES)

# Goes on where it was: SHARE=1/4, MINUTES=9, PROOFS="kills machine"; `.venv/bin/python -m proof --report` adds all up.
proof: $(VENV)/ready $(SCALE_VENV)/ready
	$(BIN)/python -m proof $(if $(SHARE),--share $(SHARE)) $(if $(MINUTES),--minutes $(MINUTES)) $(PROOFS)

scale: $(SCALE_VENV)/ready

# Wheels with the hashes of the lock file, nothing else: no package gets to run a build on this machine but our own.
$(VENV)/ready: requirements.lock setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The peer that `make bench` measures against lives by itself.
$(BENCH_VENV)/ready: benchmarks/requirements.lock
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes --only-binary :all: --no-deps -r $<
	@touch $@

# What builds the site has nothing in common with what runs; the pip of the first one fills it, which saves seconds.
$(DOCS_VENV)/ready: docs/requirements.lock | $(VENV)/ready
	$(PYTHON) -m venv --without-pip $(DOCS_VENV)
	$(BIN)/python -m pip --python $(DOCS_VENV)/bin/python install --quiet --no-compile --require-hashes --only-binary :all: --no-deps -r $<
	@touch $@

# What several boxes need besides (docs/scale.md), and this project with it.
$(SCALE_VENV)/ready: deploy/requirements.lock setup.py
	$(PYTHON) -m venv $(SCALE_VENV)
	$(SCALE_VENV)/bin/python -m pip install --quiet --require-hashes --only-binary :all: --no-deps -r $<
	$(SCALE_VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Needs `uv`; writes exact versions for every platform and Python from 3.11 on.
lock:
	$(PYTHON) scripts/lock.py

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(SCALE_VENV) $(DOCS_VENV) build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
