#!/bin/sh
# Builds the native modules under ThreadSanitizer for a free-threaded CPython that is built under it too, and runs on them the
# tests of several threads, with the interpreter lock off.
#
#   scripts/sanitize_free_threaded.sh [PYTHON]
#       PYTHON: by default build/pythons/3.13t-tsan/bin/python3.13t, which scripts/free_threaded_python.sh
#       --thread-sanitizer builds; it has to be of the same compiler as CC (clang)
#
# A report that is not covered by scripts/thread_races.supp makes it fail; reports lie in build/sanitize/free-threaded.
#
# SANITIZE_VENV   a virtual environment of PYTHON that has the modules and pytest already
# SANITIZE_TESTS  other tests than those below
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
python=${1:-build/pythons/3.13t-tsan/bin/python3.13t}
venv=${SANITIZE_VENV:-$here/build/venv/free-threaded-tsan}
reports=$here/build/sanitize/free-threaded
rm -rf "$reports"
mkdir -p "$reports"

if [ ! -x "$(command -v "$python")" ]; then
    echo "sanitize: no free-threaded CPython under ThreadSanitizer at $python: make one with" >&2
    echo "    scripts/free_threaded_python.sh --thread-sanitizer" >&2
    exit 1
fi
# What other code does to itself while packages are installed is not looked for.
if [ -z "${SANITIZE_VENV:-}" ]; then
    export TSAN_OPTIONS="report_bugs=0"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
    $pip install 'setuptools>=77' 'Cython>=3.1,<4' 'pytest>=8.3' 'pytest-timeout>=2.3'
    # Once for what nanospan needs, and then as it is tested.
    $pip install build/sdist/*.tar.gz --no-build-isolation
    CC=${CC:-clang} NANOSPAN_SANITIZE=thread $pip install --no-build-isolation --force-reinstall --no-deps build/sdist/*.tar.gz
fi

tests="tests/free_threading tests/parity/test_threads.py tests/parity/test_races.py tests/test_ring.py tests/test_sources.py"
status=0
PYTHON_GIL=0 TSAN_OPTIONS="suppressions=$here/scripts/thread_races.supp history_size=4 exitcode=0 log_path=$reports/report" \
    "$venv/bin/python" -m pytest -q -p no:cacheprovider --timeout 900 ${SANITIZE_TESTS:-$tests} > "$reports/tests.log" 2>&1 \
    || status=$?
if [ $status -ne 0 ]; then
    tail -60 "$reports/tests.log"
    echo "sanitize: free-threaded modules, tests: FAILED" >&2
fi
for report in "$reports"/report*; do
    [ -e "$report" ] || continue
    status=1
    cat "$report"
done
if [ $status -ne 0 ]; then
    echo "sanitize: free-threaded modules, thread: FAILED" >&2
    exit 1
fi
echo "sanitize: free-threaded modules, thread: no report, $(grep -E ' passed' "$reports/tests.log" | tail -1)"
