#!/usr/bin/env bash
# Builds a free-threaded CPython 3.13 from the source of the python3.13 package in Debian's stable suite: Debian has no binary of
# one. Leaves alone what is installed. Needs a C compiler, make, apt-get, debian-archive-keyring and the headers that _ssl,
# _ctypes and the others want (libssl-dev libffi-dev zlib1g-dev libsqlite3-dev libbz2-dev liblzma-dev uuid-dev); no root.
#
#   scripts/pythons/free_threaded_python.sh [--thread-sanitizer] [PREFIX]
#       PREFIX: build/pythons/3.13t, or build/pythons/3.13t-tsan (which needs clang); its bin/python3.13t is there afterwards
#
# PYTHON_MIRROR  where to get the source; by default where this machine's apt gets Debian's main component
# PYTHON_SUITE   the suite (trixie)
set -euo pipefail
cd "$(dirname "$0")/../.."
variant=3.13t
# No profile-guided build: it would take an hour, and nothing is measured against other interpreters.
options=(--disable-gil --with-ensurepip=install)
if [ "${1:-}" = --thread-sanitizer ]; then
    shift
    variant=3.13t-tsan
    options+=(--with-thread-sanitizer)
    clang=$(compgen -c | grep -E '^clang(-[0-9]+)?$' | sort -V | tail -n 1 || true)
    [ -n "$clang" ] || { echo "needs clang" >&2; exit 1; }
    export CC=$clang CXX=${clang/clang/clang++}
fi
prefix=$(realpath -m "${1:-build/pythons/$variant}")
source scripts/pythons/debian_apt.sh
need_apt
mirror=${PYTHON_MIRROR:-$(debian_mirror)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/python"
private_apt "$work" "deb-src [signed-by=$keyring] $mirror ${PYTHON_SUITE:-trixie} main"
(
    cd "$work"
    export APT_CONFIG=$work/apt.conf
    apt-get -qq update
    apt-get -qq source --download-only python3.13
    tar --extract --file python3.13_*.orig.tar.xz --directory python --strip-components 1 --no-same-owner
)
echo "== CPython 3.13, ${options[*]}, into $prefix"
(
    cd "$work/python"
    ./configure --prefix="$prefix" "${options[@]}"
    make -j"$(nproc)"
    make install COMPILEALL_OPTS=-q
) > "$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
"$prefix/bin/python3.13t" -c "import ssl, sqlite3, ctypes, sys; assert not sys._is_gil_enabled(); print(sys.version)"
