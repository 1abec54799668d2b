"""Build of the native modules, and a source distribution that comes out the same each time; the rest is in pyproject.toml.

Environment switches, all off by default:

NANOSPAN_SANITIZE   comma list for -fsanitize= (address,undefined or thread)
NANOSPAN_COVERAGE   1: compile for gcov (scripts/coverage/coverage.sh)
SOURCE_DATE_EPOCH   seconds since 1970: the time of every file in the sdist, which then depends on their content alone

A wheel has neither debug information nor symbols, which would make it four times as large. Modules that are built in place
keep their symbols, for profilers.
"""

import copy
import gzip
import os
import platform
import re
import sys
import tarfile
from glob import glob
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import PlatformError

NATIVE = "src/nanospan/_native"

# The C sources of each extension module: one a room, which is the room's package itself, and the propagator, which few
# programs load. A C source with state of its own is linked into one module only: two copies of it would be two states.
C_SOURCES = {
    "base.__init__": ["base/ns_fork.c"],
    "context.__init__": ["context/ns_ids.c"],
    "context.propagator": [],
    "encoding.__init__": ["encoding/ns_buf.c", "encoding/ns_otlp.c", "encoding/ns_utf8.c", "encoding/ns_frame.c"],
    "contract.__init__": [
        "contract/ns_fold.c",
        "contract/ns_keys.c",
        "contract/ns_literals.c",
        "contract/ns_redact.c",
        "contract/scan/ns_scan.c",
        "contract/scan/ns_scan_neon.c",
        "contract/scan/ns_scan_tables.c",
        "contract/scan/ns_scan_x86.c",
        "contract/search/ns_card.c",
        "contract/search/ns_find.c",
        "contract/search/ns_pair.c",
        "contract/search/ns_tokens.c",
        "contract/search/ns_url.c",
        "contract/search/ns_value.c",
        "encoding/ns_buf.c",
        "encoding/ns_utf8.c",
    ],
    "queue.__init__": ["queue/ns_ring.c", "queue/ns_wake.c"],
    "sampling.__init__": ["sampling/ns_ot.c", "sampling/ns_rate_controller.c", "sampling/ns_cpu_budget.c"],
    "tail.__init__": [
        "tail/ns_trace_table.c",
        "tail/ns_trace_layout.c",
        "tail/ns_trace_chunks.c",
        "tail/ns_facts.c",
        "tail/ns_policy.c",
        "tail/ns_patch_threshold.c",
        "sampling/ns_rate_controller.c",
        "sampling/ns_ot.c",
        "queue/ns_wake.c",
    ],
    "trace.__init__": [],
    "messaging.__init__": [],
}

_RELATIVE_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")

HEADERS = (".h", ".pxd", ".pxi")


def flags() -> tuple[list[str], list[str]]:
    compile_args = [
        "-g0",  # Python's own flags have -g
        "-std=gnu11",
        "-O3",
        "-fno-strict-overflow",
        "-fno-semantic-interposition",
        "-fno-plt",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Wno-unused-function",
        "-Wno-unused-parameter",
    ]
    link_args: list[str] = []
    if sanitize := os.environ.get("NANOSPAN_SANITIZE"):
        compile_args += [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer", "-g", "-O1"]
        link_args += [f"-fsanitize={sanitize}"]
    if os.environ.get("NANOSPAN_COVERAGE") == "1":
        compile_args += ["--coverage", "-fprofile-update=atomic", "-O0"]
        link_args += ["--coverage"]
    return compile_args, link_args


def extensions() -> list[Extension]:
    compile_args, link_args = flags()
    beside = ["tests/dump_counts.c"] if os.environ.get("NANOSPAN_COVERAGE") == "1" else []
    headers = [
        path for folder in ("csrc", NATIVE) for path in glob(f"{folder}/**", recursive=True) if path.endswith(HEADERS)
    ]
    return [
        Extension(
            f"nanospan._native.{name}",
            [f"{NATIVE}/{name.replace('.', '/')}.pyx", *(f"csrc/{source}" for source in sources + beside)],
            include_dirs=["csrc", NATIVE],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
            depends=headers,
        )
        for name, sources in C_SOURCES.items()
    ]


def check_platform() -> None:
    """Raise PlatformError, before anything is compiled, where nanospan cannot run."""
    implementation = platform.python_implementation()
    if sys.platform != "linux" or implementation != "CPython":
        raise PlatformError(
            f"nanospan runs on Linux with CPython only, and this is {implementation} on {sys.platform}. "
            "Without it an application can use the SDK's own tracing: install nanospan with the marker "
            "; sys_platform == 'linux'"
        )


class ParallelBuild(build_ext):
    """Translates and compiles the modules with all CPUs, and only where modules are built: an sdist needs no C of Cython."""

    def finalize_options(self) -> None:
        check_platform()
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        # For Cython the module of a package's __init__.pyx has the package's name, which its classes bear too.
        named = [copy.copy(extension) for extension in self.extensions]
        for extension in named:
            extension.name = extension.name.removesuffix(".__init__")
        made = cythonize(
            named,
            nthreads=self.parallel,
            include_path=["src"],
            compiler_directives={
                "language_level": "3",
                "boundscheck": False,
                "wraparound": False,
                "binding": True,
                # docs/free-threading.md says what of this was run, and how.
                "freethreading_compatible": True,
            },
        )
        if not self.inplace and not {"NANOSPAN_SANITIZE", "NANOSPAN_COVERAGE"} & os.environ.keys():
            for extension in self.extensions:
                extension.extra_link_args = [*extension.extra_link_args, "-Wl,-s"]
        sources = {extension.name: extension.sources for extension in made}
        for extension in self.extensions:
            extension.sources = sources[extension.name.removesuffix(".__init__")]
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        # A C source of two modules is compiled twice at once: each needs a place of its own.
        own = copy.copy(self)
        own.build_temp = os.path.join(self.build_temp, ext.name)
        super(ParallelBuild, own).build_extension(ext)


def package_page() -> str:
    """The README for a package index, which has no other page of the repository: a link to one becomes its path."""

    def plain(link: re.Match[str]) -> str:
        picture, text, path = link.groups()
        return "" if picture else f"{text} (`{path.partition('#')[0]}`)"

    return _RELATIVE_LINK.sub(plain, Path(__file__).with_name("README.md").read_text(encoding="utf-8"))


class ReproducibleSdist(sdist):
    """Source distribution whose bytes depend on names and contents only, where SOURCE_DATE_EPOCH is set."""

    def make_archive(self, base_name: Any, format: str, *args: Any, **kwargs: Any) -> str:
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, *args, **kwargs)
        base_dir = kwargs["base_dir"]
        path = f"{base_name}.tar.gz"

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime = int(epoch)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        # tarfile walks directories in the order of their names. gzip's own header carries a name and a time too.
        with (
            open(path, "wb") as file,
            gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=plain)
        return path


# Cython's processes may import this file again.
if __name__ == "__main__":
    setup(
        cmdclass={"build_ext": ParallelBuild, "sdist": ReproducibleSdist},
        ext_modules=extensions(),
        long_description=package_page(),
        long_description_content_type="text/markdown",
    )
