#!/bin/sh
# All checks of the source text; a line closes each, and every one runs even if an earlier one fails.
#
#   scripts/lint/lint.sh PYTHON
#       PYTHON: an interpreter with nanospan's wheel, the group `test` and requirements/lint.txt
#
# LINT="ruff cython-lint" runs these alone.
set -u
python=$(command -v "$1")
cd "$(dirname "$0")/../.." || exit
# cython-lint calls pycodestyle by its name.
PATH=$(dirname "$python"):$PATH
failed=

c_files() {
    find csrc src docs -name build -prune -o \( -path 'csrc/*.c' -o -path 'docs/*.c' -o -name '*.h' \) -print
}

check() { # check NAME COMMAND...
    name=$1
    shift
    case " ${LINT:-$name} " in
    *" $name "*) ;;
    *) return ;;
    esac
    if "$@"; then
        echo "lint: $name: ok"
    else
        echo "lint: $name: FAILED" >&2
        failed="$failed $name"
    fi
}

check ruff ruff check --quiet src tests benchmarks soak scripts docs examples setup.py
check mypy "$python" -m mypy
check stubtest scripts/lint/stubtest.sh "$python"
# shellcheck disable=SC2046 # no name of a file has a blank
check clang-format clang-format --dry-run -Werror $(c_files)
check cython-lint cython-lint src/nanospan/_native
check cython "$python" scripts/lint/check_cython.py
[ ! -e scripts/lint/check_links.py ] || check links "$python" scripts/lint/check_links.py
[ -z "$failed" ] || { echo "lint: failed:$failed" >&2; exit 1; }
