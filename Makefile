# Everyday commands; CONTRIBUTING.md explains them, .ci/run runs them all.

PYTHON ?= python
PYTEST ?= $(PYTHON) -m pytest
C_FILES = $(shell find csrc tests/c benchmarks -name '*.[ch]')
WINE ?= $(or $(wildcard /usr/lib/wine/wine64),wine)
WINDOWS_GOAL ?= check-quick
SITE = build/site
CORE = $(shell $(PYTHON) -c "from pylstm import _core; print(_core.__file__)")

.PHONY: help build test test-levels test-torch c-test c-test-neon c-test-windows c-test-wasm \
	c-test-clang-cl c-bench fuzz sanitize lint typecheck format docs size symbols bench \
	sequences instructions accuracy wheel wheel-aarch64 sdist coverage analyze growth clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 20

build: ## build the extension in place
	$(PYTHON) setup.py build_ext --inplace

test: build ## the suite at the best instruction set
	$(PYTEST)

test-levels: build ## the suite once per instruction set that this machine can run
	@for level in $$($(PYTHON) -c "from pylstm import _core; \
	    print(*[name for name, (_, runs) in _core.simd_levels().items() if runs])"); do \
	    echo "== PYLSTM_SIMD=$$level"; PYLSTM_SIMD=$$level $(PYTEST) || exit 1; \
	done

test-torch: build ## the comparison with a live torch 2.13
	$(PYTEST) tests/torch

c-test: ## every kernel against the portable one, without Python
	$(MAKE) -C tests/c check

c-test-neon: ## the same for NEON, cross-compiled and emulated
	$(MAKE) -C tests/c CC=aarch64-linux-gnu-gcc LDFLAGS=-static RUN=qemu-aarch64 \
	    BUILD=build-neon CPPFLAGS=-DCAN_FORK=0 check-quick

# The assembler's option is for gcc alone, which does not align the stack there as AVX wants it.
c-test-windows: ## the same as Windows programs: MinGW-w64 and Wine
	$(MAKE) -C tests/c CC=x86_64-w64-mingw32-gcc EXE=.exe BUILD=build-windows RUN="$(WINE)" \
	    CPPFLAGS=-D__USE_MINGW_ANSI_STDIO=1 LDFLAGS=-static PTHREAD= FMA_CFLAGS=-mfma \
	    CFLAGS="-O3 -Werror -Wno-float-conversion -Wa,-muse-unaligned-vector-move" $(WINDOWS_GOAL)

c-test-clang-cl: ## the kernels and most of the core with the compiler of Windows builds
	$(MAKE) -C tests/c BUILD=build-clang-cl compile-clang-cl

c-test-wasm: ## the same as WebAssembly, which has the portable kernels alone (clang, wasmtime)
	$(MAKE) -C tests/c CC="clang --target=wasm32-wasi --sysroot=/usr" EXE=.wasm BUILD=build-wasm \
	    RUN="$(PYTHON) run_wasi.py" CFLAGS="-O3 -Werror" \
	    LDFLAGS="-Wl,--stack-first,-z,stack-size=8388608" check-threadless

c-bench: ## time the kernels: fraction of a pure FMA loop
	$(MAKE) -C tests/c bench

fuzz: ## coverage-guided fuzzing of the readers of weight files, a minute per format (atheris)
	@formats=$$($(PYTHON) tests/hostile/fuzz.py --formats) || exit 1; for format in $$formats; do \
	    echo "== $$format"; $(PYTHON) tests/hostile/fuzz.py $$format 60 || exit 1; \
	done

sanitize: ## the suite under AddressSanitizer and UndefinedBehaviorSanitizer, in a copy
	bash .ci/run --step sanitize

lint: ## ruff, clang-format, cppcheck and the project rules
	ruff check .
	ruff format --check .
	clang-format --dry-run --Werror $(C_FILES)
	$(PYTEST) -q tests/test_project_rules.py

typecheck: ## mypy, and the stub against the extension
	mypy
	$(PYTHON) -m mypy.stubtest pylstm._core

format: ## format C and Python
	ruff format .
	ruff check --fix .
	clang-format -i $(C_FILES)

docs: ## the site, in build/site (pip install -e '.[docs]'); a warning is an error
	$(PYTHON) -m sphinx -q -W --keep-going -c docs -d $(SITE)-trees . $(SITE)
	@echo $(SITE)/index.html

size: ## bytes of each instruction set, size of the wheel, time and memory of the import, beside budgets
	rm -rf build/wheel
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	@$(MAKE) -s -C tests/c CFLAGS=-O3 BUILD=build-size size
	$(PYTHON) -m benchmarks.footprint build/wheel/*.whl
	$(PYTHON) -X importtime -c "import numpy; import pylstm" 2>&1 | grep -E 'cumulative|pylstm'

symbols: ## the symbols that the extension exports: PyInit__core alone
	nm -D --defined-only $(CORE)

bench: ## pylstm beside torch, onnxruntime, OpenVINO and NumPy
	$(PYTHON) -m benchmarks.peers

sequences: ## budgets of lengths, reset, trace, out and streams
	$(PYTHON) -m benchmarks.sequences

instructions: ## instructions of fixed workloads against the recorded numbers (valgrind)
	$(PYTHON) -m benchmarks.instructions

accuracy: ## rounding error beside torch's
	$(PYTHON) tests/accuracy.py

wheel: ## the abi3 wheel for this Linux: built, audited, installed, tried; into dist
	bash .ci/wheels native dist

wheel-aarch64: ## the same cross-compiled and emulated (Debian, qemu-user)
	bash .ci/wheels aarch64 dist

sdist: ## the source distribution
	$(PYTHON) setup.py --quiet sdist

coverage: ## lines and branches of csrc/ that the suite runs, at every level, in a copy
	bash .ci/run --step coverage

analyze: ## what the static analyzers of gcc and clang find in csrc/
	bash .ci/run --step analyze

growth: ## what a million small calls and ten thousand constructions leave behind
	$(PYTHON) tests/growth.py

clean: ## remove what the other targets made
	rm -rf build dist *.egg-info pylstm/*.so tests/c/build*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
