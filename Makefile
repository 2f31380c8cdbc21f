# The two commands are `make train` and `make test`; both set up .venv when it is not there yet.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SHAPES := data/shapes
# OpenMMLab's own releases share their import names with what is in .venv: they get a folder.
OPENMMLAB := build/openmmlab
TRAIN  := configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py
TRAIN_SEG := configs/deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py

.PHONY: help setup train train-seg test test-all test-openmmlab bench bench-gpu docs docs-serve lint format wheel clean

help:
	@echo "make train           make the 'shapes' images and train Faster R-CNN on them, from scratch"
	@echo "make train-seg       the same with DeepLabV3+: the class of each pixel"
	@echo "make test            run the tests"
	@echo "make test-all        run the long ones too"
	@echo "make test-openmmlab  run those of the MM packages on OpenMMLab's own releases"
	@echo "make bench           measure the backbones side by side, write docs/benchmarks.md"
	@echo "make bench-gpu       checks and benchmarks that need a GPU, in ten minutes"
	@echo "make docs            build the site into build/site; a dead link is an error"
	@echo "make docs-serve      show it at localhost:8000 while it is written"
	@echo "make lint            ruff and mypy"
	@echo "make wheel           build the source archive and the wheel into dist/"
	@echo "make setup           create .venv with tried versions (the others call it)"

setup: $(STAMP)

$(STAMP): requirements.txt setup.cfg setup.py
	@# What a failed set-up left behind, of a Python that is gone or another one, is made anew.
	@$(BIN)/python -c "import pip" 2>/dev/null && { test -e $@ || \
		test "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)"; } || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) (about 6 GB, a few minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@# Two OpenCV packages come along and share one folder; the one without a window system needs no libGL.
	@$(BIN)/python -m pip uninstall --quiet --yes opencv-python opencv-python-headless
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		"$$(grep '^opencv-python-headless==' requirements.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(SHAPES)/info.json: | setup
	@$(BIN)/python tools/make_shapes.py --out $(SHAPES)

train: setup $(SHAPES)/info.json
	@$(BIN)/python tools/train.py $(TRAIN)

train-seg: setup $(SHAPES)/info.json
	@$(BIN)/python tools/train.py $(TRAIN_SEG)

test: setup
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: setup
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m ""

$(OPENMMLAB)/.installed: requirements-openmmlab.txt | setup
	@echo "Installing OpenMMLab's own releases into $(OPENMMLAB) (53 MB) ..."
	@rm -rf $(OPENMMLAB)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(OPENMMLAB) -r requirements-openmmlab.txt
	@touch $@

test-openmmlab: setup $(OPENMMLAB)/.installed
	@PYTHONPATH="$(CURDIR)/$(OPENMMLAB)$${PYTHONPATH:+:$$PYTHONPATH}" \
		$(BIN)/python -m pytest -n 2 --dist worksteal tests/integration tests/openmmlab tests/commands

# Half an hour on two cores. An interrupted run goes on; BENCH="--fresh" begins anew.
bench: setup
	@$(BIN)/python benchmarks/backbones.py $(BENCH)

# Ten minutes on one GPU; BENCH="--dry-run" runs the same steps on the CPU, tiny.
bench-gpu: setup $(SHAPES)/info.json
	@$(BIN)/python benchmarks/gpu.py $(BENCH)

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

docs-serve: setup
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The wheel is built from the archive, so that this holds all that it takes.
wheel: setup
	@rm -rf build/lib build/bdist* dist
	@$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')" > /dev/null
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --wheel-dir dist dist/resblock_backbones-*.tar.gz
	@ls dist/*

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
