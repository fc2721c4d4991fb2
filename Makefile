PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
MODEL ?= phrases-mini
TASK ?= $(if $(DATA),sst2,phrases)
EPSILON ?= 0.01
PROCESSES ?= auto
WORKLOAD = --model "$(MODEL)" --task "$(TASK)" --epsilon $(EPSILON) $(if $(DATA),--data "$(DATA)")

.PHONY: install demo test lint types bench bench-search bench-large bench-together bench-service clean

install: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch numpy
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/optimize --model phrases-mini --task phrases --epsilon 0.01 --trials 60 --seed 0 \
		--storage sqlite:///$(DEMO)/studies.sqlite --cache-dir $(DEMO)/cache --output $(DEMO)/report.html

bench: $(READY)
	$(BIN)/python -m benchmarks.study $(WORKLOAD)

bench-search: $(READY)
	$(BIN)/python -m benchmarks.strategies $(WORKLOAD)

bench-large: $(READY)
	$(BIN)/python -m benchmarks.large $(WORKLOAD)

bench-together: $(READY)
	$(BIN)/python -m benchmarks.together $(WORKLOAD)

bench-service: $(READY)
	$(BIN)/python -m benchmarks.service
	$(BIN)/python -m benchmarks.listeners
	$(BIN)/python -m benchmarks.beside

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy --num-workers auto

test: lint types
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
