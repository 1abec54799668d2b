#!/usr/bin/env bash
# Puts the CPython 3.14 of Debian's testing suite into a folder of its own, beside and without touching what is installed:
# an interpreter with headers, pip and virtual environments, for machines whose own suite has no 3.14. For Debian and its
# relatives on x86-64 or arm64; needs apt-get, dpkg-deb and debian-archive-keyring, and neither root nor a compiler.
#
#   scripts/pythons/debian_python.sh [PREFIX]      PREFIX: build/pythons/3.14; its bin/python3.14 is there afterwards
#
# The packages come with the C library and the libraries they were built with. They are unpacked below PREFIX, and the
# interpreter is told to load them from there, so PREFIX cannot be moved afterwards.
#
# PYTHON_MIRROR where to get the packages; by default where this machine's apt gets Debian's main component
# PYTHON_SUITE  the suite (testing)
set -euo pipefail
cd "$(dirname "$0")/../.."
version=3.14
prefix=$(realpath -m "${1:-build/pythons/$version}")
suite=${PYTHON_SUITE:-testing}
source scripts/pythons/debian_apt.sh
need_apt dpkg-deb
case $(dpkg --print-architecture) in
    amd64) triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
    arm64) triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
    *) echo "for x86-64 and arm64 only" >&2; exit 1 ;;
esac
mirror=${PYTHON_MIRROR:-$(debian_mirror)}

# --- the packages, with an apt that knows of no package installed ---------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/unpacked"
private_apt "$work" "deb [signed-by=$keyring] $mirror $suite main"
export APT_CONFIG=$work/apt.conf
echo "== CPython $version from $suite into $prefix"
apt-get -qq update
apt-get -qq --yes --download-only install "python$version-dev" "python$version-venv" patchelf > "$work/log" 2>&1 ||
    { tail -5 "$work/log" >&2; exit 1; }
for package in "$work"/cache/archives/*.deb; do
    # The compiler of this machine keeps the headers of its own C library.
    case ${package##*/} in libc6-dev_* | linux-libc-dev_* | libc-dev-bin_*) continue ;; esac
    dpkg-deb --extract "$package" "$work/unpacked"
done

# --- an ordinary prefix of them -------------------------------------------------------------------------------------

rm -rf "$prefix"
mkdir -p "$(dirname "$prefix")"
mv "$work/unpacked/usr" "$prefix"
libraries=$prefix/lib/$triplet
run_unpacked() { "$libraries/$loader" --library-path "$libraries" "$@"; }
# In this order: the other way round, patchelf 0.18 leaves a program that is no position-independent one unable to start.
run_unpacked "$prefix/bin/patchelf" --force-rpath --set-rpath "$libraries" "$prefix/bin/python$version"
run_unpacked "$prefix/bin/patchelf" --set-interpreter "$libraries/$loader" "$prefix/bin/python$version"
# Two places where Debian's packages count on being installed below /usr.
cp "$prefix/include/$triplet/python$version/pyconfig.h" "$prefix/include/python$version/pyconfig.h"
sed -i "s|/usr/share/python-wheels|$prefix/share/python-wheels|" "$prefix/lib/python$version/"_sysconfigdata_*.py

"$prefix/bin/python$version" -c 'import ctypes, ensurepip, multiprocessing, platform, sqlite3, ssl, sys
print("==", platform.python_implementation(), platform.python_version(), ssl.OPENSSL_VERSION, "sqlite", sqlite3.sqlite_version)'
