#!/usr/bin/env bash
# Builds a repaired manylinux wheel from the sdist for each interpreter given, installs each into a virtual environment of
# its own and runs the tests there. No Docker: the C code and what Cython makes use no symbol that came to glibc after 2.17,
# which check_wheel.py holds them to, so that linking against the glibc of this machine takes nothing away.
#
#   scripts/release/wheels.sh PYTHON...
#
# Everything pinned in requirements/ is installed first; the build itself runs without network, in a network namespace that
# has none where the kernel gives one. Wheels and report.md lie in build/wheelhouse.
#
# WHEEL_TESTS  arguments for pytest in place of the whole suite, for example "tests/encoding/test_encoder.py tests/export"
set -euo pipefail
cd "$(dirname "$0")/../.."
oldest_glibc=2.17
wheelhouse=build/wheelhouse
arch=$(uname -m)
sdist=$(echo build/sdist/nanospan-*.tar.gz)
tools=build/venv/release

venv() { # venv DIRECTORY PYTHON [PIP-ARGUMENT...]
    [ -x "$1/bin/python" ] || "$2" -m venv "$1"
    "$1/bin/python" -m pip --disable-pip-version-check --quiet install --upgrade pip
    "$1/bin/python" -m pip --disable-pip-version-check --quiet install "${@:3}"
}

no_network=(env)
if unshare --map-root-user --net true 2>/dev/null; then
    no_network=(unshare --map-root-user --net)
else
    echo "no network namespaces here: only pip is kept from the network during the build (--no-index)"
fi

[ $# -gt 0 ] || { echo "no CPython from 3.11 to 3.14 with headers found" >&2; exit 1; }
mkdir -p "$wheelhouse"
rm -f "$wheelhouse"/*"$arch".whl
venv "$tools" "$1" --require-hashes -r requirements/release.txt

for python in "$@"; do
    name=$(basename "$python")
    builder=build/venv/build-$name
    raw=$wheelhouse/raw-$name
    echo "== $("$python" --version): build from $sdist"
    venv "$builder" "$python" --require-hashes -r requirements/build.txt
    rm -rf "$raw"
    # LDSHARED: an interpreter's own link command may name its directory as a place to look for libraries.
    if ! SOURCE_DATE_EPOCH=$(stat -c %Y "$sdist") CC=gcc LDSHARED="gcc -shared" LDFLAGS="-Wl,-s" "${no_network[@]}" \
        "$builder/bin/python" -m pip --disable-pip-version-check wheel --no-index --no-build-isolation \
        --check-build-dependencies --no-deps --no-cache-dir --wheel-dir "$raw" "$sdist" > "$raw.log" 2>&1; then
        tail -40 "$raw.log"
        exit 1
    fi
    PATH=$PWD/$tools/bin:$PATH "$tools/bin/auditwheel" --verbose repair --plat "manylinux_${oldest_glibc/./_}_$arch" \
        --wheel-dir "$wheelhouse" "$raw"/*.whl > "$raw.repair.log" 2>&1 || { tail -20 "$raw.repair.log"; exit 1; }
done

{
    "$tools/bin/python" scripts/release/check_wheel.py --oldest-glibc "$oldest_glibc" "$wheelhouse"/*manylinux*"$arch".whl
    echo
} | tee "$wheelhouse/report.md"

for python in "$@"; do
    name=$(basename "$python")
    tag=$("$python" -c 'import sys; print(f"cp{sys.version_info[0]}{sys.version_info[1]}")')
    wheel=$(echo "$wheelhouse"/nanospan-*-"$tag-$tag"-manylinux*"$arch".whl)
    tested=build/venv/wheel-$name
    rm -rf "$tested"
    venv "$tested" "$python" "${wheel}[grpc,cli]" --group test
    "$tested/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps ./tests/native
    "$tested/bin/python" scripts/import_cost.py | tee -a "$wheelhouse/report.md"
    echo "== $("$python" --version): tests on $(basename "$wheel")"
    # shellcheck disable=SC2086 # several arguments in one variable
    NANOSPAN_SUITES=0 "$tested/bin/python" -m pytest ${WHEEL_TESTS:---all}
done
echo "wheels and report.md: $wheelhouse"
