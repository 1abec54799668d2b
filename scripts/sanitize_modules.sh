#!/bin/sh
# Builds the native modules under AddressSanitizer and UBSan and runs the tests of encoder, ring and samplers on them.
#
#   scripts/sanitize_modules.sh PYTHON
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")/.." && pwd)
venv=$here/build/venv/sanitize
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --upgrade pip
(cd "$here" && $pip install --group test)
NANOSPAN_SANITIZE=address,undefined $pip install --force-reinstall --no-deps "$here/build/sdist/"*.tar.gz
# The interpreter is not built with ASan: its runtime has to be there first. It never frees everything it allocates, so that
# leaks are looked for elsewhere (csrc/tests, tests/test_memory.py).
cd "$here"
# -s: pytest's capture of file descriptors and ASan's own do not go together.
LD_PRELOAD="$(gcc -print-file-name=libasan.so)" \
    ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 PYTHONMALLOC=malloc \
    "$venv/bin/python" -m pytest -q -s -p no:cacheprovider tests/test_encoder.py tests/test_ring.py tests/test_sampling.py \
    tests/test_ids.py tests/test_propagation.py tests/test_propagation_inject.py tests/parity
