#!/bin/sh
# Builds the native modules under AddressSanitizer and UBSan and runs on them the tests of encoder, ring, queue, propagator,
# samplers, tail sampling and native spans, with LeakSanitizer at the end of each process.
#
#   scripts/sanitize/sanitize_modules.sh PYTHON
#
# A report of any of them, in any process, makes it fail; reports lie in build/sanitize/modules.
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")/../.." && pwd)
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

tests="tests/encoding/test_encoder.py tests/test_ring.py tests/context/test_ids.py tests/trace/test_limits.py tests/encoding/test_sources.py
       tests/processor/test_processor.py tests/processor/test_processor_foreign.py tests/processor/test_processor_metrics.py
       tests/processor/test_processor_neighbours.py tests/processor/test_worker.py tests/processor/test_faults.py tests/encoding/test_poisoned_spans.py
       tests/context/test_propagation.py tests/context/test_propagation_inject.py
       tests/sampling/test_sampling.py tests/sampling/test_sampling_tracer.py tests/test_threshold_kernels.py tests/sampling/test_adaptive.py
       tests/sampling/test_rate_limited.py tests/sampling/test_rule_based.py tests/sampling/test_rule_based_arguments.py tests/sampling/test_consistent.py
       tests/sampling/test_consistent_parent.py tests/sampling/test_consistent_fleet.py
       tests/tail/test_tail_arguments.py tests/tail/test_tail_counts.py tests/tail/test_tail_facts.py tests/tail/test_tail_policies.py
       tests/tail/test_tail_sampling.py tests/parity"

# The interpreter is not built with ASan: its runtime has to be there first. Objects are malloc'ed one by one, so that each
# has its red zones. Two frames of a stack are enough to tell whose memory it is, see leaks.supp.
# -s: pytest's capture of file descriptors and ASan's own do not go together. The interpreter is several times slower than
# what the tests' own timeout is for.
status=0
LD_PRELOAD="$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc \
    ASAN_OPTIONS="detect_leaks=1:malloc_context_size=2:log_path=$reports/report:${ASAN_OPTIONS:-}" \
    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:log_path=$reports/report" \
    LSAN_OPTIONS="suppressions=$here/scripts/sanitize/leaks.supp:print_suppressions=0" \
    "$venv/bin/python" -m pytest -q -s -p no:cacheprovider --timeout=1800 ${SANITIZE_TESTS:-$tests} \
    > "$reports/tests.log" 2>&1 || status=$?
. scripts/sanitize/sanitize_verdict.sh
verdict $status "$reports" modules address-undefined-leak
