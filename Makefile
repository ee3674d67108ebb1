# The ways to build and check orderd. The work is CMake's; each kind of build has its folder in build/.

SHELL := /bin/bash
PREFIX ?= /usr/local
GENERATOR := $(if $(shell command -v ninja),Ninja,Unix Makefiles)
JOBS := $(shell nproc)
SOURCES = $(shell find src tests -name '*.[ch]')

# Sanitizers of gcc 12 and clang 14 cannot place their shadow memory when the kernel randomizes addresses
# by more than 28 bits, so tests run without randomization where that may be switched off.
FIXED := $(shell setarch -R true 2> /dev/null && echo setarch -R)
CTEST = $(FIXED) ctest --output-on-failure --no-tests=ignore -j $(JOBS)

release_flags := -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
debug_flags := -DCMAKE_BUILD_TYPE=Debug
asan_flags := -DCMAKE_BUILD_TYPE=Debug -DSANITIZE=address -DFAULT_POINTS=ON
tsan_flags := -DCMAKE_BUILD_TYPE=Debug -DSANITIZE=thread
fuzz_flags := $(asan_flags) -DCMAKE_C_COMPILER=clang -DBUILD_TESTING=OFF -DFUZZ=ON
coverage_flags := -DCMAKE_BUILD_TYPE=Debug -DCOVERAGE=ON -DFAULT_POINTS=ON
analyze_flags := -DCMAKE_BUILD_TYPE=Debug -DBUILD_TESTING=OFF -DANALYZE=ON
valgrind_flags := -DCMAKE_BUILD_TYPE=Debug -DVALGRIND=ON
sim_flags := -DCMAKE_BUILD_TYPE=Debug -DBUILD_TESTING=OFF -DSIM=ON
clang_flags := -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang

.PHONY: release debug asan tsan clang gen test coverage crash sim sim-mutations fuzz analyze valgrind run bench soak \
	check-invariants lint format install clean lint-format lint-includes lint-gen lint-alerts lint-tidy lint-release \
	needs-for-run needs-for-test needs-for-nightly

release debug asan tsan clang: %: build/%/configured
	@cmake --build build/$@ -j $(JOBS)

# The first time, and when the options above may have changed; the build itself notices when CMakeLists.txt
# or the set of files did.
build/%/configured: Makefile
	@cmake -S . -B build/$* -G "$(GENERATOR)" $($*_flags)
	@touch $@

gen: needs-for-test
	deploy/dev/gen

# The address sanitizer runs everything and comes last, so that its summary ends the output.
test: needs-for-test
	@$(MAKE) -s asan build/tsan/configured
	@cmake --build build/tsan -j $(JOBS) --target tsan_tests
	@status=0; \
	$(CTEST) --test-dir build/tsan -L tsan || status=1; \
	$(CTEST) --test-dir build/asan || status=1; \
	exit $$status

# What the tests reach of src/; ends with 1 below the thresholds. FAST=1 leaves out the tests from outside, and with
# them what is asked of src/ as a whole.
coverage: needs-for-test build/coverage/configured
	@cmake --build build/coverage -j $(JOBS)
	@find build/coverage -name '*.gcda' -delete
	@status=0; \
	$(CTEST) --test-dir build/coverage -L '^(unit|sim|integration$(if $(FAST),,|client))$$' || status=1; \
	build/venv/bin/python deploy/dev/coverage build/coverage || status=1; \
	exit $$status

run: needs-for-run
	@$(MAKE) -s release
	@exec deploy/dev/run

# gcc's static analyzer over orderd. Not over the sandbox: it takes the loops of uthash that free every
# element for uses after free.
analyze: needs-for-run build/analyze/configured
	@cmake --build build/analyze -j $(JOBS) --target orderd

# Unit and integration tests under valgrind: every night, since it takes long.
valgrind: needs-for-nightly build/valgrind/configured
	@cmake --build build/valgrind -j $(JOBS)
	@ctest --output-on-failure -j $(JOBS) --test-dir build/valgrind -L '^(unit|integration)$$'

# Death at every fault point in every way, of one alone and of three under load; lines that break behind every
# byte. `make test` takes a sample of it.
crash: needs-for-test
	@$(MAKE) -s asan
	@CRASH=all PYTHONDONTWRITEBYTECODE=1 $(FIXED) build/venv/bin/python -m pytest -q -p no:cacheprovider \
		tests/client/test_crash.py tests/client/test_cuts.py tests/client/test_sweep.py

# The order flow under everything that can happen to it, in virtual time: ORDERS of them, or for SECONDS, from the
# world START on. SEED=n replays one world and tells what happens in it.
sim: ORDERS ?= 1000000
sim: START ?= 1
sim: needs-for-run build/sim/configured
	@cmake --build build/sim -j $(JOBS) --target sim
	@build/sim/sim $(if $(SEED),--seed $(SEED),$(if $(SECONDS),--seconds $(SECONDS),--orders $(ORDERS)) --start $(START))

# Whether it notices mistakes: each of tests/sim/mutations is made in a copy and must be caught.
sim-mutations: needs-for-run
	@tests/sim/mutate $(MUTATIONS)

# Each fuzz target for so long, or those named: `make fuzz SECONDS=600 TARGETS=http_head`.
fuzz: SECONDS ?= 60
fuzz: needs-for-test build/fuzz/configured
	@cmake --build build/fuzz -j $(JOBS) --target fuzz
	@$(FIXED) tests/fuzz/run $(SECONDS) $(TARGETS)

bench: needs-for-test
	@$(MAKE) -s release
	@cmake --build build/release -j $(JOBS) --target bench
	@exec tests/bench/run

# Half load for so long, `make soak MINUTES=5` to try it: orderd must not grow, and no invariant may break.
soak: MINUTES ?= 60
soak: needs-for-test
	@$(MAKE) -s release
	@cmake --build build/release -j $(JOBS) --target bench
	@PYTHONDONTWRITEBYTECODE=1 exec build/venv/bin/python tests/bench/run --soak=$(MINUTES)

# Whether the invariants of all orders hold, by the database and the ledger: those of `make run`, or others,
# `make check-invariants DATABASE='host=/tmp/x dbname=orderd' LEDGER=http://127.0.0.1:8089/`. Of `make run` the
# database is kept and the ledger is not, so what is older than the ledger is not compared with it.
run_pid = $(firstword $(wildcard $(addsuffix /postmaster.pid,build/run/postgres build/run/postgres-elsewhere)) /dev/null)
DATABASE ?= host=$(shell sed -n 5p $(run_pid)) user=orderd dbname=orderd
ifndef LEDGER
LEDGER = http://127.0.0.1:$(shell cat build/run/sandbox.port)/
since = --since $(shell stat -c %Y build/run/sandbox.port)
endif
check-invariants: needs-for-test
	@build/venv/bin/python tests/client/invariants.py --database '$(DATABASE)' --ledger '$(LEDGER)' $(since)

# What a build needs is asked for every time: it takes a moment, and a machine may change.
needs-for-run needs-for-test needs-for-nightly: needs-for-%:
	@deploy/dev/install $*

lint: needs-for-test lint-format lint-includes lint-gen lint-alerts clang lint-tidy

lint-format:
	@clang-format --dry-run -Werror $(SOURCES)

format:
	@clang-format -i $(SOURCES)

lint-includes:
	@tests/arch/includes

lint-gen:
	@tests/arch/gen || [ $$? = 77 ]

lint-alerts:
	@tests/arch/alerts || [ $$? = 77 ]

lint-tidy: clang
	@run-clang-tidy -quiet -p build/clang -j $(JOBS) '^$(CURDIR)/src/' > build/tidy.log 2>&1 || \
		{ grep -E -A4 'error:|warning:' build/tidy.log; exit 1; }

# A release must not have what kills it on purpose.
lint-release: release
	@tests/arch/fault_points none build/release/orderd

install: lint-release
	cmake --install build/release --prefix $(PREFIX)

# Keeps what is not made by a compiler: the Python environment, tools, and the data of `make run`.
clean:
	rm -rf build/release build/debug build/asan build/tsan build/clang build/fuzz build/coverage build/analyze \
		build/valgrind build/sim build/mutations
