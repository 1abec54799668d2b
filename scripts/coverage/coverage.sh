#!/bin/sh
# Coverage of lines and branches: C and Cython by gcov, under the C unit tests and the Python tests, added up; Python by
# coverage.py, in all processes that the tests start. One table on standard output, pages and JSON in build/coverage.
#
#   scripts/coverage/coverage.sh PYTHON
#
# COVERAGE_TESTS names other tests than those below; with COVERAGE_KEEP=1 what earlier runs counted is added up too.
#
# Left out, because they would run for long and reach no line that the others do not: tests/ecosystem and tests/reference
# (other people's packages and suites), the soaks, memory and workload measurements, the checks of wheels.
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")/../.." && pwd)
out=$here/build/coverage
tree=$out/tree
venv=$here/build/venv/coverage
command -v gcov > /dev/null || { echo "coverage: gcov is missing: it comes with gcc" >&2; exit 1; }

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
find "$venv/lib" -name nanospan_coverage_hook.pth -delete  # of a run that was killed
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --upgrade pip
(cd "$here" && $pip install --group test "coverage>=7.10" "Cython>=3.1,<4" "setuptools>=77" "grpcio>=1.63" \
    "googleapis-common-protos>=1.63" "click>=8.1" "rich>=13")

if [ -z "${COVERAGE_KEEP:-}" ]; then
    rm -rf "$out"
    mkdir -p "$tree" "$out/data"
    tar xzf "$here"/build/sdist/*.tar.gz --strip-components=1 -C "$tree"
    # pip builds in this folder, where gcov's notes stay and its counts are written.
    (cd "$tree" && NANOSPAN_COVERAGE=1 $pip install --no-build-isolation --force-reinstall --no-deps . &&
        $pip install --force-reinstall --no-deps ./tests/native)
fi
# Where the hook finds what to do, in every process that the tests start.
cat > "$out/coveragerc" <<END
[run]
branch = True
parallel = True
data_file = $out/data/.coverage
source_pkgs = nanospan
patch = _exit, execv, fork
# Children of the tests that never import nanospan have nothing to tell.
disable_warnings = no-data-collected, module-not-imported, couldnt-parse
[paths]
nanospan =
    src/nanospan
    */site-packages/nanospan
END

site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
hook=$site/nanospan_coverage_hook.pth
cp "$here/scripts/coverage/coverage_hook.py" "$site/nanospan_coverage_hook.py"
echo "import nanospan_coverage_hook; nanospan_coverage_hook.begin('$out/coveragerc')" > "$hook"
trap 'rm -f "$hook"' EXIT

tests=${COVERAGE_TESTS:-tests --ignore tests/ecosystem --ignore tests/reference --ignore tests/fuzz
    --ignore tests/release/test_soak.py --ignore tests/processor/test_memory.py --ignore tests/tail/test_tail_workload.py
    --ignore tests/release/test_wheels.py --ignore tests/test_csrc.py --ignore tests/lifecycle/test_random_exits.py}
failed=0
make --no-print-directory -C "$tree/csrc" check COVERAGE=1 > "$out/csrc.log" 2>&1 || { tail -20 "$out/csrc.log"; failed=1; }
# Counting makes everything slower: what waits for a time of its own may fail here, and not in `make test`.
(cd "$here" && "$venv/bin/python" -m pytest --all -q --tb=short -p no:cacheprovider \
    $tests) > "$out/tests.log" 2>&1 || { grep -E '^(FAILED|ERROR)' "$out/tests.log" || tail -20 "$out/tests.log"; failed=1; }

rm -f "$hook"
cd "$here"
coverage="$venv/bin/python -m coverage"
$coverage combine --rcfile="$out/coveragerc" --keep --quiet 2> "$out/combine.log" || { cat "$out/combine.log"; exit 1; }
$coverage json --rcfile="$out/coveragerc" --quiet -o "$out/python.json"
$coverage html --rcfile="$out/coveragerc" --quiet -d "$out/python"
"$venv/bin/python" scripts/coverage/coverage_report.py "$out" || failed=1
[ $failed -eq 0 ] || echo "coverage: something above failed; the figures are of what ran" >&2
exit $failed
