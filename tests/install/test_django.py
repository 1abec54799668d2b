"""Django under `nanospan run`: its instrumentation starts when its settings are known, and breaks no application."""

from __future__ import annotations

import pytest
from install.conftest import SCRIPTS, Command
from support.extra_packages import environment_with

PACKAGES = ("django", "opentelemetry-instrumentation-django")


@pytest.mark.parametrize(
    ("arguments", "disabled", "spans"),
    [
        ([], None, ["GET pages/<int:number>"] * 2),
        (["instruments"], None, ["by the hook"] * 2),
        ([], "django", []),
        ([], "flask, django", []),
        ([], "*", []),
        ([], "flask", ["GET pages/<int:number>"] * 2),
    ],
    ids=str,
)
def test_requests_have_spans_unless_the_user_says_otherwise(
    command: Command, pytestconfig: pytest.Config, arguments: list[str], disabled: str | None, spans: list[str]
) -> None:
    python = environment_with(pytestconfig, *PACKAGES).python
    variables = {} if disabled is None else {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled}
    words = [python, str(SCRIPTS / "django_app.py"), *arguments]
    assert command.run(*words, under=python, **variables) == (0, "5 6\n", "")
    assert command.names() == spans


def test_the_variable_is_the_users_again(command: Command, pytestconfig: pytest.Config) -> None:
    python = environment_with(pytestconfig, *PACKAGES).python
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    show = f"import os; print(os.environ.get({name!r}))"
    assert command.run(python, "-c", show, under=python)[1] == "None\n"
    assert command.run(python, "-c", show, under=python, **{name: "flask"})[1] == "flask\n"
