# Sourced helper: the verdict of a test run under sanitizers.
# shellcheck shell=sh
#
#   verdict STATUS REPORTS WHAT SANITIZERS    the tests' exit status, the folder of their log and of the sanitizers' reports;
#                                             shows what failed and was reported, and then fails

verdict() {
    if [ "$1" -ne 0 ]; then
        tail -60 "$2/tests.log"
        echo "sanitize: $3, tests: FAILED" >&2
    fi
    failed=$1
    for report in "$2"/report*; do
        [ -e "$report" ] || continue
        failed=1
        cat "$report"
    done
    if [ "$failed" -ne 0 ]; then
        echo "sanitize: $3, $4: FAILED" >&2
        exit 1
    fi
    passed=$(grep -oE '[0-9]+ passed' "$2/tests.log" | tr '\n' ',')
    echo "sanitize: $3, $4: no report, ${passed%,}"
}
