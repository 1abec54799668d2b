#!/bin/sh
# Builds the native modules under AddressSanitizer and UBSan and runs on them the tests of the folders that use them, with
# LeakSanitizer at the end of each process.
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
    $pip install --force-reinstall --no-deps ./tests/native
fi

# Left out: configuration and delivery, which are Python alone; measurements of memory and of workloads, which a sanitizer
# falsifies.
tests="tests/context tests/encoding tests/processor tests/sampling tests/tail tests/trace
    --ignore tests/sampling/configuration --ignore tests/processor/test_delivery.py --ignore tests/processor/test_memory.py
    --ignore tests/tail/test_tail_workload.py"

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
