# Everything runs in .venv, which the first target makes (Python 3.11 to 3.14, pip, and the pins of constraints.txt).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.made
ARGS ?=

# What `make pretrain` does without ARGS: a small network on the embedded images, a minute or two on a laptop.
DEMO := --dataset shapes --backbone test_byobnet --dim 256 --lr 2e-3 --epochs 12

.PHONY: help lab test test-fast lint pretrain bench sync run-notebooks handout slides site clean

help:
	@echo "make lab            open JupyterLab on notebooks/ (ARGS=... goes to jupyter lab)"
	@echo "make test           every test, the notebooks included"
	@echo "make test-fast      the quick tests, for while you edit"
	@echo "make pretrain       pretrain on the embedded images (ARGS=\"--dataset cifar100\" for the real thing)"
	@echo "make bench          speed, as ratios (ARGS=... goes to the benchmark)"
	@echo "make sync           bring the notebooks up to date with their .py files"
	@echo "make run-notebooks  execute the notebooks in place"
	@echo "make handout        what a course hands out, without solutions, in build/handout/"
	@echo "make slides         one HTML slide show per lesson, in build/slides/"
	@echo "make site           the course site with the lab, in build/site/ (ARGS=--handout: without solutions)"
	@echo "make lint           style of the Python files"
	@echo "make clean          remove what was made: .venv, build/, caches (not data/ or runs/)"

# .made holds the folder that the environment was made in: elsewhere its scripts and its rlpjepa are those of the original.
MADE_IN := $(shell cat $(ENV) 2>/dev/null)
ifneq "$(MADE_IN)" ""
ifneq "$(MADE_IN)" "$(CURDIR)"
$(info the environment was made in $(MADE_IN): it is made again here)
.PHONY: $(ENV)
CLEAR := --clear
endif
endif

$(ENV): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; sys.exit(not (3, 11) <= v < (3, 15) or v == (3, 14, 1))' || \
		{ echo "Python 3.11 to 3.14 is needed (not 3.14.1), this is $$($(PYTHON) --version): make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	$(PYTHON) -m venv $(CLEAR) $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks,test,site]'
	@printf '%s' "$(CURDIR)" > $@

lab: $(ENV)
	$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)

# Files side by side, one thread each: small tensors gain nothing from a second one.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=loadfile

test: $(ENV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) --nbval --nbval-current-env --nbval-cell-timeout=600 $(ARGS)

test-fast: $(ENV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) -m "not slow" tests $(ARGS)

lint: $(ENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

pretrain: $(ENV)
	$(BIN)/python -m rlpjepa.pretrain $(or $(ARGS),$(DEMO))

bench: $(ENV)
	$(BIN)/python -m tests.bench $(ARGS)

SERIES = $(shell $(BIN)/python docs/series.py)
EXECUTE := --execute --ExecutePreprocessor.record_timing=False

sync: $(ENV)
	$(BIN)/python docs/address.py
	$(BIN)/jupytext --to ipynb --update $(SERIES)

run-notebooks: sync
	OMP_NUM_THREADS=1 $(BIN)/jupyter nbconvert --to notebook --inplace $(EXECUTE) $(SERIES:.py=.ipynb)
	$(BIN)/jupyter nbconvert --to notebook --inplace --CoalesceStreamsPreprocessor.enabled=True $(SERIES:.py=.ipynb)

handout: $(ENV)
	$(BIN)/python docs/handout.py $(ARGS)

slides: $(ENV)
	$(BIN)/python docs/slides.py

site: $(ENV)
	$(BIN)/python docs/build.py $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find rlpjepa tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
