"""What the packages of OpenTelemetry's semantic conventions for JavaScript, Java and Python say about attributes.

None of them carries the registry's YAML. The one for JavaScript has every deprecation, stability and enum member, as text;
the one for Java has the types; the one for Python is compared with both. Each is fetched by the client of its own registry.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NPM = "@opentelemetry/semantic-conventions@1.45.0"
MAVEN = ("opentelemetry-semconv-incubating:1.45.0-alpha", "opentelemetry-semconv:1.45.0")
PYPI = ("opentelemetry-semantic-conventions==0.66b2", "sentry-conventions==0.29.0")
VERSION = "1.45.0"

_JAVA_TYPES = {
    "Boolean": "boolean",
    "Double": "double",
    "Long": "int",
    "String": "string",
    "List<Long>": "int[]",
    "List<String>": "string[]",
}
_JAVA_KEY = re.compile(r"AttributeKey(Template)?<([\w<>]+)>\s+[A-Z0-9_]+\s*=\s*\w+\(\s*\"([^\"]+)\"")
# A comment of JSDoc, without those inside it, and the constant after it.
_NPM_CONSTANT = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\s*const ([A-Z0-9_]+) = (.*?);\n", re.DOTALL)
_NPM_TEMPLATE = re.compile(r"\(key\) => `([^$]+)\$\{key\}`")
_PYTHON_CONSTANT = re.compile(r'^[A-Z0-9_]+: Final = "([^"]+)"\n"""(.*?)"""', re.DOTALL | re.MULTILINE)


@dataclass
class Attribute:
    """One attribute. The key of a template ends with ``.<key>``."""

    key: str
    stable: bool = False
    type: str = "any"
    deprecated: str | None = None
    """The text of the deprecation."""
    members: dict[str | int, str | None] = field(default_factory=dict)
    """The members of an enum, each with the text of its deprecation."""


def fetch(folder: Path) -> None:
    """Download the packages into ``folder``; clients read their usual configuration. Raises CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", "--silent", NPM], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    for artifact in MAVEN:
        arguments = [f"-Dartifact=io.opentelemetry.semconv:{artifact}:jar:sources", f"-DoutputDirectory={folder}"]
        subprocess.run(["mvn", "-q", "-B", copy, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--dest",
        str(folder),
    ]
    subprocess.run([*pip, *PYPI], check=True)


def attributes(folder: Path) -> dict[str, Attribute]:
    """The attributes of `NPM` with the types of `MAVEN`, from the packages in ``folder``."""
    found: dict[str, Attribute] = {}
    constants: dict[str, Attribute] = {}
    members: list[tuple[str, str, str]] = []
    for part in ("experimental", "stable"):
        for comment, name, value in _npm_constants(folder, part):
            if name.startswith("ATTR_"):
                template = _NPM_TEMPLATE.fullmatch(value)
                key = f"{template[1]}<key>" if template else value.strip('"')
                one = constants[name] = found.setdefault(key, Attribute(key))
                one.stable |= part == "stable"
                one.deprecated = _deprecation(comment) or one.deprecated
            elif of := re.search(r"Enum value .*? for attribute \{@link (ATTR_[A-Z0-9_]+)\}", comment):
                members.append((of[1], value, comment))
    for of_constant, value, comment in members:
        member = value.strip('"') if value.startswith('"') else int(value)
        constants[of_constant].members[member] = _deprecation(comment)
    for key, kind in _java_types(folder).items():
        if key in found:
            found[key].type = kind
    for one in found.values():
        if one.type == "any" and one.members:
            one.type = "string" if all(isinstance(member, str) for member in one.members) else "int"
    return found


def python_attributes(folder: Path) -> dict[str, str | None]:
    """By key what the package for Python says of its deprecation; templates end with nothing there."""
    found: dict[str, str | None] = {}
    with zipfile.ZipFile(next(folder.glob("opentelemetry_semantic_conventions-*.whl"))) as wheel:
        for name in sorted(wheel.namelist()):
            if "/attributes/" in name and name.endswith(".py"):
                for key, text in _PYTHON_CONSTANT.findall(wheel.read(name).decode()):
                    found.setdefault(key, None)
                    if "Deprecated: " in text:
                        found[key] = " ".join(text.split("Deprecated: ", 1)[1].split())
    return found


def sentry_types(folder: Path) -> dict[str, str]:
    """The types in the package ``sentry-conventions`` of the attributes that OpenTelemetry has too."""
    with zipfile.ZipFile(next(folder.glob("sentry_conventions-*.whl"))) as wheel:
        source = wheel.read("sentry_conventions/attributes.py").decode()
    types = {"BOOLEAN": "boolean", "DOUBLE": "double", "INTEGER": "int", "STRING": "string", "STRING_ARRAY": "string[]"}
    entry = re.compile(
        r'^    "([^"]+)": AttributeMetadata\((?:(?!^    \),).)*?type=AttributeType\.([A-Z_]+),'
        r"(?:(?!^    \),).)*?is_in_otel=True",
        re.DOTALL | re.MULTILINE,
    )
    return {key: types[kind] for key, kind in entry.findall(source) if kind in types}


def _npm_constants(folder: Path, part: str) -> Iterator[tuple[str, str, str]]:
    with tarfile.open(next(folder.glob("opentelemetry-semantic-conventions-*.tgz"))) as archive:
        member = archive.extractfile(f"package/dist/{part}_attributes.mjs")
        assert member is not None
        source = member.read().decode()
    yield from _NPM_CONSTANT.findall(source)


def _deprecation(comment: str) -> str | None:
    _, tag, text = comment.partition("@deprecated")
    return " ".join(line.strip(" *") for line in text.splitlines()).strip() if tag else None


def _java_types(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.glob("opentelemetry-semconv-*-sources.jar"):
        with zipfile.ZipFile(path) as jar:
            for name in jar.namelist():
                if name.endswith("Attributes.java"):
                    for template, kind, key in _JAVA_KEY.findall(jar.read(name).decode()):
                        found[f"{key}.<key>" if template else key] = _JAVA_TYPES[kind]
    return found
