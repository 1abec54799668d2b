#!/bin/sh
# Prints the path of one interpreter for each CPython from 3.11 to 3.14 that is on this machine and can build: it runs,
# makes virtual environments, and has its headers. Looks on the PATH, among pyenv's versions, and in build/pythons, where
# `make python-3.14` puts one. Free-threaded builds are left out: `make test-free-threaded` is for them.
set -u
can_build() {
    "$1" -c 'import ensurepip, os, platform, sysconfig
assert platform.python_implementation() == "CPython"
assert not sysconfig.get_config_var("Py_GIL_DISABLED")
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))' >/dev/null 2>&1
}
built=$(cd "$(dirname "$0")/../.." && pwd)/build/pythons
for version in 3.11 3.12 3.13 3.14; do
    for candidate in "$(command -v "python$version")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/"python$version" \
        "$built/$version/bin/python$version"; do
        if [ -x "$candidate" ] && can_build "$candidate"; then
            echo "$candidate"
            break
        fi
    done
done
