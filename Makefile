# Each target sets up its own virtual environment from nothing; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test lint docs results benchmarks clean

demo: $(READY)
	$(RUN)/untrimmed demo demo

test: $(READY)
	$(RUN)/python -m pytest -n 2 --dist loadgroup

lint: $(READY)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

docs: $(READY)
	$(RUN)/pip install -q -c constraints.txt -e '.[docs]'
	$(RUN)/mkdocs build --strict

results: $(READY)
	$(RUN)/untrimmed results runs/results --document docs/results.md

benchmarks: $(READY)
	$(RUN)/python -m benchmarks

clean:
	rm -rf $(VENV) site

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install -q --upgrade pip
	$(RUN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $(READY)
