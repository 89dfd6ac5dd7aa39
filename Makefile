# Pixel Push. In a fresh clone, each of these does its own set-up first; a second call does not repeat it.

.PHONY: help setup train test lint

help:
	@echo "make train   train the default preset, evaluate it and film it;  ARGS='reach --seed 1' goes to train.py"
	@echo "make test    check style and types, then run all tests;         ARGS='tests/replay -x' goes to pytest, alone"
	@echo "make lint    only check style and types: ruff, mypy"
	@echo "make setup   only build .venv from requirements.lock"

setup:
	@sh scripts/setup.sh

train: setup
	.venv/bin/python train.py $(ARGS)

# Who names tests wants only those, and at once.
test: setup $(if $(ARGS),,lint)
	.venv/bin/python -m pytest $(ARGS)

lint: setup
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy
