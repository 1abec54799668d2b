"""The types that users see: both checkers accept public_types.py, and mypy reports a type that is wrong there."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="grpcio is not installed: a module of the public API needs it")

PUBLIC_TYPES = Path(__file__).with_name("public_types.py")


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_public_types(checkers, checker):
    assert checkers.check(checker, PUBLIC_TYPES) == []


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("processor.stats(), ProcessorStats", "processor.stats(), list[str]", 'Expression is of type "ProcessorStats"'),
        ("held.policy_names, tuple[str, ...]", "held.policy_names, list[str]", 'Expression is of type "tuple[str, ...]"'),
        ("decorated(1, text", 'decorated("1", text', 'Argument 1 to "decorated"'),
        ('tail.Latency("1000")', "tail.Latency(1000)", 'Unused "type: ignore" comment'),
    ],
)
def test_a_wrong_type_is_reported(checkers, tmp_path, right, wrong, message):
    text = PUBLIC_TYPES.read_text()
    assert text.count(right) == 1
    file = tmp_path / "public_types.py"
    file.write_text(text.replace(right, wrong))
    (error,) = checkers.check("mypy", file)
    assert message in error.message
