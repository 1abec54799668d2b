"""Builds `nanospan_testing`: what only tests need of the native modules, by their .pxd files. Not part of a wheel.

pip install ./tests/native      in an environment that has nanospan, from a checkout or an unpacked sdist
"""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).resolve().parents[2]
STATELESS = ("tail/ns_facts.c", "tail/ns_policy.c", "sampling/ns_rate_controller.c")

setup(
    name="nanospan-testing",
    version="0",
    ext_modules=cythonize(
        Extension(
            "nanospan_testing",
            ["nanospan_testing.pyx", *(str(ROOT / "csrc" / source) for source in STATELESS)],
            include_dirs=[str(ROOT / "csrc"), str(ROOT / "src/nanospan/_native")],
            extra_compile_args=["-std=gnu11", "-O1", "-fno-strict-overflow"],
        ),
        include_path=[str(ROOT / "src")],
        compiler_directives={"language_level": "3", "binding": True, "freethreading_compatible": True},
    ),
)
