#!/usr/bin/env bash
# Cross-compiles an aarch64 wheel from the sdist, repairs and checks it, and tests it in a Debian bookworm for arm64 that
# runs on this machine under qemu's user-mode emulation. For Debian and its relatives, as root (chroot, mount, binfmt_misc).
#
#   apt-get install debootstrap qemu-user-static gcc-aarch64-linux-gnu
#   scripts/release/wheels_arm64.sh PYTHON     PYTHON: an x86-64 CPython 3.11, the version that bookworm has
#
# ARM64_ROOT   where bookworm for arm64 lies or is to be made, once, in about five minutes (build/arm64)
# ARM64_TESTS  arguments for pytest in place of the subset below, which takes some twenty minutes under emulation
# ARM64_MIRROR where to get bookworm; by default where this machine's apt gets Debian's main component
set -euo pipefail
cd "$(dirname "$0")/../.."
oldest_glibc=2.17
wheelhouse=$PWD/build/wheelhouse
tools=$PWD/build/venv/release
root=${ARM64_ROOT:-build/arm64}
python=$1
sdist=$(echo "$PWD"/build/sdist/nanospan-*.tar.gz)
# Left out: what starts servers of other projects, measures cost, or drives many processes; the C tests run beside these.
tests=${ARM64_TESTS:-tests/context tests/encoding tests/sampling tests/tail tests/processor tests/trace/test_limits.py
    tests/lifecycle/test_fork.py --ignore tests/sampling/configuration --ignore tests/sampling/test_consistent_fleet.py
    --ignore tests/sampling/test_consistent_sdk.py --ignore tests/processor/test_delivery.py
    --ignore tests/processor/test_faults.py --ignore tests/processor/test_memory.py --ignore tests/tail/test_tail_workload.py}

missing=()
for program in debootstrap:debootstrap qemu-aarch64-static:qemu-user-static aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu; do
    command -v "${program%:*}" > /dev/null || missing+=("${program#*:}")
done
[ ${#missing[@]} -eq 0 ] || { echo "not here: apt-get install ${missing[*]}" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "root is needed for chroot, mount and binfmt_misc" >&2; exit 1; }
[ "$("$python" -c 'import sys; print(*sys.version_info[:2])')" = "3 11" ] || { echo "PYTHON must be 3.11" >&2; exit 1; }

pip_install() { # pip_install PYTHON PIP-ARGUMENT...
    "$1" -m pip --disable-pip-version-check --quiet install "${@:2}"
}

# A mount namespace and a process namespace of its own: no mount and no process outlives a call.
in_arm64() { # in_arm64 COMMAND
    unshare --mount --pid --fork --kill-child sh -c '
        mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/tmp" &&
        exec chroot "$0" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/bin:/bin:/usr/sbin:/sbin sh -ec "$1"' "$root" "$1"
}

# --- emulation, and bookworm for arm64 ------------------------------------------------------------------------------

handlers=/proc/sys/fs/binfmt_misc
[ -e "$handlers/register" ] || mount -t binfmt_misc binfmt_misc "$handlers"
# The flag F in Debian's file keeps the emulator open, so that it needs no copy inside the root.
[ -e "$handlers/qemu-aarch64" ] || /usr/lib/systemd/systemd-binfmt qemu-aarch64.conf

if [ ! -e "$root/.ready" ]; then
    mirror=${ARM64_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -n 1)}
    echo "== bookworm for arm64 in $root"
    mkdir -p "$root"
    debootstrap --arch=arm64 --variant=minbase --include=python3-dev,python3-venv --foreign bookworm "$root" \
        "$mirror" > "$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
    unshare --mount --pid --fork --kill-child chroot "$root" /debootstrap/debootstrap --second-stage >> "$root.log" 2>&1 ||
        { tail -5 "$root.log"; exit 1; }
    touch "$root/.ready"
fi
root=$(cd "$root" && pwd)
in_arm64 'echo "== emulated: $(uname -m), $(python3 --version), $(ldd --version | head -n 1)"'

# --- the wheel ------------------------------------------------------------------------------------------------------

[ -x "$tools/bin/python" ] || "$python" -m venv "$tools"
pip_install "$tools/bin/python" --require-hashes -r requirements/release.txt
cross=$PWD/build/venv/cross-arm64
rm -rf "$cross"
"$tools/bin/python" -m crossenv --sysroot "$root" "$root/usr/bin/python3.11" "$cross" > "$wheelhouse.crossenv.log" 2>&1 ||
    { tail -20 "$wheelhouse.crossenv.log"; exit 1; }
pip_install "$cross/bin/build-python" --require-hashes -r requirements/build.txt
"$cross/bin/cross-expose" cython setuptools > /dev/null
raw=$wheelhouse/raw-aarch64
rm -rf "$raw" "$wheelhouse"/*aarch64.whl
mkdir -p "$wheelhouse"
echo "== build from $(basename "$sdist")"
compiler="aarch64-linux-gnu-gcc --sysroot=$root"
SOURCE_DATE_EPOCH=$(stat -c %Y "$sdist") CC=$compiler LDSHARED="$compiler -shared" LDFLAGS="-Wl,-s" \
    "$cross/bin/cross-python" -m pip --disable-pip-version-check wheel --no-index --no-build-isolation --no-deps \
    --no-cache-dir --wheel-dir "$raw" "$sdist" > "$raw.log" 2>&1 || { tail -40 "$raw.log"; exit 1; }
# auditwheel lets only platforms of its own machine be named; what it chooses is checked after it.
PATH=$tools/bin:$PATH "$tools/bin/auditwheel" repair --wheel-dir "$wheelhouse" "$raw"/*.whl > "$raw.repair.log" 2>&1 ||
    { tail -20 "$raw.repair.log"; exit 1; }
wheel=$(echo "$wheelhouse"/nanospan-*aarch64.whl)
"$tools/bin/python" scripts/release/check_wheel.py --oldest-glibc "$oldest_glibc" "$wheel" | tee "$wheelhouse/report-arm64.md"

# --- its tests, emulated --------------------------------------------------------------------------------------------

# Wheels of what it needs are fetched out here, so that the root needs no network and no registry.
needs=build/wheelhouse/needs-aarch64
rm -rf "$needs"
"$tools/bin/python" -m pip --disable-pip-version-check --quiet download --dest "$needs" --only-binary=:all: \
    --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
    --platform manylinux_2_34_aarch64 --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64 --platform any "${wheel}[grpc,cli]" --group test
rm -rf "$root/work" && mkdir -p "$root/work"
tar cf - tests pyproject.toml | tar xf - -C "$root/work"
cp -r "$needs" "$root/work/needs"
cp "$wheel" "$root/work/needs/"
in_arm64 'cd /work && python3 -m venv venv &&
    venv/bin/python -m pip --quiet --disable-pip-version-check install --no-index needs/*.whl &&
    venv/bin/python -m pip check'
echo "== C tests, cross-compiled, emulated"
rm -rf build/csrc-arm64
mkdir -p build/csrc-arm64
tar cf - --exclude=csrc/build csrc | tar xf - -C build/csrc-arm64
QEMU_LD_PREFIX=$root make --no-print-directory -C build/csrc-arm64/csrc check CC="$compiler" PRODUCERS=2 RECORDS=20000
echo "== Python tests, emulated: $(echo "$tests" | wc -w) arguments"
# shellcheck disable=SC2086 # several arguments in one variable, over several lines
in_arm64 "cd /work && NANOSPAN_SUITES=0 PYTHONUNBUFFERED=1 \
    venv/bin/python -m pytest -q -p no:cacheprovider --timeout 900 $(echo $tests)"
echo "wheel and report-arm64.md: build/wheelhouse"
