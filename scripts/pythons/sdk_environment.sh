#!/bin/sh
# A virtual environment with a release of the SDK, the wheel of nanospan and what the tests need, in build/venv/sdk-RELEASE.
#
#     sdk_environment.sh PYTHON RELEASE WHEEL      RELEASE as 1.39.0, or `newest`
#
# All packages of OpenTelemetry are of that release: 1.N.P goes with 0.(N+21)bP of those that are not stable yet.
set -eu
python=$1 release=$2 wheel=$3
venv=build/venv/sdk-$release
rm -rf "$venv"
"$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install --upgrade pip
constraints=$venv/constraints.txt
: > "$constraints"
groups="--group test"
if [ "$release" != newest ]; then
    minor=$(echo "$release" | cut -d. -f2) patch=$(echo "$release" | cut -d. -f3)
    for part in api sdk proto exporter-otlp-proto-common exporter-otlp-proto-http exporter-otlp-proto-grpc; do
        echo "opentelemetry-$part==$release" >> "$constraints"
    done
    echo "opentelemetry-semantic-conventions==0.$((minor + 21))b$patch" >> "$constraints"
    # The configuration package needs the newest SDK; its tests skip.
    "$venv/bin/python" - <<'END' > "$venv/test.txt"
import tomllib

with open("pyproject.toml", "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]


def members(group):
    for entry in groups[group]:
        if isinstance(entry, dict):
            yield from members(entry["include-group"])
        elif not entry.startswith("opentelemetry-configuration"):
            yield entry


print("\n".join(members("test")))
END
    groups="--requirement $venv/test.txt"
fi
# shellcheck disable=SC2086
pip install --constraint "$constraints" $groups "$wheel[grpc,cli]"
pip install --force-reinstall --no-deps ./tests/native
