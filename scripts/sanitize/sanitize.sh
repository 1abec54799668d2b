#!/bin/sh
# Everything that looks for errors of memory and of threads, one part after the other; a line closes each. The first report
# ends it with a status other than zero.
#
#   scripts/sanitize/sanitize.sh PYTHON
#
#   csrc, ASan + UBSan + LeakSanitizer    unit tests, stress, smoke runs of the fuzz targets
#   csrc, TSan                            the same
#   csrc, valgrind memcheck               the same, with fewer repetitions; leaks too
#   modules, ASan + UBSan + LeakSanitizer src/nanospan/_native in CPython, under the tests named in sanitize_modules.sh
#
# SANITIZE_PARTS="valgrind modules" runs these alone; the parts are address, thread, valgrind, modules.
set -eu
python=${1:-python3}
here=$(cd "$(dirname "$0")/../.." && pwd)
parts=${SANITIZE_PARTS:-address thread valgrind modules}
log=$here/build/sanitize
mkdir -p "$log"

missing() {
    echo "sanitize: $1 is missing: $2" >&2
    exit 1
}

# Whether the compiler links a program under a sanitizer, and whether such a program starts.
require_sanitizer() {
    echo 'int main(void) { return 0; }' > "$log/probe.c"
    ${CC:-cc} "-fsanitize=$1" -pthread "$log/probe.c" -o "$log/probe" 2> "$log/probe.log" \
        || missing "the runtime of -fsanitize=$1" "it comes with gcc, or libclang-rt for clang"
    "$log/probe" || missing "a machine where -fsanitize=$1 works" "a program under it does not start here"
}

# check_csrc NAME ARGUMENTS...: the checks of csrc/; what they print is kept, and shown if one of them fails.
check_csrc() {
    name=$1
    shift
    if ! make --no-print-directory -C "$here/csrc" check "$@" > "$log/$name.log" 2>&1; then
        cat "$log/$name.log"
        echo "sanitize: csrc, $name: FAILED" >&2
        exit 1
    fi
    echo "sanitize: csrc, $name: no report, $(grep -c ': ok' "$log/$name.log") programs"
}

command -v "${CC:-cc}" > /dev/null || missing "a C compiler" "${CC:-cc}"
for part in $parts; do
    case $part in
    address)
        require_sanitizer address,undefined
        ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1 check_csrc address-undefined-leak SANITIZE=address,undefined
        ;;
    thread)
        require_sanitizer thread
        TSAN_OPTIONS=halt_on_error=1 check_csrc thread SANITIZE=thread
        ;;
    valgrind)
        command -v valgrind > /dev/null || missing valgrind "Debian's package valgrind"
        check_csrc valgrind VALGRIND=1
        ;;
    modules)
        require_sanitizer address,undefined
        "$here/scripts/sanitize/sanitize_modules.sh" "$python"
        ;;
    *)
        missing "the part $part" "there are address, thread, valgrind and modules"
        ;;
    esac
done
