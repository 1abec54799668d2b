#!/usr/bin/env bash
# Builds the sdist twice from copies of the tree that differ in all that must not matter: directory, times and order of the
# files, umask, time zone, locale. Fails unless both are the same byte for byte, and prints their SHA-256.
#
#   scripts/release/sdist_twice.sh PYTHON
#
# SOURCE_DATE_EPOCH defaults to the time of the last commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=build/venv/release
[ -x "$tools/bin/python" ] || "$1" -m venv "$tools"
"$tools/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/release.txt
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y pyproject.toml)}
export SOURCE_DATE_EPOCH
python=$PWD/$tools/bin/python
twice=build/sdist-twice
rm -rf "$twice"
mkdir -p "$twice/first/tree" "$twice/second/another/place"
list() { find . -type f -not -path './.*' -not -path './build/*' -not -path '*/build/*' -not -path '*/__pycache__/*' \
    -not -path '*.egg-info/*'; }
list | sort | tar cf - --files-from - | tar xf - -C "$twice/first/tree"
list | sort -r | tar cf - --files-from - | tar xmf - -C "$twice/second/another/place"
(umask 022 && cd "$twice/first/tree" && TZ=UTC "$python" -m build --no-isolation --sdist \
    --outdir "$PWD/../out" . > ../log 2>&1) || { tail -20 "$twice/first/log"; exit 1; }
chmod -R go-rwx "$twice/second"
(umask 077 && cd "$twice/second/another/place" && TZ=Asia/Tokyo LC_ALL=C "$python" -m build --no-isolation --sdist \
    --outdir "$PWD/../../out" . > ../../log 2>&1) || { tail -20 "$twice/second/log"; exit 1; }
sha256sum "$twice"/*/out/*.tar.gz
cmp "$twice"/first/out/*.tar.gz "$twice"/second/out/*.tar.gz
# The bill of materials takes its time from here.
touch --date="@$SOURCE_DATE_EPOCH" "$twice"/*/out/*.tar.gz
echo "the same byte for byte (SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH)"
