#!/bin/sh
# Compares the hand-written stubs (.pyi) with the native modules that are installed.
#
#   scripts/lint/stubtest.sh PYTHON
#
# stubtest_allowlist.txt names what may differ, and why.
set -eu
python=$(realpath -s "$(command -v "$1")")
cd "$(dirname "$0")/../.."
allowlist=$PWD/scripts/lint/stubtest_allowlist.txt
# In a folder without sources, where the installed package is found.
mkdir -p build/lint
cd build/lint
# Whether a cdef class is a disjoint base depends on the size of its struct, which is not part of the stub's promise.
exec "$python" -m mypy.stubtest --concise --ignore-disjoint-bases --allowlist "$allowlist" nanospan._native
