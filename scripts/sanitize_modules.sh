#!/bin/sh
# Builds the native modules under AddressSanitizer and UBSan and runs on them the tests of encoder, ring, queue, propagator,
# samplers, tail sampling and native spans, with LeakSanitizer at the end of each process.
#
#   scripts/sanitize_modules.sh PYTHON
#
# A report of any of them, in any process, makes it fail; reports lie in build/sanitize/modules.
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")/.." && pwd)
venv=${SANITIZE_VENV:-$here/build/venv/sanitize}
reports=$here/build/sanitize/modules
cd "$here"
rm -rf "$reports"
mkdir -p "$reports"

if [ -z "${SANITIZE_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
    $pip install --upgrade pip
    $pip install --group test
    NANOSPAN_SANITIZE=address,undefined $pip install --force-reinstall --no-deps build/sdist/*.tar.gz
fi

tests="tests/test_encoder.py tests/test_ring.py tests/test_ids.py tests/test_limits.py tests/test_sources.py
       tests/test_processor.py tests/test_processor_foreign.py tests/test_processor_metrics.py
       tests/test_processor_neighbours.py tests/test_worker.py tests/test_faults.py tests/test_poisoned_spans.py
       tests/test_propagation.py tests/test_propagation_inject.py
       tests/test_sampling.py tests/test_sampling_tracer.py tests/test_threshold_kernels.py tests/test_adaptive.py
       tests/test_rate_limited.py tests/test_rule_based.py tests/test_rule_based_arguments.py tests/test_consistent.py
       tests/test_consistent_parent.py tests/test_consistent_fleet.py
       tests/test_tail_arguments.py tests/test_tail_counts.py tests/test_tail_facts.py tests/test_tail_policies.py
       tests/test_tail_sampling.py tests/parity"

# The interpreter is not built with ASan: its runtime has to be there first. Objects are malloc'ed one by one, so that each
# has its red zones. Two frames of a stack are enough to tell whose memory it is, see leaks.supp.
# -s: pytest's capture of file descriptors and ASan's own do not go together. The interpreter is several times slower than
# what the tests' own timeout is for.
status=0
LD_PRELOAD="$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc \
    ASAN_OPTIONS="detect_leaks=1:malloc_context_size=2:log_path=$reports/report:${ASAN_OPTIONS:-}" \
    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:log_path=$reports/report" \
    LSAN_OPTIONS="suppressions=$here/scripts/leaks.supp:print_suppressions=0" \
    "$venv/bin/python" -m pytest -q -s -p no:cacheprovider --timeout=1800 ${SANITIZE_TESTS:-$tests} \
    > "$reports/tests.log" 2>&1 || status=$?
. scripts/sanitize_verdict.sh
verdict $status "$reports" modules address-undefined-leak
