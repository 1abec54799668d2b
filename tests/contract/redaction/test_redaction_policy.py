"""The policy: keys, actions, regular expressions, and arguments that are refused."""

from __future__ import annotations

import hashlib
import hmac
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from nanospan.contract.redaction import DEFAULT_KEYS, DETECTORS, Redaction, SensitiveKey
from nanospan.contract.redaction._keys import fold
from nanospan.contract.redaction._patterns import STEPS, Pattern

CSRC = Path(__file__).resolve().parents[3] / "csrc"
KEY = b"k" * 32


def found(policy: Redaction, key: str) -> str | None:
    facts = policy._key_facts(key)
    return None if facts is None else facts[0]


# --- keys -------------------------------------------------------------------------------------------------------------

SENSITIVE = [
    "http.request.header.authorization",
    "http.request.header.proxy_authorization",
    "http.request.header.cookie",
    "http.response.header.set_cookie",
    "http.request.header.x_api_key",
    "http.request.header.x_amz_security_token",
    "http.request.header.x_csrf_token",
    "db.query.parameter.password",
    "user.password",
    "userPassword",
    "USER_PASSWORD",
    "accessToken",
    "X-Api-Key",
    "x.api.key",
    "apikey",
    "aws.secretAccessKey",
    "app.client_secret",
    "csrfmiddlewaretoken",
    "rpc.request.metadata.authorization",
    "auth",
    "http.auth",
    "sig",
    "app.sig",
    "enduser.credentials",
    "app.jwt",
    "session",
    "user.session",
    "PHPSESSID",
]
INNOCENT = [
    "author",
    "app.author",
    "authority",
    "tokenizer",
    "gen_ai.usage.input_tokens",
    "gen_ai.token.type",
    "sessionless",
    "session.id",
    "session.count",
    "keyboard",
    "passport",
    "design",
    "oauth",
    "server.address",
    "url.full",
    "db.query.text",
    "http.route",
    "signal",
    "app.sig.count",
    "x_sig",
    "service.name",
    "messaging.message.id",
    "code.function.name",
    "password_reset.count",
    "secretary",
]


@pytest.mark.parametrize("key", SENSITIVE)
def test_a_sensitive_key(key: str) -> None:
    assert found(Redaction.default(), key) == "mask"


@pytest.mark.parametrize("key", INNOCENT)
def test_an_innocent_key(key: str) -> None:
    assert found(Redaction.default(), key) is None


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ("any_end", ["iban", "user.iban", "user_iban", "userIban", "myiban"]),
        ("word_end", ["iban", "user.iban", "user_iban", "userIban"]),
        ("whole", ["iban", "user.iban"]),
    ],
)
def test_how_a_key_agrees(match: Any, taken: list[str]) -> None:
    policy = Redaction(keys=[SensitiveKey("iban", match=match)])
    asked = ["iban", "user.iban", "user_iban", "userIban", "myiban", "ibans", "iban.count"]
    assert [key for key in asked if found(policy, key)] == taken


def test_the_tests_of_the_native_redactor_have_the_same_keys() -> None:
    source = CSRC / "tests/contract/redactor.h"
    if not source.exists():
        pytest.skip("csrc/ is not here: not a source tree")
    native = re.findall(r'\{"(\w+)", ([\w |]+)\}', source.read_text())
    flags = {"any_end": "NS_KEY_ANY_END", "word_end": "NS_KEY_WORD_END", "whole": "NS_KEY_WHOLE"}
    ours = {
        fold(key.name): {flags[key.match], *(["NS_KEY_WEAK"] * key.weak), *(["NS_KEY_LINE"] * key.line)}
        for key in DEFAULT_KEYS
    }
    assert {name: set(text.split(" | ")) for name, text in native} == ours


def test_what_is_said_of_a_key_in_the_order_of_the_rules() -> None:
    policy = Redaction(
        actions={"app.token": "keep_last_4", "app.note": "drop"},
        blocked_key_patterns=["^internal[.]"],
        ignored_keys=["app.ignored_token"],
        ignored_key_patterns=["^free[.]"],
        allowed_keys=["app.password", "app.name", "internal.x"],
    )
    asked = {
        "app.token": "keep_last_4",
        "app.note": "drop",
        "app.ignored_token": None,
        "free.password": None,
        "app.other": "drop",
        "internal.x": "mask",
        "app.password": "mask",
        "app.name": None,
    }
    assert {key: found(policy, key) for key in asked} == asked


# --- actions ----------------------------------------------------------------------------------------------------------


def digest(data: bytes) -> str:
    return hmac.new(KEY, data, hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize(
    ("action", "value", "expected"),
    [
        ("mask", "hunter2", "REDACTED"),
        ("mask", ["a", "b"], ("REDACTED", "REDACTED")),
        ("mask", {"a": 1, "b": ["c"]}, {"a": "REDACTED", "b": ("REDACTED",)}),
        ("mask", 5, "REDACTED"),
        ("mask", b"x", "REDACTED"),
        ("mask", True, True),
        ("mask", None, None),
        ("hash", "hunter2", digest(b"hunter2")),
        ("hash", 5, digest(b"5")),
        ("hash", ("a", b"b"), (digest(b"a"), digest(b"b"))),
        ("keep_last_4", "4111111111111111", "REDACTED1111"),
        ("keep_last_4", "secret", "REDACTED"),
        ("keep_last_1", 12345, "REDACTED5"),
    ],
)
def test_actions(action: str, value: Any, expected: Any) -> None:
    policy = Redaction(action=action, hash_key=KEY)
    facts = policy._key_facts("password")
    assert facts is not None
    assert policy._act(facts, value) == expected
    counted = 0 if value is None or value is True else 1
    assert policy._by_name([0] * 10)["sensitive_key"] == counted


def test_the_key_of_the_hash_is_not_shown() -> None:
    policy = Redaction(action="hash", hash_key=b"very secret key of the hash, long")
    assert "very secret" not in repr(policy) + str(policy.as_file()) + str(policy.as_collector())


def test_policies_are_values() -> None:
    assert Redaction() == Redaction.default() and hash(Redaction()) == hash(Redaction.default())
    assert Redaction(marker="X") != Redaction()
    assert repr(Redaction()) == "Redaction()"


# --- regular expressions ----------------------------------------------------------------------------------------------


@pytest.fixture
def without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)


@pytest.mark.parametrize(
    ("pattern", "text", "after"),
    [
        ("CANARY", "a CANARY b CANARY", "a REDACTED b REDACTED"),
        (r"sk-[a-z]{20,64}", "x sk-abcdefghijklmnopqrstuv y", "x REDACTED y"),
        (r"4[0-9]{12}(?:[0-9]{3})?", "n 4111111111111111.", "n REDACTED."),
        (r"(?i)iban \w+", "IBAN DE02, ok", "REDACTED, ok"),
        (r"(?:foo|ba[rz])[0-9]{2}$", "x foo12", "x REDACTED"),
        (r"\x41\u0042c?", "ABc AB", "REDACTED REDACTED"),
    ],
)
def test_a_regular_expression_masks_what_it_matches(pattern: str, text: str, after: str, without_re2: None) -> None:
    assert Pattern("p", pattern).replace(text, "REDACTED")[0] == after
    assert Pattern("p", pattern).replace(after, "REDACTED") == (after, 0)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"a*b",
        r"(a|a){20}b",
        r"(a?){30}a{30}",
        r"a{0,40}a{0,40}b",
        r"(.*)=(.*)",
        r"([a-z]{1,30}){1,30}!",
        r"(?=x)y",
        r"(?<!x)y",
        r"(a)\1",
        r"(?P<n>a)(?P=n)",
        r"(?>a*)b",
        r"a*",
        r"x?",
        r"[a",
        r"(a",
        r"a{2}{3}",
        r"\p{L}x",
        "(" * 40 + "a" + ")" * 40,
        "a?" * 20 + "b",
        "",
    ],
)
def test_a_regular_expression_that_could_stall_is_refused(pattern: str, without_re2: None) -> None:
    with pytest.raises(ValueError, match=r"blocked_values\[0\]"):
        Redaction(blocked_values=[pattern])


@pytest.mark.parametrize("pattern", [r"sk-[a-z]{20,64}", r"x\S+", r"(ab|cd){1,3}e", r"a{0,30}b"])
def test_a_long_value_is_masked_as_a_whole(pattern: str, without_re2: None) -> None:
    compiled = Pattern("p", pattern)
    assert compiled.max_length is not None
    assert compiled.max_length <= STEPS
    assert compiled.replace("y" * compiled.max_length, "M") == ("y" * compiled.max_length, 0)
    assert compiled.replace("y" * (compiled.max_length + 1), "M") == ("M", 1)


def test_plain_texts_are_searched_natively() -> None:
    policy = Redaction(blocked_values=["CANARY", "ab", r"x[0-9]"])
    assert policy._prepared.literals == ("CANARY",)
    assert policy._mask_patterns("CANARY ab x1") == "CANARY REDACTED REDACTED"
    assert policy._by_name([0] * 10)["blocked_value"] == 2
    assert not Redaction(blocked_values=["CANARY"])._has_patterns


# --- wrong arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"keys": "token"}, TypeError, "keys must be a collection"),
        ({"keys": [1]}, TypeError, r"keys\[0\] must be a string"),
        ({"extra_keys": ["a b"]}, ValueError, r"extra_keys\[0\]: name must have 2 to 64 letters"),
        ({"extra_keys": ["x" * 65]}, ValueError, "2 to 64"),
        ({"detectors": ["jwt", "phone"]}, ValueError, rf"detectors\[1\] must be one of {', '.join(DETECTORS)}, not 'phone'"),
        ({"action": "delete"}, ValueError, 'action must be one of "mask", "hash", "drop", "drop_span", "keep_last_N"'),
        ({"action": "keep_last_9"}, ValueError, "N from 1 to 8"),
        ({"action": 3}, TypeError, "action must be one of"),
        ({"actions": ["drop"]}, TypeError, "actions must be a mapping"),
        ({"actions": {"a": "mask!"}}, ValueError, r"actions\['a'\] must be one of"),
        ({"action": "hash"}, ValueError, "hash_key must be given"),
        ({"actions": {"a": "hash"}}, ValueError, "hash_key must be given"),
        ({"action": "hash", "hash_key": b"short"}, ValueError, "hash_key must have at least 32 bytes, not 5"),
        ({"hash_key": "x" * 32}, TypeError, "hash_key must be bytes"),
        ({"marker": ""}, ValueError, "marker must not be empty"),
        ({"marker": "x" * 65}, ValueError, "marker must have at most 64 bytes"),
        ({"max_bytes_scanned": 10}, ValueError, "max_bytes_scanned must be an integer from 1024"),
        ({"max_bytes_scanned": True}, TypeError, "max_bytes_scanned"),
        ({"ignored_keys": "a"}, TypeError, "ignored_keys must be a collection of strings"),
        ({"allowed_keys": "a"}, TypeError, "allowed_keys must be a collection of strings"),
        ({"blocked_key_patterns": ["a*b"]}, ValueError, r"blocked_key_patterns\[0\]"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_a_wrong_policy_stops_the_construction(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Redaction(**arguments)
