"""Runs one fuzz target under atheris: python run.py TARGET [libFuzzer's options] CORPUS...

Python code is instrumented as it is imported. Native modules guide the fuzzer too if they are built with clang and
its coverage counters, as scripts/sanitize/fuzz_bindings.sh does.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import atheris

TESTS = Path(__file__).parent.parent


def main() -> None:
    _, target, *options = sys.argv
    sys.path.insert(0, str(TESTS))
    with atheris.instrument_imports(include=["nanospan", "fuzz"]):
        check = importlib.import_module(f"fuzz.{target}").check
    atheris.Setup([sys.argv[0], *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
