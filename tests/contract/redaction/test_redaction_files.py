"""Policies in files, the Collector's options both ways, and the command that prints them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from nanospan.contract.redaction import DETECTORS, Redaction, SensitiveKey
from nanospan.contract.redaction._file import arguments_of
from nanospan.contract.redaction._policy import field_names

NAMES = field_names()

POLICIES = {
    "default": Redaction(),
    "everything": Redaction(
        keys=["token", SensitiveKey("iban", match="whole", weak=True), SensitiveKey("x-auth", line=True)],
        extra_keys=["pin"],
        detectors=["pair", "jwt"],
        action="keep_last_4",
        actions={"enduser.id": "drop", "a.b": "mask"},
        blocked_key_patterns=["^internal[.]"],
        blocked_values=["CANARY", "x[0-9]{2}"],
        ignored_keys=["a"],
        ignored_key_patterns=["^b"],
        allowed_keys=["c", "d"],
        url_keys=["e"],
        marker="***",
        max_bytes_scanned=2048,
    ),
    "no keys": Redaction(keys=[], detectors=[]),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("format", ["yaml", "json"])
def test_a_policy_comes_back_from_its_file(
    policy: Redaction, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"policy.{format}"
    if format == "yaml":
        pytest.importorskip("yaml")
        pytest.importorskip("click")
        from nanospan.cli.contract.yaml_text import yaml_text

        file.write_text(yaml_text(policy.as_file()))
    else:
        monkeypatch.setitem(sys.modules, "yaml", None)
        file.write_text(json.dumps(policy.as_file()))
    assert Redaction.from_file(file) == policy


def test_an_empty_file_is_the_default_policy(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "policy.yaml"
    file.write_text("# nothing\n")
    assert Redaction.from_file(file) == Redaction.default()


def test_the_options_of_the_collector() -> None:
    options = {
        "allow_all_keys": True,
        "blocked_key_patterns": [".*token$"[2:], "api_key"],
        "blocked_values": ["4[0-9]{12}(?:[0-9]{3})?"],
        "ignored_keys": ["safe"],
        "ignored_key_patterns": ["^safe[.]"],
        "hash_function": "hmac-sha256",
        "hmac_key": "k" * 32,
        "redact_all_types": True,
        "summary": "info",
        "url_sanitizer": {"enabled": False},
        "db_sanitizer": {"enabled": False},
    }
    policy = Redaction(**arguments_of({"processors": {"batch": {}, "redaction/x": options}}, NAMES))
    assert policy == Redaction(
        action="hash",
        blocked_key_patterns=["token$", "api_key"],
        blocked_values=["4[0-9]{12}(?:[0-9]{3})?"],
        ignored_keys=["safe"],
        ignored_key_patterns=["^safe[.]"],
        hash_key=b"k" * 32,
    )
    assert Redaction(**arguments_of(options, NAMES)) == policy
    # As in the processor, what is not allowed is dropped.
    closed = Redaction(**arguments_of({"allow_all_keys": False, "allowed_keys": ["a"]}, NAMES))
    assert closed._key_facts("b") == ("drop", 2) and closed._key_facts("a") is None


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        (["a"], TypeError, "a policy must be a mapping"),
        ({"keyz": []}, ValueError, "keyz is no option of a policy; accepted are action, actions, allow_all_keys"),
        ({"keys": [{"nam": "x"}]}, TypeError, r"keys\[0\] must be a string, or have name"),
        ({"allow_all_keys": True, "marker": "x"}, ValueError, "marker cannot stand beside allow_all_keys"),
        ({"allow_all_keys": "yes"}, TypeError, "allow_all_keys must be true or false"),
        ({"allow_all_keys": True, "allowed_values": ["x"]}, ValueError, "allowed_values lets a value pass"),
        (
            {"allow_all_keys": True, "hash_function": "md5"},
            ValueError,
            "hash_function must be hmac-sha256 or none, not 'md5'",
        ),
        ({"allow_all_keys": True, "hash_function": "hmac-sha256"}, ValueError, "hmac_key must be given"),
        ({"allow_all_keys": True, "url_sanitizer": {"enabled": True}}, ValueError, "url_sanitizer replaces"),
        ({"allow_all_keys": True, "db_sanitizer": {"sql": {}}}, ValueError, "db_sanitizer replaces"),
        ({"processors": {"batch": {}}}, ValueError, "processors must hold one redaction processor, not 0"),
    ],
)
def test_a_wrong_file_is_refused(document: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        arguments_of(document, NAMES)


@pytest.mark.parametrize(("text", "message"), [("{", "is not"), ("a: [", "is not"), ("x" * (1024 * 1024 + 1), "bytes")])
def test_a_file_that_cannot_be_read_as_one(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        Redaction.from_file(file)
    with pytest.raises(OSError, match="missing"):
        Redaction.from_file(tmp_path / "missing")


SECRETS = {
    "pair": ["https://h/?token=abc&keep=ok", '{"password": "x"}', "api-key: abc", "x?sig=abc"],
    "userinfo": ["https://user:p@ss@host/p"],
    "jwt": ["x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln y"],
    "credentials": ["Bearer abcdef123", "Basic dXNlcjpwYXNz"],
    "email": ["mail bob@example.com"],
    "card": ["4111 1111 1111 1111", "5555555555554444", "3782 822463 10005"],
    "private_key": ["-----BEGIN RSA PRIVATE KEY-----\nMIIE"],
    "service_key": ["AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "glpat-abcdefghijklmnopqrst"],
}
INNOCENTS = [
    "https://api.example.com/v1/items?page=2",
    "SELECT * FROM users WHERE id = %s",
    "123e4567-e89b-12d3-a456-426614174000",
    "0af7651916cd43dd8448eb211c80319c",
    "2026-11-30T22:10:59.123456Z",
    "author=bob&tokenizer=bpe&keyboard=us",
]


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_exported_policy_finds_what_the_policy_finds(detector: str) -> None:
    """The expressions are of RE2's syntax without what `re` lacks, so that `re` can run them here."""
    options = Redaction(detectors=[detector]).as_collector()["processors"]["redaction/nanospan"]
    patterns = [re.compile(text) for text in options["blocked_values"]]
    for secret in SECRETS[detector]:
        assert any(pattern.search(secret) for pattern in patterns), secret
    for innocent in INNOCENTS:
        assert not any(pattern.search(innocent) for pattern in patterns), innocent


@pytest.mark.parametrize(
    "key", ["http.request.header.authorization", "user_password", "x.sig", "accessToken", "api-key", "api_key"]
)
def test_the_exported_policy_blocks_sensitive_keys(key: str) -> None:
    options = Redaction().as_collector()["processors"]["redaction/nanospan"]
    assert any(re.search(text, key) for text in options["blocked_key_patterns"])
    assert not any(re.search(text, "app.author") for text in options["blocked_key_patterns"])


def test_the_export_says_all_that_it_can() -> None:
    policy = POLICIES["everything"]
    options = policy.as_collector()["processors"]["redaction/nanospan"]
    assert options["allow_all_keys"] is False and options["allowed_keys"] == ["c", "d"]
    assert options["ignored_keys"] == ["a"] and options["ignored_key_patterns"] == ["^b"]
    assert {"^internal[.]", "^a\\.b$"} <= set(options["blocked_key_patterns"])
    assert {"CANARY", "x[0-9]{2}"} <= set(options["blocked_values"])
    hashed = Redaction(action="hash", hash_key=b"k" * 32).as_collector()["processors"]["redaction/nanospan"]
    assert (hashed["hash_function"], hashed["hmac_key"]) == ("hmac-sha256", "${env:NANOSPAN_REDACTION_HASH_KEY}")


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str, variable: str | None = None) -> Any:
    pytest.importorskip("click")
    from click.testing import CliRunner

    from nanospan.cli.commands import nanospan

    return CliRunner().invoke(nanospan, ["contract", *arguments], env={"OTEL_PYTHON_NANOSPAN_REDACT": variable})


def test_the_command_prints_the_policy_for_the_collector(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICIES["everything"].as_file()))
    for result in (run("--as-collector", "--redact", str(file)), run("--as-collector", variable=str(file))):
        assert result.exit_code == 0, result.output
        assert yaml.safe_load(result.output) == POLICIES["everything"].as_collector()
        assert "# Not as in the process: the actions of enduser.id are left out." in result.output
    assert yaml.safe_load(run("--as-collector").output) == Redaction().as_collector()


def test_the_command_prints_the_policy_as_a_file(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "policy.yaml"
    file.write_text(run().output)
    assert Redaction.from_file(file) == Redaction()


def test_the_command_refuses_a_wrong_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"action": "delete"}')
    result = run("--redact", str(file))
    assert result.exit_code == 2
    assert "action must be one of" in result.output
