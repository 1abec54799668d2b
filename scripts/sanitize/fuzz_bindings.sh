#!/bin/sh
# Fuzzes the bindings with atheris: each target of tests/fuzz for FUZZ_SECONDS, from its seeds and what earlier runs found.
# The native modules are built with clang and report their coverage, so that it guides the fuzzer; AddressSanitizer watches
# the C library's copies and the heap.
#
#   FUZZ_SECONDS=60 scripts/sanitize/fuzz_bindings.sh PYTHON [TARGET...]
set -eu
python=${1:-python3}
shift || true
seconds=${FUZZ_SECONDS:-60}
here=$(cd "$(dirname "$0")/../.." && pwd)
venv=$here/build/venv/fuzz
found=$here/build/fuzz
for clang in ${CLANG:-clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14}; do
    command -v "$clang" > /dev/null && break
done
command -v "$clang" > /dev/null || { echo "clang is not installed"; exit 1; }
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --upgrade pip
(cd "$here" && $pip install --group test --group fuzz)
CC=$clang LDSHARED="$clang -shared" CFLAGS="-O1 -g -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp" \
    $pip install --force-reinstall --no-deps "$here/build/sdist/"*.tar.gz
$pip install --force-reinstall --no-deps "$here/tests/native"
runtime=$("$venv/bin/python" -c 'import atheris; print(atheris.path())')/asan_with_fuzzer.so
[ $# -gt 0 ] || set -- $(cd "$here/tests/fuzz/corpus" && ls)
cd "$here"
for target; do
    mkdir -p "$found/corpus/$target"
    env LD_PRELOAD="$runtime" ASAN_OPTIONS=detect_leaks=0:malloc_context_size=6 "$venv/bin/python" tests/fuzz/run.py "$target" \
        -max_total_time="$seconds" -max_len=256 -timeout=20 -print_final_stats=1 -artifact_prefix="$found/$target-" \
        "$found/corpus/$target" "tests/fuzz/corpus/$target"
done
