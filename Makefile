# make demo | test | test-slow | check | sanitize | emulate | format | bench | docs     the same for people and CI
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Small networks gain nothing from several threads in torch's own loops, and tests run side by side.
ONE_THREAD := OMP_NUM_THREADS=1

.PHONY: demo test test-slow check sanitize emulate format bench docs clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The package with what its users need at run time.
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*.* native/cells/*.*)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[all,test]'
	@touch $@

demo: $(VENV)/.installed
	@rm -rf demo
	$(BIN)/sequela example blood-pressure demo/blood-pressure
	$(BIN)/sequela run demo/blood-pressure/study.toml --out demo/run

test: $(VENV)/.installed-test
	$(ONE_THREAD) $(BIN)/pytest -q -n auto

test-slow: $(VENV)/.installed-test
	$(ONE_THREAD) $(BIN)/pytest -q -n auto -m slow

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The native core without Python: under the sanitizers, and as older processors would run it (Debian's qemu-user).
sanitize emulate:
	$(MAKE) -f native/sanitize.mk $@

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/reading.py
	$(BIN)/python benchmarks/cells.py
	$(BIN)/python benchmarks/preparation.py

docs: $(VENV)/.installed-test
	$(ONE_THREAD) $(BIN)/pytest -q tests/docs

clean:
	rm -rf $(VENV) build demo
