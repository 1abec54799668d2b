#!/usr/bin/env python3
"""Checks what a wheel promises a machine that will install it, and prints a row with its sizes for each.

    python scripts/release/check_wheel.py [--oldest-glibc 2.17] WHEEL...

For each wheel: every native module needs the C library alone, and of it no symbol newer than the stated version; the tag
says no more than that; the modules are stripped and have no search path of the machine that built them; no generated C
source was packed. Needs pyelftools (it comes with auditwheel). Exit code 1 and one line for each fault.
"""

import argparse
import io
import re
import sys
import zipfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# libpthread and libm are parts of glibc before 2.34 and symbolic names of it since; the loaders come with it.
LIBRARIES = re.compile(r"(libc|libm|libpthread|ld-linux-[a-z0-9-]+)\.so\.\d+$")
MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}

Version = tuple[int, ...]


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def module_faults(elf: ELFFile, machine: str, oldest: Version) -> tuple[list[str], Version]:
    """The faults of one native module, and the newest glibc version among the symbols it needs."""
    faults = []
    newest: Version = (0,)
    if MACHINES.get(elf["e_machine"]) != machine:
        faults.append(f"is for {elf['e_machine']}")
    for section in elf.iter_sections():
        if section.name == ".symtab" or section.name.startswith(".debug"):
            faults.append(f"is not stripped ({section.name})")
        if isinstance(section, DynamicSection):
            for tag in section.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED" and not LIBRARIES.match(tag.needed):
                    faults.append(f"needs {tag.needed}")
                if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
                    faults.append("has a library search path")
        if isinstance(section, GNUVerNeedSection):
            for _, needed in section.iter_versions():
                for auxiliary in needed:
                    if (found := re.fullmatch(r"GLIBC_([0-9.]+)", auxiliary.name)) is None:
                        faults.append(f"needs {auxiliary.name}")
                        continue
                    version = tuple(map(int, found[1].split(".")))
                    newest = max(newest, version)
                    if version > oldest:
                        faults.append(f"needs {auxiliary.name}, stated is {dotted(oldest)}")
    return faults, newest


def wheel_faults(path: Path, oldest: Version) -> tuple[list[str], str]:
    """The faults of one wheel, and its row: name, newest glibc symbol, modules, packed and unpacked sizes."""
    faults = []
    tags = re.findall(r"manylinux_(\d+)_(\d+)_(\w+?)(?=\.|$)", path.stem)
    if not tags:
        return [f"{path.name}: no manylinux tag"], ""
    machine = tags[0][2]
    if min((int(major), int(minor)) for major, minor, _ in tags) > oldest:
        faults.append(f"{path.name}: the tag asks for more than glibc {dotted(oldest)}")
    newest: Version = (0,)
    modules = unpacked = native = 0
    with zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            unpacked += item.file_size
            if item.filename.endswith((".c", ".pyx", ".pxi")):
                faults.append(f"{path.name}: {item.filename} was packed")
            if not item.filename.endswith(".so"):
                continue
            modules += 1
            native += item.file_size
            found, needs = module_faults(ELFFile(io.BytesIO(archive.read(item))), machine, oldest)
            faults += [f"{path.name}: {item.filename} {fault}" for fault in found]
            newest = max(newest, needs)
    if not modules:
        faults.append(f"{path.name}: no native modules")
    packed = path.stat().st_size
    row = (
        f"| `{path.name}` | {dotted(newest)} | {modules} | {packed / 1e6:.2f} | {unpacked / 1e6:.2f} | {native / 1e6:.2f} |"
    )
    return faults, row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oldest-glibc", default="2.17", help="the oldest glibc the wheels may need (2.17)")
    parser.add_argument("wheels", nargs="+", type=Path)
    arguments = parser.parse_args()
    oldest = tuple(map(int, arguments.oldest_glibc.split(".")))
    faults = []
    print("| Wheel | newest glibc symbol | modules | packed (MB) | unpacked (MB) | modules (MB) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for wheel in arguments.wheels:
        found, row = wheel_faults(wheel, oldest)
        faults += found
        print(row)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
