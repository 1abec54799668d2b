"""The type checkers, on what these tests themselves import."""

from __future__ import annotations

import pytest
from support.type_checkers import TypeCheckers, kept_by_mypy


@pytest.fixture
def checkers(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> TypeCheckers:
    return TypeCheckers(kept_by_mypy(pytestconfig, tmp_path_factory))
