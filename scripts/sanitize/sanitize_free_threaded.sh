#!/bin/sh
# Builds the native modules under ThreadSanitizer for a free-threaded CPython that is built under it too, and runs on them, with
# the interpreter lock off, the tests of several threads, and then others by several threads at once.
#
#   scripts/sanitize/sanitize_free_threaded.sh [PYTHON]
#       PYTHON: by default build/pythons/3.13t-tsan/bin/python3.13t, which scripts/pythons/free_threaded_python.sh
#       --thread-sanitizer builds
#
# A report that is not covered by scripts/sanitize/thread_races.supp makes it fail; reports lie in build/sanitize/free-threaded.
#
# CC              by default the compiler that PYTHON was built with; both need the same runtime of ThreadSanitizer
# SANITIZE_VENV   a virtual environment of PYTHON that has the modules and pytest already
# SANITIZE_TESTS  other tests than those below
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
python=${1:-build/pythons/3.13t-tsan/bin/python3.13t}
venv=${SANITIZE_VENV:-$here/build/venv/free-threaded-tsan}
reports=$here/build/sanitize/free-threaded
rm -rf "$reports"
mkdir -p "$reports"

if [ ! -x "$(command -v "$python")" ]; then
    echo "sanitize: no free-threaded CPython under ThreadSanitizer at $python: make one with" >&2
    echo "    scripts/pythons/free_threaded_python.sh --thread-sanitizer" >&2
    exit 1
fi
cc=${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC").split()[0])')}
if [ ! -x "$(command -v "$cc")" ]; then
    echo "sanitize: needs $cc, which $python was built with, or another one of its kind as CC" >&2
    exit 1
fi

if [ -z "${SANITIZE_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
    # What other code does to itself while packages are installed is not looked for.
    export TSAN_OPTIONS="report_bugs=0"
    $pip install --upgrade pip
    $pip install 'setuptools>=77' 'Cython>=3.1,<4'
    $pip uninstall --yes nanospan
    CC=$cc NANOSPAN_SANITIZE=thread $pip install --no-build-isolation build/sdist/*.tar.gz
    CC=$cc $pip install --no-build-isolation --no-deps ./tests/native
    PIP_PREFER_BINARY=1 $pip install --group test-free-threaded --group test-parallel
fi
for module in $(find "$("$venv/bin/python" -c 'import nanospan._native as n; print(*n.__path__)')" -name '*.so'); do
    nm --dynamic "$module" | grep -q __tsan_func_entry && continue
    echo "sanitize: $module was not built under ThreadSanitizer" >&2
    exit 1
done

tests="tests/free_threading tests/trace/concurrency/test_threads.py tests/trace/concurrency/test_races.py
    tests/encoding/test_sources.py tests/processor tests/tail tests/sampling/test_adaptive.py tests/sampling/test_rate_limited.py
    --ignore tests/processor/test_delivery.py --ignore tests/processor/test_faults.py --ignore tests/processor/test_memory.py
    --ignore tests/tail/test_tail_workload.py"
# Run by three threads at once each (see tests/support/selection/one_thread.py).
parallel="tests/context tests/trace/parity tests/sampling tests/encoding/test_poisoned_spans.py
    tests/trace/concurrency/test_odd_orders.py tests/trace/concurrency/test_patches.py
    tests/trace/concurrency/test_visibility.py
    --ignore tests/trace/parity/test_bytes.py --ignore tests/trace/parity/test_machine.py
    --ignore tests/sampling/configuration --ignore tests/sampling/test_adaptive.py
    --ignore tests/sampling/test_rate_limited.py"
# Under it frames are large: what is nested as deep as CPython lets it be takes more than the usual stack.
ulimit -s 65536 2> /dev/null || true
# Children of a fork start threads of their own.
options="history_size=4 exitcode=0 die_after_fork=0 log_path=$reports/report"

status=0
run() {
    PYTHON_GIL=0 NANOSPAN_SUITES=0 TSAN_OPTIONS="suppressions=$here/scripts/sanitize/thread_races.supp $options" \
        "$venv/bin/python" -m pytest -q -r fE -p no:cacheprovider --timeout 900 "$@" >> "$reports/tests.log" 2>&1 \
        || status=$?
}
if [ -n "${SANITIZE_TESTS:-}" ]; then
    run $SANITIZE_TESTS
else
    run $tests
    run --parallel-threads 3 --skip-thread-unsafe True --mark-hypothesis-as-unsafe \
        -o thread_unsafe_functions='subprocess.*' $parallel
fi
. scripts/sanitize/sanitize_verdict.sh
verdict $status "$reports" "free-threaded modules" thread
