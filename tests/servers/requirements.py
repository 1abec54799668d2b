"""What a server needs of the machine and of the package registry."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from servers.table import Configuration
from support.extra_packages import Environment, environment_with


def environment_of(request: pytest.FixtureRequest, configuration: Configuration) -> Environment:
    """The environment with the packages of ``configuration``; skips where something is missing."""
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what needs other packages")
    if configuration.packages == ("mod_wsgi",) and shutil.which("apxs") is None:
        pytest.skip("mod_wsgi needs Apache and its apxs (apache2-dev)")
    if configuration.prefix and subprocess.run([*configuration.prefix, "true"], capture_output=True).returncode:
        pytest.skip(f"this user cannot run {configuration.prefix[0]}, and Apache serves nothing as root")
    return environment_with(request.config, *configuration.packages)
