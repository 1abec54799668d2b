#!/usr/bin/env python3
"""Writes the bill of materials of an sdist: CycloneDX 1.6, JSON.

    python scripts/release/sbom.py SDIST --output DIRECTORY

Everything in it is read from pyproject.toml and requirements/: what nanospan needs to run (required), what its extras add
(optional), and what the release build uses, with pinned versions and the hashes they are held to (excluded: none of it is in
a wheel). Ranges stand as they are declared, because the installer chooses the versions that run. The same sdist gives the
same file: serial number and time follow from its SHA-256 and SOURCE_DATE_EPOCH.
"""

import argparse
import hashlib
import json
import os
import re
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<range>[^;]*)")


def purl(name: str, version: str | None = None) -> str:
    return f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}" + (f"@{version}" if version else "")


def declared(requirement: str, scope: str, extra: str | None = None) -> dict[str, Any]:
    """A component for a requirement with a range, as pyproject.toml states it."""
    found = REQUIREMENT.match(requirement)
    assert found is not None, requirement
    properties = [{"name": "nanospan:range", "value": found["range"].strip() or "any"}]
    if extra:
        properties.append({"name": "nanospan:extra", "value": extra})
    name = found["name"]
    return {
        "type": "library",
        "bom-ref": purl(name),
        "name": name,
        "purl": purl(name),
        "scope": scope,
        "properties": properties,
    }


def pinned(path: Path) -> list[dict[str, Any]]:
    """A component for each requirement of a file that pip-compile wrote."""
    components = []
    for name, version, hashes in re.findall(
        r"^([A-Za-z0-9._-]+)==(\S+) \\\n((?:\s+--hash=\S+.*\n?)+)", path.read_text(), re.M
    ):
        components.append(
            {
                "type": "library",
                "bom-ref": purl(name, version),
                "name": name,
                "version": version,
                "purl": purl(name, version),
                "scope": "excluded",
                "properties": [
                    {"name": "nanospan:build-sha256", "value": digest}
                    for digest in re.findall(r"sha256:([0-9a-f]{64})", hashes)
                ],
            }
        )
    return components


def bill(sdist: Path, project: dict[str, Any], epoch: int) -> dict[str, Any]:
    """The whole document for an sdist of the project."""
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    subject = purl(project["name"], project["version"])
    components = {
        component["bom-ref"]: component
        for component in [
            *pinned(ROOT / "requirements" / "release.txt"),
            *(
                declared(requirement, "optional", extra)
                for extra, requirements in project["optional-dependencies"].items()
                for requirement in requirements
            ),
            *(declared(requirement, "required") for requirement in project["dependencies"]),
        ]
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'sha256:{digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "library",
                "bom-ref": subject,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
                "purl": subject,
                "licenses": [{"license": {"id": project["license"]}}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
        },
        "components": [components[reference] for reference in sorted(components)],
        "dependencies": [
            {
                "ref": subject,
                "dependsOn": sorted(ref for ref, component in components.items() if component["scope"] == "required"),
            }
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sdist", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="directory to write to")
    arguments = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", arguments.sdist.stat().st_mtime))
    path = arguments.output / f"{project['name']}-{project['version']}.cdx.json"
    path.write_text(json.dumps(bill(arguments.sdist, project, epoch), indent=2) + "\n")
    print(path)


if __name__ == "__main__":
    main()
