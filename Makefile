# One word for each thing people do; `make` alone lists them. CI calls the same verbs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build check test lint format bench run demo fuzz crash clean

S ?= 10
N ?= 200
T ?=
NAME ?= list
CONFIG ?= tollgate.yaml

# Under -j every verb still runs its own steps in order; ninja does the work in parallel.
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing, from the Debian and npm registries
	@tools/setup

build: setup ## release build, in build/release
	@cmake --preset release >/dev/null
	@ninja -C build/release

check: build ## the fast tests only
	@tools/ctest.py release -L unit

test: setup ## everything CI runs (S=10 seconds a fuzzer, N=200 kills in the crash campaign)
	@python3 tools/run_tests.py --fuzz-seconds $(S) --kills $(N)

lint: build ## tidy rules, clang-format, clang-tidy
	@tools/tidy.py
	@tools/format.sh --check
	@tools/clang_tidy.py

format: ## format the C++ sources
	@tools/format.sh

bench: build ## one benchmark: make bench NAME=gate (NAME=list names them)
	@bench/run $(NAME)

run: build ## the server, with CONFIG=tollgate.yaml
	@build/release/src/app/tollgate serve --config $(CONFIG)

demo: build ## server, simulator, demo customer, real requests, and the bill (DEMO_EXIT=1 stops by itself)
	@tools/demo

fuzz: setup ## fuzz longer: make fuzz T=name S=seconds (without T: all of them)
	@cmake --preset dev >/dev/null
	@ninja -C build/dev
	@tools/fuzz.py -s $(S) $(T)

crash: build ## kill -9 under load, N times, and check every bill; then of commands that close months: make crash N=200
	@tests/crash/run --kills $(N)
	@tests/crash/run_books

clean: ## remove what was built (the caches of ccache and npm stay)
	@rm -rf build
