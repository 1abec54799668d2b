#!/bin/sh
# Compares the hand-written stubs (.pyi) with the native modules that are installed.
#
#   scripts/lint/stubtest.sh PYTHON
#
# stubtest_allowlist.txt names what may differ, and why.
set -eu
python=$(command -v "$1")
cd "$(dirname "$0")/../.."
modules=$(cd src && find nanospan/_native -name '*.pyi' | sort | sed 's/\.pyi$//; s#/#.#g')
allowlist=$PWD/scripts/lint/stubtest_allowlist.txt
set --
[ ! -e "$allowlist" ] || set -- --allowlist "$allowlist"
# In a folder without sources, where the installed package is found.
mkdir -p build/lint
cd build/lint
# shellcheck disable=SC2086 # one word a module
exec "$python" -m mypy.stubtest --concise "$@" $modules
