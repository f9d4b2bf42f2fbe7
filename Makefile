# The verbs of this project: make demo | test | bench | docs | lint | fuzz.
# Each sets up .venv by itself the first time; choose the interpreter with make PYTHON=python3.12 ...

PYTHON ?= python3
BIN := .venv/bin
# Modules are compiled when they are first imported; compiling all of PyTorch takes longer than most tests.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
DIGITS := examples/digits

FUZZ_SECONDS ?= 60

.PHONY: demo test bench docs lint fuzz

demo: .venv/package
	mkdir -p build
	rm -f build/digits.int8.onnx build/digits.html
	$(BIN)/octavo quantize $(DIGITS)/digits.onnx --calibration $(DIGITS)/calib.npz \
		--evaluate $(DIGITS)/eval.npz --target auto --report build/digits.html -o build/digits.int8.onnx

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

bench: .venv/dev
	mkdir -p build
	$(BIN)/python -m benchmarks.accuracy --json build/accuracy.json
	$(BIN)/python -m benchmarks.latency --json build/latency.json
	$(BIN)/python -m benchmarks.quantizers --json build/quantizers.json
	$(BIN)/python -m benchmarks.quantize_time --json build/quantize_time.json
	$(BIN)/python -m benchmarks.calibration_pass --json build/calibration_pass.json
	$(BIN)/python -m benchmarks.gemm --json build/gemm.json
	$(BIN)/python -m benchmarks.gemm 1024,1024,1024 --isa avx2 --json build/gemm_avx2.json
	$(BIN)/python -m benchmarks.bandwidth --json build/bandwidth.json
	$(BIN)/python -m benchmarks.training dscnn_kws --json build/training.json
	$(BIN)/python -m benchmarks.report_time --json build/report_time.json

docs: .venv/dev
	$(BIN)/python -m mkdocs build --strict

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	find native -name '*.h' -o -name '*.cc' | xargs $(BIN)/clang-format --dry-run --Werror

# Fuzzes the runtime with malformed bundles for FUZZ_SECONDS; needs clang++ and its runtime. The inputs kept in
# build/fuzz/found are the start of the next run; what crashes is written to build/fuzz.
fuzz: .venv/dev
	mkdir -p build/fuzz/found
	$(BIN)/python -m tests.helpers.native_corpus build/fuzz/corpus
	$$($(BIN)/python -m tests.helpers.native_build sanitized octavo_fuzz) \
		-max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=20 -rss_limit_mb=2000 \
		-print_final_stats=1 -print_funcs=0 -verbosity=0 -artifact_prefix=build/fuzz/ build/fuzz/found build/fuzz/corpus

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit("Octavo needs Python 3.11 or newer: make PYTHON=/path/to/it" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	touch $@

NATIVE := $(shell find native -type f)

.venv/package: pyproject.toml $(NATIVE) | .venv/python
	$(PIP) --editable '.[report]'
	touch $@

# torch goes first and alone, exactly pinned: resolved among other ranges, pip may fetch a CUDA build.
.venv/dev: pyproject.toml $(NATIVE) | .venv/python
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[dev,docs]'
	touch $@ .venv/package
