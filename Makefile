# Everything starts here: each target sets up what it needs. `make help` lists them.
.ONESHELL:
.SHELLFLAGS := -ec
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench packetdrill sanitize test-netmap record-netmap clean setup build packages

VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?=
PYTEST ?= -n auto --dist loadgroup

# meson, ninja, cython and pycodestyle are looked up by name.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Kept in the build, so that a rebuild on import finds it outside of this PATH too.
export CYTHON := $(CURDIR)/$(VENV)/bin/cython
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# One stamp for each PYTHON= that was asked for; without one, whatever stands there is good.
READY := $(if $(PYTHON),$(VENV)/.ready-$(notdir $(PYTHON)),$(firstword $(wildcard $(VENV)/.ready*) $(VENV)/.ready))
# Two runs at once: the second waits for the first one's set-up.
LOCK := $(if $(shell command -v flock),flock Makefile)

CANDIDATES := $(or $(PYTHON),$(PY) python3 python3.13 python3.12 python3.11 python3.14)
# Whether an interpreter will do: its version, its headers, and what makes a virtual environment.
CHECK := import os, sys, sysconfig, venv, ensurepip; \
	sys.exit(sys.version_info < (3, 11) or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))
IDENTITY := import sys; print(sys.version, sys.base_prefix)

help:
	@echo 'make demo    sets up .venv, builds, and runs the demonstration on the simulator'
	echo 'make test    sets up, builds, and runs the linters and all tests'
	echo 'make lint    ruff, cython-lint and mypy'
	echo 'make bench   the benchmarks (python -m benchmarks)'
	echo 'make packetdrill SCRIPTS=DIR   a public corpus of packetdrill scripts, by folder; what passed once must pass'
	echo 'make sanitize  builds beside with AddressSanitizer and UBSan (gcc), and runs the tests on that'
	echo 'make test-netmap    the tests on the real netmap module, in a virtual machine (NETMAP_VM, NETMAP_KO)'
	echo 'make record-netmap  records the traces of the real module anew, in the same way'
	echo 'make build   compiles what has changed, and shows compiler errors'
	echo 'make clean   removes what was built; .venv stays'
	echo
	echo 'PYTHON=python3.12 names the interpreter (3.11 or newer, with headers and venv).'
	echo 'USNET_APT=1 (or CI=true) lets `make test` install the Debian packages that some tests want.'
	echo 'PYTEST="-k arp -x" replaces the options that pytest is called with.'

demo: build
	@$(VENV)/bin/usnet demo

test: build packages
	@status=0
	$(MAKE) --no-print-directory lint || status=1
	$(PY) -m pytest $(PYTEST) || status=$$?
	[ $$status = 0 ] || echo 'make test: failed (see the linters above, and the summary of pytest)' >&2
	exit $$status

lint: build
	@status=0
	$(PY) -m ruff check . || status=1
	cython-lint usnet --files '\.pyx$$' || status=1
	cython-lint usnet --files '\.pxd$$' --max-line-length 180 || status=1
	$(PY) -m mypy || status=1
	exit $$status

# BENCH: what it is called with: names, --json, --runs 3 ...
bench: build
	@$(PY) -m benchmarks $(BENCH)

# SCRIPTS: a clone of google/packetdrill or of freebsd-net/tcp-testsuite. What is listed in tests/conformance/passing must pass.
SCRIPTS ?=
packetdrill: build
	@[ -n "$(SCRIPTS)" ] || { echo 'make packetdrill SCRIPTS=DIRECTORY' >&2; exit 2; }
	$(PY) -m tests.conformance.corpus $(SCRIPTS)

# Its own build and environment, which borrows the packages of .venv. ASAN_STACK=1 checks arrays on the stack too; greenlets, which copy stacks, then
# look like errors. Other programs (curl) do not run with the sanitizer loaded.
SANITIZE ?= -s -q -p no:cacheprovider --ignore=tests/interop --ignore=tests/packaging --ignore=tests/test_instructions.py -k 'not curl'
ASAN_STACK ?= 0
sanitize: setup
	@venv=build/sanitize-venv
	site='import sysconfig; print(sysconfig.get_path("purelib"))'
	[ -x $$venv/bin/python ] || $(PY) -m venv --without-pip $$venv
	$(PY) -c "$$site" > "$$($$venv/bin/python -c "$$site")/borrowed.pth"
	echo 'Building with sanitizers (some minutes at the first time)'
	$$venv/bin/python -m pip install -qq --no-build-isolation --no-deps -Cbuild-dir=build/sanitize \
		-Csetup-args=-Dbuildtype=debugoptimized -Csetup-args=-Db_sanitize=address,undefined -Csetup-args=-Db_lundef=false \
		-Csetup-args=-Dc_args=--param=asan-stack=$(ASAN_STACK) -e .
	export LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	$$venv/bin/python -m pytest $(SANITIZE)

# NETMAP_VM and NETMAP_KO: see tests/netmap/vm. NETMAP_TESTS: what pytest is called with.
NETMAP_TESTS ?= -v --durations=0 --durations-min=2
test-netmap: build
	@tests/netmap/vm $(PY) -m pytest -p no:cacheprovider $(NETMAP_TESTS) tests/netmap

record-netmap: build
	@tests/netmap/vm $(PY) -m tests.netmap.record tests/backends/netmap/traces $(NETMAP_SCENARIOS)

# The import rebuilds what has changed, once, before test workers import it side by side.
build: setup
	@MESONPY_EDITABLE_VERBOSE=1 $(LOCK) $(PY) -c 'import usnet'

setup:
	@$(LOCK) $(MAKE) --no-print-directory -s $(READY)

$(READY): pyproject.toml
	@python=
	for p in $(CANDIDATES); do
		if "$$p" -c '$(CHECK)' 2>/dev/null; then python=$$p; break; fi
	done
	if [ -z "$$python" ]; then
		echo 'No Python 3.11 or newer with its headers and venv. Tried: $(CANDIDATES).' >&2
		echo 'Name one: make PYTHON=/path/to/python3. On Debian: apt install python3-dev python3-venv' >&2
		exit 1
	fi
	if ! command -v $${CC:-cc} >/dev/null && ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then
		echo 'No C compiler. On Debian: apt install gcc libc6-dev' >&2
		exit 1
	fi
	rm -f $(VENV)/.ready*
	identity=$$("$$python" -c '$(IDENTITY)')
	if [ "$$identity" != "$$($(PY) -c '$(IDENTITY)' 2>/dev/null)" ] || ! $(PY) -m pip --version >/dev/null 2>&1; then
		echo "Setting up $(VENV) with Python $$identity"
		"$$python" -m venv --clear $(VENV)
	fi
	echo 'Installing the requirements and building usnet (a few minutes at the first time)'
	$(PY) -m pip install -qq --upgrade 'pip>=25.1'
	$(PY) -m pip install -qq --group dev
	$(PY) -m pip install -qq --no-build-isolation -e '.[cli]'
	touch $@

packages:
ifneq ($(filter true 1,$(CI) $(USNET_APT)),)
	@.ci/packages
else
	@:
endif

clean:
	@rm -rf build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis $(VENV)/.ready*
	find usnet tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
