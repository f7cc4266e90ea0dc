# One command each. What a command needs it sets up by itself, in virtual environments inside this folder.
#
#   make build   build the package and install it into $(VENV)
#   make test    everything that must pass: lint, types and the test suite
#   make pytest  the test suite alone, on both cores; ARGS='-k resize' goes to pytest, CORES=native takes one
#   make test-numpy       NumPy's own test suite with LockedArrays in it; ARGS='multiarray -k sort' chooses
#   make test-numpy-fast  a few of its modules, which make test runs, too
#   make coverage-numpy   what of NumPy is covered, into docs/coverage.md
#   make fuzz SECONDS=600 random programs on LockedArrays and plain arrays side by side, on both cores
#   make test-processes   arrays between processes: the tests, and thousands of processes that are killed; KILLS=20000 for more
#   make test-distributed arrays between machines: the tests, whose owners are killed and stopped, and histories of operations; HISTORIES=3000 for more
#   make stress           random histories, NumPy's failures, Ctrl-C at each bytecode, memory that runs out, faults put into the code: ten minutes
#   make soak SECONDS=600 everything at once, on 4 to 64 threads and 4 processes, on each core
#   make mutants          some forty faults of one line, each put into a copy of the code, which the tests must catch
#   make test-neighbours  pandas, SciPy, Dask, numba and the others that docs/works-with.md tells of
#   make test-matrix      the test suite on each supported NumPy and each Python that is there; ARGS='-l' lists them
#   make lint    ruff: rules and format          make format  let ruff mend both
#   make types   mypy and stubtest
#   make docs    the documentation, into docs/_build/html
#   make pictures  draw the pictures of the documentation again
#   make bench   benchmarks          make bench-survey  what hundreds of ordinary operations cost, at 10 elements and at a million
#   make bench-processes  arrays between processes beside what people use instead; ARGS='--install' tries packages, too
#   make bench-distributed  arrays between machines beside Dask's actors, and its Lock with an array; ARGS='--rounds 5' is quicker
#   make asan    the test suite on a native core with AddressSanitizer and UndefinedBehaviorSanitizer, its invariants checked
#   make tsan    tests beside threads with ThreadSanitizer, on TSAN_PYTHON=...: a free-threaded Python that has it, too
#   make test-debug       leaks and the unit tests on a debug build of Python, python3-dbg or DEBUG_PYTHON=...
#   make test-c  the lock in C alone, under ThreadSanitizer and AddressSanitizer, too
#   make dist    the sdist and the wheel of a release, into dist/, and a try of each in a clean environment
#   make demo    install the package as a user would, and run the examples
#   make clean   remove all that the above made
#
# Another interpreter, or other versions of the dependencies, want an environment of their own:
#   make pytest PYTHON=python3.13 VENV=.venv-3.13 EXTRAS=test
# And so does an installation without the native core:
#   make pytest VENV=.venv-portable NATIVE=disabled CORES=portable

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test,test-distributed,lint,types,docs
ARGS ?=
NATIVE ?= enabled
CORES ?= native portable
DEBUG_PYTHON ?= python3-dbg
TSAN_PYTHON ?=
SETUP ?=
SECONDS ?= 60
KILLS ?= 4000
HISTORIES ?= 60

# The folders are prerequisites too: they change when a file is removed.
SOURCES := $(shell find lockedarray typings \( -name __pycache__ -o -name '.*' \) -prune -o -print) \
           pyproject.toml meson.build meson.options Makefile

# -P (and its variable, for what tests start): the current folder is not searched for modules, so that
# `lockedarray` is always the installed package and never the source tree.
RUN := PYTHONSAFEPATH=1 $(VENV)/bin/python -P

.PHONY: build test test-c test-numpy test-numpy-fast coverage-numpy fuzz test-processes test-distributed stress soak mutants test-neighbours \
        test-matrix test-debug asan tsan pytest lint format types docs bench bench-survey bench-processes bench-distributed pictures dist demo clean
.DELETE_ON_ERROR:

build: $(VENV)/.installed

test: lint types pytest

# The types are the same on each core, and `make types` looks at them.
pytest: $(VENV)/.installed
	set -e; for core in $(CORES); do LOCKEDARRAY_BACKEND=$$core $(RUN) -m pytest $(or $(ARGS),--ignore=tests/typing); done

# LOCKEDARRAY_BACKEND chooses the core, as everywhere.
test-numpy: $(VENV)/.installed
	PYTHONPATH=tests $(RUN) -m numpy_compat $(ARGS)

test-numpy-fast: $(VENV)/.installed
	PYTHONPATH=tests $(RUN) -m numpy_compat --fast $(ARGS)

coverage-numpy: $(VENV)/.installed
	PYTHONPATH=tests $(RUN) -m numpy_compat.coverage $(ARGS)

# What differs is printed as a program; ARGS='--seed 7' plays the same ones again.
fuzz: $(VENV)/.installed
	for core in $(CORES); do LOCKEDARRAY_BACKEND=$$core PYTHONPATH=tests \
	  $(RUN) -m fuzz --seconds $(SECONDS) --last .fuzz-last.py $(ARGS) || failed=1; done; exit $$failed

# What fails is told with its seed; ARGS='--seed 7 --kills 100' plays the same one again.
test-processes: $(VENV)/.installed
	set -e; for core in $(CORES); do LOCKEDARRAY_BACKEND=$$core $(RUN) -m pytest -q tests/processes; \
	  LOCKEDARRAY_BACKEND=$$core PYTHONPATH=tests $(RUN) -m kills --kills $(KILLS) $(ARGS); done

test-distributed: $(VENV)/.installed
	set -e; for core in $(CORES); do LOCKEDARRAY_BACKEND=$$core LOCKEDARRAY_HISTORIES=$(HISTORIES) \
	  $(RUN) -m pytest -q tests/distributed $(ARGS); done

# ARGS='--share 10' takes ten times as long. Each part is a program of its own, with options: `-m stress.histories`,
# `stress.failures` (which shows what becomes of the same programs on ndarrays), `stress.faults`, `stress.memory_errors`.
stress: $(VENV)/.installed
	PYTHONPATH=tests $(RUN) -m stress --cores $(CORES) $(ARGS)

# The last line tells how it went; ARGS='--seed 7 --threads 64' has each thread choose the same again.
soak: $(VENV)/.installed
	for core in $(CORES); do LOCKEDARRAY_BACKEND=$$core PYTHONPATH=tests \
	  $(RUN) -m stress.soak --seconds $(SECONDS) $(ARGS) || failed=1; done; exit $$failed

mutants: $(VENV)/.installed
	PYTHONPATH=tests $(RUN) -m mutants $(ARGS)

test-c:
	$(MAKE) -C tests/c headers test tsan asan

# What the sanitizers find ends the process, and is told at the end, of other processes, too. Python's own allocator
# would hide from them what it gives out; and one that cannot give as much is to say so, as malloc does.
# What matplotlib's modules throw needs the library of C++ from the start.
# Left out are tests/typing, which runs no C, tests/test_packaging.py, which runs pip and compilers, and C's own tests:
# `make test-c` has the sanitizers, too; and those of greenlets, which copy stacks with all that lies between variables.
# So are leaks: CPython keeps much until the end, and the sanitizer what has been freed.
asan: .venv-asan/.installed
	rm -rf .venv-asan/reports && mkdir .venv-asan/reports
	failed=0; LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" PYTHONMALLOC=malloc \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$(CURDIR)/.venv-asan/reports/report \
	  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:log_path=$(CURDIR)/.venv-asan/reports/report \
	  LOCKEDARRAY_PATIENCE=10 LOCKEDARRAY_BACKEND=native PYTHONSAFEPATH=1 \
	  .venv-asan/bin/python -P -m pytest --capture=sys -o timeout=1200 -o faulthandler_timeout=6000 \
	  $(or $(ARGS),-q tests --ignore=tests/typing --ignore=tests/test_packaging.py --ignore=tests/test_leaks.py --ignore=tests/concurrency/test_greenlets.py) || failed=1; \
	  cat .venv-asan/reports/* 2>/dev/null | grep -v 'WARNING: AddressSanitizer failed to allocate' && failed=1; exit $$failed

# What is reported of CPython and NumPy is counted, and what is ours is an error: tests/tsan.
tsan: .venv-tsan/.installed
	rm -rf .venv-tsan/reports && mkdir .venv-tsan/reports
	TSAN_OPTIONS=halt_on_error=0:exitcode=0:history_size=7:log_path=$(CURDIR)/.venv-tsan/reports/report \
	  LOCKEDARRAY_PATIENCE=10 PYTHON_GIL=0 LOCKEDARRAY_BACKEND=native PYTHONSAFEPATH=1 \
	  .venv-tsan/bin/python -P -m pytest --capture=sys -o timeout=1200 -o faulthandler_timeout=6000 \
	  $(or $(ARGS),-q tests/concurrency tests/stress tests/unit) || failed=1; \
	  PYTHONPATH=tests $(PYTHON) -P -m tsan .venv-tsan/reports || failed=1; exit $$failed

# All entries of the catalogue: `make test` takes some.
test-debug: export LOCKEDARRAY_LEAKS_EVERY = 1
test-debug: export LOCKEDARRAY_PATIENCE = 4
test-debug:
	$(MAKE) pytest PYTHON=$(DEBUG_PYTHON) VENV=.venv-debug EXTRAS=test CORES=native \
	  ARGS='$(or $(ARGS),-q tests/test_leaks.py tests/unit)'

test-neighbours:
	$(MAKE) pytest VENV=.venv-neighbours EXTRAS=test,neighbours \
	  ARGS='tests/neighbours tests/catalogue/test_dtypes.py tests/test_docs.py $(ARGS)'

test-matrix: .venv-matrix/.nox
	.venv-matrix/bin/nox $(ARGS)

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# The package by its own annotations, and the installed stubs as a user's type checker sees them.
types: $(VENV)/.installed
	$(VENV)/bin/mypy
	$(RUN) -m pytest tests/typing

# The table that slow_threads.py prints stands in docs/debug.md.
pictures: $(VENV)/.installed
	set -e; for name in headline regions slow_threads heat_map; do $(RUN) docs/pictures/$$name.py; done

docs: $(VENV)/.installed
	$(RUN) -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "see docs/_build/html/index.html"

bench: $(VENV)/.installed
	$(VENV)/bin/python benchmarks/locks.py
	$(VENV)/bin/python benchmarks/growth.py
	$(VENV)/bin/python benchmarks/operations.py $(ARGS)
	$(RUN) benchmarks/scaling.py
	$(RUN) benchmarks/programs.py

bench-survey: $(VENV)/.installed
	$(RUN) benchmarks/survey.py $(ARGS)

bench-processes: $(VENV)/.installed
	$(RUN) benchmarks/processes.py $(ARGS)

bench-distributed: $(VENV)/.installed
	$(RUN) benchmarks/distributed.py $(ARGS)

# The wheel is built from the sdist, and tried with nothing installed but what it asks for.
dist: .venv-dist/.build
	rm -rf dist .venv-dist-tried
	.venv-dist/bin/python -m build --quiet -Csetup-args=-Dnative=enabled
	.venv-dist/bin/python -m twine check --strict dist/*
	$(PYTHON) -m venv .venv-dist-tried
	.venv-dist-tried/bin/pip install --quiet dist/*.whl
	.venv-dist-tried/bin/python -P -W error -m lockedarray
	.venv-dist-tried/bin/python -P -W error examples/ring_buffer.py
	.venv-dist-tried/bin/python -P -W error examples/processes.py
	@ls -l dist

demo: .venv-demo/.installed
	.venv-demo/bin/python examples/bigrams.py
	.venv-demo/bin/python examples/frames.py
	.venv-demo/bin/python examples/ring_buffer.py
	.venv-demo/bin/python examples/progress.py
	.venv-demo/bin/python examples/growing_log.py
	.venv-demo/bin/python examples/processes.py
	.venv-demo/bin/python examples/cluster.py
	.venv-demo/bin/python examples/cluster.py --kill owner

clean:
	rm -rf .venv .venv-* build dist docs/_build bigrams.png log.png .mypy_cache .pytest_cache .ruff_cache .hypothesis .nox
	find . -name __pycache__ -prune -exec rm -rf {} +

%/.made:
	$(PYTHON) -m venv $*
	touch $@

%/.installed: %/.made $(SOURCES)
	$*/bin/pip install --quiet $(addprefix --config-settings=setup-args=,-Dnative=$(NATIVE) $(SETUP)) '.[$(EXTRAS)]'
	touch $@

%/.nox: %/.made
	$*/bin/pip install --quiet 'nox>=2024.10'
	touch $@

%/.build: %/.made
	$*/bin/pip install --quiet build 'twine>=6'
	touch $@

.venv-asan/.installed: EXTRAS = test,test-distributed
.venv-asan/.installed: SETUP = -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 \
  -Dc_args=-DLA_DEBUG,-fno-sanitize-recover=all,-fno-omit-frame-pointer

# What the compiler, pip and the build report of themselves is of no interest.
.venv-tsan/.installed: EXTRAS = test
.venv-tsan/.installed: PYTHON = $(or $(TSAN_PYTHON),$(error TSAN_PYTHON is not given: see CONTRIBUTING.md))
.venv-tsan/.installed: SETUP = -Ddebug=true -Db_sanitize=thread -Db_lundef=false -Doptimization=1 -Dc_args=-fno-omit-frame-pointer
.venv-tsan/.installed: export TSAN_OPTIONS = report_bugs=0
.venv-tsan/.installed: export PIP_CONSTRAINT = $(CURDIR)/.ci/free-threaded.txt
.venv-tsan/.installed: export PIP_PREFER_BINARY = 1

.venv-demo/.installed: EXTRAS = plot,distributed
.venv-demo/.installed: NATIVE = auto
.PRECIOUS: %/.made
