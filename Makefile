# Three commands on a fresh machine: `make live`, `make demo` and `make test`. Each sets up what is missing first.

# 3.11 to 3.13 have wheels of every package; a newer one is taken where there is nothing else.
PYTHON ?= $(shell for below in 14 99; do for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, $$below))" 2>/dev/null && { echo $$name; exit; }; done; done)
RUN := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup live demo test clean

help:  ## these lines
	@sed -n 's/^\([a-z]*\):.*##/make \1\t/p' Makefile | expand -t 14

setup:  ## virtual environment, packages, system libraries, the detector's model file
	@if [ -z "$(PYTHON)" ]; then echo 'set-up: no Python 3.11 or newer was found: install one, or give it as PYTHON=/path/to/python' >&2; exit 2; fi
	@$(PYTHON) setup/environment.py

live: setup  ## the window: a camera, or a video (ARGS="--source clip.mp4")
	@$(RUN) main.py live $(ARGS)

demo: setup  ## the main job on the bundled clip (ARGS="--help" lists its options)
	@$(RUN) main.py demo $(ARGS)

test: setup  ## all tests (ARGS="-k crop" picks some)
	@$(RUN) -m pytest $(ARGS)

clean:  ## remove what make and the tests made, .venv included
	rm -rf .venv out .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
