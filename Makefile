# Everything is set up below build/: virtual environments, the sdist, and the wheels that are made from it.
# `make help` lists the targets, from the `##` comments beside them.

PYTHONS ?= $(shell scripts/pythons/find_pythons.sh)
PYTHON  ?= $(firstword $(PYTHONS) python3)
PYTEST_ARGS ?=
# What `make test-all` runs with the first interpreter: `--slow` after `make test` has run the rest.
FIRST ?= --all
SUITES ?= 1

SOURCES := pyproject.toml setup.py MANIFEST.in README.md $(shell find src csrc -name build -prune -o -type f -print \
             | grep -v __pycache__)
PIP     := -m pip --disable-pip-version-check --quiet
venv_of  = build/venv/$(notdir $(1))

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-free-threaded test-sdks python-3.14 bench sanitize sanitize-free-threaded coverage
.PHONY: fuzz model soak lint wheels wheels-arm64 sdist-twice sbom requirements clean

help:
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9.-]+:.*## / { printf "  make %-24s%s\n", $$1, $$2 }' \
	    $(firstword $(MAKEFILE_LIST))

# --- the sdist, and a wheel of it for one interpreter ---------------------------------------------------------------

build/sdist/.made: $(SOURCES)
	@rm -rf build/sdist && mkdir -p build/sdist
	@test -x build/venv/tools/bin/python || $(PYTHON) -m venv build/venv/tools
	@build/venv/tools/bin/python $(PIP) install --upgrade pip build
	@build/venv/tools/bin/python -m build --sdist --outdir build/sdist . > build/sdist/log 2>&1 \
	    || { tail -40 build/sdist/log; exit 1; }
	@touch $@

# $(call install,interpreter,extras,groups): a virtual environment with the wheel and what is wanted beside it. Without debug
# information the compiler takes a quarter less time.
define install
	@test -x $(call venv_of,$(1))/bin/python || $(1) -m venv $(call venv_of,$(1))
	@$(call venv_of,$(1))/bin/python $(PIP) install --upgrade pip
	@mkdir -p build/wheels/$(notdir $(1))
	@test build/wheels/$(notdir $(1))/.made -nt build/sdist/.made || { \
	    rm -f build/wheels/$(notdir $(1))/*.whl && \
	    CFLAGS="-g0 $(CFLAGS)" $(call venv_of,$(1))/bin/python $(PIP) wheel --no-deps --wheel-dir build/wheels/$(notdir $(1)) \
	build/sdist/*.tar.gz && \
	    $(call venv_of,$(1))/bin/python $(PIP) install --force-reinstall --no-deps build/wheels/$(notdir $(1))/*.whl && \
	    touch build/wheels/$(notdir $(1))/.made; }
	@$(call venv_of,$(1))/bin/python $(PIP) install "$$(echo build/wheels/$(notdir $(1))/*.whl)[$(2)]" $(3)
endef

# $(call install_testing,virtual environment): the extension module that only the tests have.
define install_testing
	@test $(1)/.testing -nt build/sdist/.made -a $(1)/.testing -nt tests/native/nanospan_testing.pyx || { \
	    $(1)/bin/python $(PIP) install --force-reinstall --no-deps ./tests/native && touch $(1)/.testing; }
endef

##@ Try

demo: build/sdist/.made ## a traced service with the embedded receiver: spans, accounting and cost
	$(call install,$(PYTHON),grpc$(,)cli,opentelemetry-exporter-otlp-proto-http)
	@$(call venv_of,$(PYTHON))/bin/nanospan demo

##@ Test

# The fast tests run in as many processes as there are CPUs. The slow ones start processes themselves, one after the other.
test: build/sdist/.made ## the fast tests on one interpreter (PYTHON, PYTEST_ARGS)
	$(call install,$(PYTHON),grpc$(,)cli,--group test)
	$(call install_testing,$(call venv_of,$(PYTHON)))
	@echo "== $$($(PYTHON) --version)"
	@NANOSPAN_SUITES=$(SUITES) $(call venv_of,$(PYTHON))/bin/python -m pytest \
	    $(if $(filter --all --slow,$(PYTEST_ARGS)),,-n $(shell nproc) --dist worksteal) $(PYTEST_ARGS)

# SUITES=0 leaves out what is the same with every interpreter, and the suites of other packages.
test-all: build/sdist/.made ## every test on the first CPython of 3.11 to 3.14, the fast ones on the others, and lint
	@test -n "$(PYTHONS)" || { echo "no CPython from 3.11 to 3.14 with headers found"; exit 1; }
	@set -e; for python in $(PYTHONS); do $(MAKE) --no-print-directory test PYTHON=$$python \
	    SUITES=$$(test $$python != $(firstword $(PYTHONS)) && echo 0 || echo 1) \
	    PYTEST_ARGS="$$(test $$python != $(firstword $(PYTHONS)) || echo $(FIRST)) $(PYTEST_ARGS)"; done
	@$(MAKE) --no-print-directory lint PYTHON=$(firstword $(PYTHONS))

lint: build/sdist/.made ## ruff, mypy, stubtest, clang-format, cython-lint and links
	$(call install,$(PYTHON),grpc$(,)cli,--group test)
	@$(call venv_of,$(PYTHON))/bin/python $(PIP) install --require-hashes -r requirements/lint.txt
	@scripts/lint/lint.sh $(call venv_of,$(PYTHON))/bin/python

# grpcio has no wheels for free-threaded interpreters, so what needs it is skipped; of hypothesis the last release without
# compiled parts is taken where the newest has no wheel.
test-free-threaded: export PIP_PREFER_BINARY = 1
FREE_THREADED_BUILT := build/pythons/3.13t/bin/python3.13t
FREE_THREADED ?= $(FREE_THREADED_BUILT)
test-free-threaded: build/sdist/.made ## the tests on a free-threaded CPython without the lock (FREE_THREADED)
	@test $(FREE_THREADED) != $(FREE_THREADED_BUILT) -o -x $(FREE_THREADED_BUILT) || scripts/pythons/free_threaded_python.sh
	@$(FREE_THREADED) -c 'import sysconfig; assert sysconfig.get_config_var("Py_GIL_DISABLED"), "not free-threaded"'
	$(call install,$(FREE_THREADED),cli,--group test-free-threaded --group test-parallel)
	$(call install_testing,$(call venv_of,$(FREE_THREADED)))
	@echo "== $$($(FREE_THREADED) --version), PYTHON_GIL=0"
	@PYTHON_GIL=0 NANOSPAN_SUITES=0 $(call venv_of,$(FREE_THREADED))/bin/python -m pytest --all $(PYTEST_ARGS)
	@echo "== the same, four threads a test"
	@PYTHON_GIL=0 NANOSPAN_SUITES=0 $(call venv_of,$(FREE_THREADED))/bin/python -m pytest --all --parallel-threads 4 \
	    --skip-thread-unsafe True --mark-hypothesis-as-unsafe -r fE -o thread_unsafe_functions='subprocess.*' $(PYTEST_ARGS)

FREE_THREADED_TSAN_BUILT := build/pythons/3.13t-tsan/bin/python3.13t
FREE_THREADED_TSAN ?= $(FREE_THREADED_TSAN_BUILT)
sanitize-free-threaded: build/sdist/.made ## the tests of several threads under TSan; needs clang (FREE_THREADED_TSAN)
	@test $(FREE_THREADED_TSAN) != $(FREE_THREADED_TSAN_BUILT) -o -x $(FREE_THREADED_TSAN_BUILT) \
	    || scripts/pythons/free_threaded_python.sh --thread-sanitizer
	@scripts/sanitize/sanitize_free_threaded.sh $(FREE_THREADED_TSAN)

python-3.14: ## the CPython 3.14 of Debian testing in build/pythons, where the other targets look too
	@test -x build/pythons/3.14/bin/python3.14 || scripts/pythons/debian_python.sh

# The oldest SDK that pyproject.toml allows, the first that has tracers which a provider returns again and metrics that a
# variable enables, the last before any value may be an attribute, and the newest: each in a virtual environment of its own,
# with the exporters and the semantic conventions of the same release. opentelemetry-configuration needs the newest.
OLDEST_SDK := $(shell sed -n 's/.*"opentelemetry-sdk>=\([0-9.]*\)".*/\1/p' pyproject.toml)
SDKS ?= $(OLDEST_SDK) 1.42.1 1.44.0 newest
test-sdks: build/sdist/.made ## the fast tests with the oldest SDK, two in between, and the newest (SDKS)
	$(call install,$(PYTHON),grpc$(,)cli,--group test)
	@set -e; for sdk in $(SDKS); do \
	    scripts/pythons/sdk_environment.sh $(PYTHON) $$sdk "$$(echo build/wheels/$(notdir $(PYTHON))/*.whl)"; \
	    python=build/venv/sdk-$$sdk/bin/python; \
	    echo "== opentelemetry-sdk $$($$python -c 'from opentelemetry.sdk.version import __version__ as v; print(v)')"; \
	    NANOSPAN_SUITES=0 $$python -m pytest -n $(shell nproc) --dist worksteal $(PYTEST_ARGS); done

##@ Measure

bench: build/sdist/.made ## the benchmarks, each against the stock packages in the same run
	$(call install,$(PYTHON),grpc$(,)cli,--group test --group bench)
	@$(call venv_of,$(PYTHON))/bin/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,stddev,rounds
	@$(MAKE) --no-print-directory -C csrc bench
	@$(call venv_of,$(PYTHON))/bin/python benchmarks/compare.py
	@$(call venv_of,$(PYTHON))/bin/python benchmarks/memory.py
	@cd benchmarks && ../$(call venv_of,$(PYTHON))/bin/python -m web.web_service

##@ Verify

sanitize: build/sdist/.made ## csrc under ASan, UBSan, LSan, TSan and valgrind, native modules under the first three
	@scripts/sanitize/sanitize.sh $(PYTHON)

coverage: build/sdist/.made ## lines and branches of C, Cython and Python: a table, and pages in build/coverage
	@scripts/coverage/coverage.sh $(PYTHON)

fuzz: build/sdist/.made ## libFuzzer on C, atheris on the bindings; needs clang (FUZZ_SECONDS=60)
	@$(MAKE) -C csrc fuzz
	@scripts/sanitize/fuzz_bindings.sh $(PYTHON)

model: ## the Spin model of the ring; needs spin
	@$(MAKE) -C csrc model

SOAK_MINUTES ?= 30
SOAK_EXITS ?= 1000
SOAK_SEED ?= 1
soak: build/sdist/.made ## faults, forks and exits, every span reconciled (SOAK_MINUTES=30 SOAK_EXITS=1000 SOAK_SEED=1)
	$(call install,$(PYTHON),grpc,)
	@$(call venv_of,$(PYTHON))/bin/python soak/exit_soak.py --exits $(SOAK_EXITS) --disorderly $(SOAK_EXITS) --seed $(SOAK_SEED) \
	    --json build/exits.json
	@$(call venv_of,$(PYTHON))/bin/python soak/soak.py --minutes $(SOAK_MINUTES) --seed $(SOAK_SEED) --json build/soak.json

##@ Release

wheels: build/sdist/.made ## manylinux wheels for every CPython found, checked and tested
	@scripts/release/wheels.sh $(PYTHONS)

wheels-arm64: build/sdist/.made ## one aarch64 wheel, cross-compiled, tested under qemu; needs root
	@scripts/release/wheels_arm64.sh $(PYTHON)

sdist-twice: ## two sdists of the same tree, the same byte for byte
	@scripts/release/sdist_twice.sh $(PYTHON)

sbom: sdist-twice ## the bill of materials of the sdist, CycloneDX, in build/sbom
	@mkdir -p build/sbom
	@$(PYTHON) scripts/release/sbom.py build/sdist-twice/first/out/*.tar.gz --output build/sbom

##@ Upkeep

# pip-tools uses the registry that pip is configured for; its output names none.
requirements: ## renew the pins and hashes in requirements/
	@test -x build/venv/pip-tools/bin/python || $(PYTHON) -m venv build/venv/pip-tools
	@build/venv/pip-tools/bin/python $(PIP) install --upgrade pip pip-tools
	@for name in build lint release; do CUSTOM_COMPILE_COMMAND="make requirements" build/venv/pip-tools/bin/pip-compile --quiet \
	    --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --no-emit-options --output-file requirements/$$name.txt requirements/$$name.in || exit 1; done

clean: ## delete everything that was built
	rm -rf build dist csrc/build

, := ,
