# make demo      a traced service into the embedded receiver: spans, accounting and cost
# make test      the tests, on the installed wheel, with every CPython from 3.11 to 3.14 found on this machine; the C tests, the
#                suites of the instrumentations, and the packages that lean on the SDK, with the first of them (NANOSPAN_SUITES)
# make test-free-threaded  the same on a free-threaded CPython, the interpreter lock off, and then once more those tests that
#                may be run by several threads at once, by four each; FREE_THREADED=the interpreter, by default a 3.13t that
#                is built from Debian's source package into build/pythons
# make sanitize-free-threaded  the tests of several threads under TSan, interpreter and native modules (needs clang);
#                FREE_THREADED_TSAN=the interpreter, by default built like the other
# make test-oldest-sdk  the same on one CPython with the oldest opentelemetry-sdk supported
# make python-3.14  the CPython 3.14 of Debian's testing suite in build/pythons, where the targets look too
# make bench     the benchmarks, each against the stock packages in the same run
# make sanitize  the ground floor under ASan, UBSan, LeakSanitizer, TSan and valgrind, the native modules under the first three
# make coverage  lines and branches of C, Cython and Python that the tests reach: a table, and pages in build/coverage
# make fuzz      the fuzz targets: those in C under libFuzzer, those of the bindings under atheris (needs clang); each for
#                FUZZ_SECONDS=60
# make model     the Spin model of the ring (needs spin)
# make soak      the runtime before a receiver that fails at random, with forks and kills, and processes that end in every
#                way; every span is looked for afterwards; SOAK_MINUTES=30 SOAK_EXITS=1000 SOAK_SEED=1
# make wheels    repaired manylinux wheels from the sdist for every CPython found, checked, and tested in clean environments
# make wheels-arm64  the same for one aarch64 wheel, cross-compiled, tested under qemu (needs root, see the script)
# make sdist-twice   two sdists of the same tree, which must be the same byte for byte
# make sbom      the bill of materials of the sdist, CycloneDX: build/sbom
# make requirements  the pins and hashes in requirements/, renewed
#
# Everything is set up below build/: virtual environments, the sdist, and the wheels that are made from it.

PYTHON  ?= $(firstword $(PYTHONS) python3)
PYTHONS ?= $(shell scripts/pythons/find_pythons.sh)
PYTEST_ARGS ?=

SOURCES := pyproject.toml setup.py MANIFEST.in README.md $(shell find src csrc -name build -prune -o -type f -print \
             | grep -v __pycache__)
PIP     := -m pip --disable-pip-version-check --quiet
venv_of  = build/venv/$(notdir $(1))

.PHONY: demo test test-one test-free-threaded test-oldest-sdk python-3.14 bench sanitize fuzz model soak lint clean
.PHONY: sanitize-free-threaded coverage wheels wheels-arm64 sdist-twice sbom requirements

# --- the sdist, and a wheel of it for one interpreter ---------------------------------------------------------------

build/sdist/.made: $(SOURCES)
	@rm -rf build/sdist && mkdir -p build/sdist
	@test -x build/venv/tools/bin/python || $(PYTHON) -m venv build/venv/tools
	@build/venv/tools/bin/python $(PIP) install --upgrade pip build
	@build/venv/tools/bin/python -m build --sdist --outdir build/sdist . > build/sdist/log 2>&1 \
	    || { tail -40 build/sdist/log; exit 1; }
	@touch $@

# $(call install,interpreter,extras,groups): a virtual environment with the wheel and what is wanted beside it
define install
	@test -x $(call venv_of,$(1))/bin/python || $(1) -m venv $(call venv_of,$(1))
	@$(call venv_of,$(1))/bin/python $(PIP) install --upgrade pip
	@mkdir -p build/wheels/$(notdir $(1))
	@test build/wheels/$(notdir $(1))/.made -nt build/sdist/.made || { \
	    rm -f build/wheels/$(notdir $(1))/*.whl && \
	    $(call venv_of,$(1))/bin/python $(PIP) wheel --no-deps --wheel-dir build/wheels/$(notdir $(1)) build/sdist/*.tar.gz && \
	    $(call venv_of,$(1))/bin/python $(PIP) install --force-reinstall --no-deps build/wheels/$(notdir $(1))/*.whl && \
	    touch build/wheels/$(notdir $(1))/.made; }
	@$(call venv_of,$(1))/bin/python $(PIP) install "$$(echo build/wheels/$(notdir $(1))/*.whl)[$(2)]" $(3)
endef

# --- what people run ------------------------------------------------------------------------------------------------

demo: build/sdist/.made
	$(call install,$(PYTHON),grpc$(,)cli,opentelemetry-exporter-otlp-proto-http)
	@$(call venv_of,$(PYTHON))/bin/nanospan demo

test: build/sdist/.made
	@test -n "$(PYTHONS)" || { echo "no CPython from 3.11 to 3.14 with headers found"; exit 1; }
	@set -e; for python in $(PYTHONS); do $(MAKE) --no-print-directory test-one PYTHON=$$python; done

test-one: build/sdist/.made
	$(call install,$(PYTHON),grpc$(,)cli,--group test)
	@echo "== $$($(PYTHON) --version)"
	@NANOSPAN_SUITES=$(if $(filter $(PYTHON),$(firstword $(PYTHONS))),1,0) \
	    $(call venv_of,$(PYTHON))/bin/python -m pytest $(PYTEST_ARGS)

# grpcio has no wheels for free-threaded interpreters, so what needs it is skipped; of hypothesis the last release without
# compiled parts is taken where the newest has no wheel.
test-free-threaded: export PIP_PREFER_BINARY = 1
FREE_THREADED_BUILT := build/pythons/3.13t/bin/python3.13t
FREE_THREADED ?= $(FREE_THREADED_BUILT)
test-free-threaded: build/sdist/.made
	@test $(FREE_THREADED) != $(FREE_THREADED_BUILT) -o -x $(FREE_THREADED_BUILT) || scripts/pythons/free_threaded_python.sh
	@$(FREE_THREADED) -c 'import sysconfig; assert sysconfig.get_config_var("Py_GIL_DISABLED"), "not free-threaded"'
	$(call install,$(FREE_THREADED),cli,--group test-free-threaded --group test-parallel)
	@echo "== $$($(FREE_THREADED) --version), PYTHON_GIL=0"
	@PYTHON_GIL=0 NANOSPAN_SUITES=0 $(call venv_of,$(FREE_THREADED))/bin/python -m pytest $(PYTEST_ARGS)
	@echo "== the same, four threads a test"
	@PYTHON_GIL=0 NANOSPAN_SUITES=0 $(call venv_of,$(FREE_THREADED))/bin/python -m pytest --parallel-threads 4 \
	    --skip-thread-unsafe True --mark-hypothesis-as-unsafe -r fE -o thread_unsafe_functions='subprocess.*' $(PYTEST_ARGS)

FREE_THREADED_TSAN_BUILT := build/pythons/3.13t-tsan/bin/python3.13t
FREE_THREADED_TSAN ?= $(FREE_THREADED_TSAN_BUILT)
sanitize-free-threaded: build/sdist/.made
	@test $(FREE_THREADED_TSAN) != $(FREE_THREADED_TSAN_BUILT) -o -x $(FREE_THREADED_TSAN_BUILT) \
	    || scripts/pythons/free_threaded_python.sh --thread-sanitizer
	@scripts/sanitize/sanitize_free_threaded.sh $(FREE_THREADED_TSAN)

python-3.14:
	@test -x build/pythons/3.14/bin/python3.14 || scripts/pythons/debian_python.sh

# The oldest SDK that pyproject.toml allows, in a virtual environment of its own.
OLDEST_SDK := $(shell sed -n 's/.*"opentelemetry-sdk>=\([0-9.]*\)".*/\1/p' pyproject.toml)
test-oldest-sdk: build/sdist/.made
	$(call install,$(PYTHON),grpc$(,)cli,--group test)
	@rm -rf build/venv/oldest-sdk && $(PYTHON) -m venv build/venv/oldest-sdk
	@build/venv/oldest-sdk/bin/python $(PIP) install --upgrade pip
	@build/venv/oldest-sdk/bin/python $(PIP) install --group test \
	    "$$(echo build/wheels/$(notdir $(PYTHON))/*.whl)[grpc,cli]" \
	    $(foreach part,api sdk proto exporter-otlp-proto-common exporter-otlp-proto-http exporter-otlp-proto-grpc,\
	        opentelemetry-$(part)==$(OLDEST_SDK))
	@NANOSPAN_SUITES=1 build/venv/oldest-sdk/bin/python -m pytest $(PYTEST_ARGS)

bench: build/sdist/.made
	$(call install,$(PYTHON),grpc$(,)cli,--group test --group bench)
	@$(call venv_of,$(PYTHON))/bin/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,stddev,rounds
	@$(MAKE) --no-print-directory -C csrc bench
	@$(call venv_of,$(PYTHON))/bin/python benchmarks/compare.py
	@$(call venv_of,$(PYTHON))/bin/python benchmarks/memory.py
	@cd benchmarks && ../$(call venv_of,$(PYTHON))/bin/python -m web.web_service

sanitize: build/sdist/.made
	@scripts/sanitize/sanitize.sh $(PYTHON)

coverage: build/sdist/.made
	@scripts/coverage/coverage.sh $(PYTHON)

fuzz: build/sdist/.made
	@$(MAKE) -C csrc fuzz
	@scripts/sanitize/fuzz_bindings.sh $(PYTHON)

model:
	@$(MAKE) -C csrc model

SOAK_MINUTES ?= 30
SOAK_EXITS ?= 1000
SOAK_SEED ?= 1
soak: build/sdist/.made
	$(call install,$(PYTHON),grpc,)
	@$(call venv_of,$(PYTHON))/bin/python soak/exit_soak.py --exits $(SOAK_EXITS) --disorderly $(SOAK_EXITS) --seed $(SOAK_SEED) \
	    --json build/exits.json
	@$(call venv_of,$(PYTHON))/bin/python soak/soak.py --minutes $(SOAK_MINUTES) --seed $(SOAK_SEED) --json build/soak.json

# --- what is released -----------------------------------------------------------------------------------------------

wheels: build/sdist/.made
	@scripts/release/wheels.sh $(PYTHONS)

wheels-arm64: build/sdist/.made
	@scripts/release/wheels_arm64.sh $(PYTHON)

sdist-twice:
	@scripts/release/sdist_twice.sh $(PYTHON)

sbom: sdist-twice
	@mkdir -p build/sbom
	@$(PYTHON) scripts/release/sbom.py build/sdist-twice/first/out/*.tar.gz --output build/sbom

# pip-tools asks the registry that pip is configured for; what it writes names none.
requirements:
	@test -x build/venv/pip-tools/bin/python || $(PYTHON) -m venv build/venv/pip-tools
	@build/venv/pip-tools/bin/python $(PIP) install --upgrade pip pip-tools
	@for name in build release; do CUSTOM_COMPILE_COMMAND="make requirements" build/venv/pip-tools/bin/pip-compile --quiet \
	    --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --no-emit-options --output-file requirements/$$name.txt requirements/$$name.in || exit 1; done

lint:
	@test -x build/venv/tools/bin/python || $(PYTHON) -m venv build/venv/tools
	@build/venv/tools/bin/python $(PIP) install ruff
	@build/venv/tools/bin/ruff check src tests benchmarks soak scripts docs setup.py

clean:
	rm -rf build dist csrc/build

, := ,
