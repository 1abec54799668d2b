#!/bin/sh
# Prints the path of one interpreter for each CPython from 3.11 to 3.13 that is on this machine and can build: it runs,
# makes virtual environments, and has its headers. Looks on the PATH and among pyenv's versions.
set -u
can_build() {
    "$1" -c 'import ensurepip, os, platform, sysconfig
assert platform.python_implementation() == "CPython"
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))' >/dev/null 2>&1
}
for version in 3.11 3.12 3.13; do
    for candidate in "$(command -v "python$version")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/"python$version"; do
        if [ -x "$candidate" ] && can_build "$candidate"; then
            echo "$candidate"
            break
        fi
    done
done
