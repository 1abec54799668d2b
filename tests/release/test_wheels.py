"""What is released: which wheels, what they need of the machine, with what they are built, and the bill of materials."""

import importlib.util
import json
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nanospan._native

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
# Each needs a C library at least that old: glibc 2.17 is of 2012, what manylinux_2_17 stands for.
OLDEST_GLIBC = (2, 17)


def script(name: str) -> ModuleType:
    path = ROOT / "scripts" / "release" / f"{name}.py"
    if not path.exists():
        pytest.skip("scripts/ is not here: not a source tree")
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pyproject() -> dict[str, Any]:
    return tomllib.loads(PYPROJECT.read_text())


def pins(name: str) -> dict[str, str]:
    path = ROOT / "requirements" / name
    if not path.exists():
        pytest.skip("requirements/ is not here: not a source tree")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.M))


# --- which wheels -------------------------------------------------------------------------------------------------------


def test_cibuildwheel_builds_the_wheels_that_are_listed() -> None:
    pytest.importorskip("cibuildwheel", reason="cibuildwheel is not installed")
    command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers", "--platform", "linux"]
    result = subprocess.run([*command, "--archs", "x86_64,aarch64", str(ROOT)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    listed = Path(__file__).with_name("wheel_identifiers.txt").read_text().split()
    assert sorted(result.stdout.split()) == listed


def test_the_list_is_every_python_on_every_c_library_and_machine() -> None:
    listed = Path(__file__).with_name("wheel_identifiers.txt").read_text().split()
    assert set(listed) == {
        f"{python}-{libc}_{machine}"
        for python in ("cp311", "cp312", "cp313", "cp314", "cp314t")
        for libc in ("manylinux", "musllinux")
        for machine in ("x86_64", "aarch64")
    }


# --- what a wheel needs of the machine ----------------------------------------------------------------------------------


def test_native_modules_need_no_newer_glibc_than_stated() -> None:
    elffile = pytest.importorskip("elftools.elf.elffile", reason="pyelftools is not installed")
    check = script("check_wheel")
    modules = sorted(Path(nanospan._native.__path__[0]).rglob("*.so"))
    assert len(modules) == 10
    for path in modules:
        with path.open("rb") as file:
            elf = elffile.ELFFile(file)
            faults, newest = check.module_faults(elf, check.MACHINES[elf["e_machine"]], OLDEST_GLIBC)
        assert newest <= OLDEST_GLIBC, path.name
        # A wheel built for these tests alone may have debug information and the search path of its interpreter. A sanitizer
        # or gcov, where the build has one, is a library that the wheels of a release are checked not to need.
        assert [fault for fault in faults if "GLIBC" in fault] == [], path.name


def skip_unless_it_can_build() -> None:
    # Not imported: where a test before has imported pip, setuptools cannot be imported any more.
    for name in ("setuptools", "Cython"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    if not (ROOT / "setup.py").exists():
        pytest.skip("setup.py is not here: not a source tree")


def test_the_page_of_a_package_index_has_no_dead_link() -> None:
    skip_unless_it_can_build()
    show = f"import runpy; print(runpy.run_path({str(ROOT / 'setup.py')!r})['package_page']())"
    page = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=120, check=True).stdout
    targets = re.findall(r"\]\(([^)]*)\)", page)
    assert targets and all(target.startswith(("https://", "#")) for target in targets)
    paths = re.findall(r"\(`([^`]+)`\)", page)
    assert "docs/operations.md" in paths
    assert [path for path in paths if path.endswith(".md") and not (ROOT / path).exists()] == []


@pytest.mark.parametrize(("system", "implementation"), [("darwin", "CPython"), ("win32", "CPython"), ("linux", "PyPy")])
def test_where_it_cannot_run_nothing_is_compiled(tmp_path: Path, system: str, implementation: str) -> None:
    skip_unless_it_can_build()
    pretend = f"""
import platform, runpy, setuptools.command.build_ext, setuptools.command.sdist, setuptools.errors, Cython.Build, sys
sys.platform, platform.python_implementation = {system!r}, lambda: {implementation!r}
Cython.Build.cythonize = None
sys.argv = ["setup.py", "build_ext", "--build-lib", "lib", "--build-temp", "temp"]
runpy.run_path({str(ROOT / "setup.py")!r}, run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", pretend], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    says = f"error: nanospan runs on Linux with CPython only, and this is {implementation} on {system}."
    assert ended.stderr.startswith(says) and len(ended.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.*o"))


def test_a_module_that_is_not_fit_for_a_wheel_is_found_out(tmp_path: Path) -> None:
    elffile = pytest.importorskip("elftools.elf.elffile", reason="pyelftools is not installed")
    check = script("check_wheel")
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    source, library, module = tmp_path / "other.c", tmp_path / "libother.so", tmp_path / "module.so"
    source.write_text("#include <stdlib.h>\nvoid *other(void) { return malloc(1); }\n")
    subprocess.run(["cc", "-g", "-shared", "-fPIC", "-Wl,-soname,libother.so", source, "-o", library], check=True)
    subprocess.run(
        ["cc", "-g", "-shared", "-fPIC", "-Wl,--no-as-needed", "-Wl,-rpath,/somewhere", source, library, "-o", module],
        check=True,
    )
    with module.open("rb") as file:
        elf = elffile.ELFFile(file)
        faults, _ = check.module_faults(elf, check.MACHINES[elf["e_machine"]], (2, 0))
        other_machine = check.module_faults(elf, "riscv64", (99, 0))[0]
    found = "\n".join(faults)
    assert "needs libother.so" in found
    assert "has a library search path" in found
    assert "is not stripped (.symtab)" in found
    assert "is not stripped (.debug_info)" in found
    if platform.libc_ver()[0] == "glibc":
        assert re.search(r"needs GLIBC_[0-9.]+, stated is 2\.0", found)
    assert any(fault.startswith("is for EM_") for fault in other_machine)


# --- with what it is built ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["build.txt", "release.txt"])
def test_pins_lie_in_the_ranges_that_the_build_requires(name: str) -> None:
    requirements = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    pinned = pins(name)
    for required in map(requirements.Requirement, pyproject()["build-system"]["requires"]):
        assert required.specifier.contains(pinned[required.name.lower()]), required


@pytest.mark.parametrize("name", ["build.txt", "release.txt"])
def test_every_pin_has_hashes_and_none_names_a_registry(name: str) -> None:
    pinned = pins(name)
    text = (ROOT / "requirements" / name).read_text()
    for requirement in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement
    assert len(pinned) >= 2
    assert "://" not in text and "--index-url" not in text and "--find-links" not in text


# --- the bill of materials ----------------------------------------------------------------------------------------------


def bill_of(tmp_path: Path, content: bytes) -> dict[str, Any]:
    sbom = script("sbom")
    pins("release.txt")
    sdist = tmp_path / "nanospan.tar.gz"
    sdist.write_bytes(content)
    result: dict[str, Any] = sbom.bill(sdist, pyproject()["project"], 1_700_000_000)
    return result


def test_the_bill_names_what_runs_what_is_optional_and_what_builds(tmp_path: Path) -> None:
    project = pyproject()["project"]
    bill = bill_of(tmp_path, b"sdist")
    scopes: dict[str, set[str]] = {}
    for component in bill["components"]:
        scopes.setdefault(component["scope"], set()).add(component["name"])
    plain = {re.split(r"[<>=!~ ]", requirement)[0] for requirement in project["dependencies"]}
    assert scopes["required"] == plain
    optional = {
        re.split(r"[<>=!~ ]", requirement)[0]
        for requirements in project["optional-dependencies"].values()
        for requirement in requirements
    }
    assert scopes["optional"] == optional - plain
    assert scopes["excluded"] == set(pins("release.txt"))
    assert bill["dependencies"][0]["dependsOn"] == sorted(f"pkg:pypi/{name}" for name in plain)
    assert bill["metadata"]["component"]["version"] == project["version"]


def test_the_same_sdist_gives_the_same_bill_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (json.dumps(bill_of(tmp_path, content)) for content in (b"sdist", b"sdist", b"other"))
    assert first == again
    assert first != other
