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

.PHONY: demo test test-fast docs bench chaos fuzz signals clean system-libraries

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
	@echo "  $(CURDIR)/$(DEMO)/prepared/report/index.html"

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
