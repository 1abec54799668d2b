"""Deprecated names: that each is found in each mode, what becomes of it, and what keeps its name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from nanospan.contract.conventions import MODES, Checker, Conventions

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = (kind.value for kind in SpanKind)
VALUES: dict[str, Any] = {
    "any": "text",
    "string": "text",
    "int": 7,
    "double": 0.5,
    "boolean": True,
    "string[]": ["a", "b"],
    "int[]": [1, 2],
}
ALL = Conventions()._registry.deprecated()


def instance(key: str) -> str:
    return key.replace("<key>", "x-name")


@pytest.mark.parametrize("mode", MODES)
def test_every_deprecated_name_is_found_in_every_mode(mode: Any) -> None:
    assert len(ALL) > 220
    checker = Checker(Conventions(mode=mode))
    for key in map(instance, ALL):
        assert checker.check_span("scope", "name", INTERNAL, {key: "text"}) == [("deprecated", key)]
        assert checker.check_span("scope", "name", INTERNAL, {}, [{key: 1}]) == [("deprecated", key)]
        assert checker.check_attributes("scope", {key: [1]}) == [("deprecated", key)]
    assert {one.key: one.count for one in checker.findings.report()} == {instance(key): 3 for key in ALL}


NEW_NAMES: dict[str, str] = {
    "az.namespace": "azure.resource_provider.namespace",
    "browser.user_agent": "user_agent.original",
    "code.filepath": "code.file.path",
    "code.lineno": "code.line.number",
    "container.runtime": "container.runtime.name",
    "db.cassandra.table": "db.collection.name",
    "db.cosmosdb.container": "db.collection.name",
    "db.elasticsearch.cluster.name": "db.namespace",
    "db.mongodb.collection": "db.collection.name",
    "db.name": "db.namespace",
    "db.operation": "db.operation.name",
    "db.sql.table": "db.collection.name",
    "db.statement": "db.query.text",
    "db.system": "db.system.name",
    "deployment.environment": "deployment.environment.name",
    "faas.execution": "faas.invocation_id",
    "feature_flag.variant": "feature_flag.result.variant",
    "gen_ai.system": "gen_ai.provider.name",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "http.client_ip": "client.address",
    "http.method": "http.request.method",
    "http.resend_count": "http.request.resend_count",
    "http.scheme": "url.scheme",
    "http.server_name": "server.address",
    "http.status_code": "http.response.status_code",
    "http.user_agent": "user_agent.original",
    "k8s.pod.labels.app": "k8s.pod.label.app",
    "messaging.client_id": "messaging.client.id",
    "messaging.conversation_id": "messaging.message.conversation_id",
    "messaging.destination": "messaging.destination.name",
    "messaging.kafka.consumer_group": "messaging.consumer.group.name",
    "messaging.kafka.message_key": "kafka.message.key",
    "messaging.message_id": "messaging.message.id",
    "messaging.operation": "messaging.operation.type",
    "messaging.rabbitmq.routing_key": "rabbitmq.destination.routing_key",
    "messaging.system": "messaging.system.name",
    "net.app.protocol.name": "network.protocol.name",
    "net.host.ip": "network.local.address",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "net.peer.ip": "network.peer.address",
    "net.sock.peer.addr": "network.peer.address",
    "otel.library.name": "otel.scope.name",
    "rpc.grpc.request.metadata.trace": "rpc.request.header.trace",
    "rpc.system": "rpc.system.name",
    "tls.client.server_name": "server.address",
    "vcs.repository.ref.name": "vcs.ref.head.name",
}


def test_old_names_and_their_new_ones() -> None:
    rename, dup = Conventions(mode="rename"), Conventions(mode="dup")
    for old, new in NEW_NAMES.items():
        rule = rename._facts(old)
        assert rule is not None
        value = VALUES[rule.expected]
        assert rename._apply_plain({old: value}, INTERNAL) == {new: value}
        assert dup._apply_plain({old: value}, INTERNAL) == {old: value, new: value}


BY_KIND = [
    ("net.peer.name", CLIENT, "a", {"server.address": "a"}),
    ("net.peer.name", PRODUCER, "a", {"server.address": "a"}),
    ("net.peer.name", SERVER, "a", {"client.address": "a"}),
    ("net.peer.port", CLIENT, 1, {"server.port": 1}),
    ("net.peer.port", SERVER, 1, {"client.port": 1}),
    ("net.peer.ip", SERVER, "a", {"client.address": "a"}),
    ("peer.service", CLIENT, "a", {"server.service.name": "a"}),
    ("http.host", SERVER, "a", {"server.address": "a"}),
    ("messaging.rocketmq.client_group", CONSUMER, "a", {"messaging.consumer.group.name": "a"}),
    ("http.url", CLIENT, "http://h/a", {"url.full": "http://h/a", "server.address": "h"}),
    ("http.url", CLIENT, "https://h:8/", {"url.full": "https://h:8/", "server.address": "h", "server.port": 8}),
    ("http.url", CLIENT, "http://h:port/", {"url.full": "http://h:port/", "server.address": "h"}),
    ("http.url", CLIENT, "http://[", {"url.full": "http://["}),
    ("http.url", SERVER, "http://h/a?b=c", {"url.path": "/a", "url.query": "b=c"}),
    ("http.target", SERVER, "/a?b=c#d", {"url.path": "/a", "url.query": "b=c"}),
    ("http.target", SERVER, "/a", {"url.path": "/a"}),
    ("http.target", SERVER, "http://h/a?b", {"url.path": "/a", "url.query": "b"}),
    ("http.status_code", CLIENT, 404, {"http.response.status_code": 404, "error.type": "404"}),
    ("http.status_code", SERVER, 404, {"http.response.status_code": 404}),
    ("http.status_code", SERVER, 503, {"http.response.status_code": 503, "error.type": "503"}),
    ("http.flavor", SERVER, "1.1", {"network.protocol.version": "1.1"}),
    ("http.flavor", SERVER, "2.0", {"network.protocol.version": "2"}),
    ("net.transport", CLIENT, "ip_tcp", {"network.transport": "tcp"}),
    ("db.system", CLIENT, "mssql", {"db.system.name": "microsoft.sql_server"}),
    ("db.system", CLIENT, "mysql", {"db.system.name": "mysql"}),
    ("rpc.system", CLIENT, "connect_rpc", {"rpc.system.name": "connectrpc"}),
    ("os.type", INTERNAL, "z_os", {"os.type": "zos"}),
]


@pytest.mark.parametrize(("key", "kind", "value", "expected"), BY_KIND)
def test_names_and_values_that_depend_on_the_span_or_the_value(key: str, kind: int, value: Any, expected: Any) -> None:
    assert Conventions(mode="rename")._apply_plain({key: value}, kind) == expected
    # An attribute cannot have two values.
    doubled = {key: value} if key in expected else {key: value, **expected}
    assert Conventions(mode="dup")._apply_plain({key: value}, kind) == doubled


KEPT = [
    # The type or the meaning has changed.
    ("http.request_content_length", CLIENT, 5),
    ("db.redis.database_index", CLIENT, 1),
    ("rpc.grpc.status_code", CLIENT, 0),
    ("messaging.kafka.destination.partition", CONSUMER, 1),
    ("code.function", INTERNAL, "f"),
    ("rpc.service", CLIENT, "s"),
    ("net.sock.family", CLIENT, "inet"),
    ("db.connection_string", CLIENT, "postgresql://h/d"),
    # Only on spans of another kind, or with another value.
    ("net.peer.name", INTERNAL, "a"),
    ("http.url", INTERNAL, "http://h/"),
    ("http.url", SERVER, "http://["),
    ("messaging.rocketmq.client_group", PRODUCER, "g"),
    ("http.flavor", SERVER, "QUIC"),
    ("net.transport", CLIENT, "inproc"),
    ("db.system", CLIENT, "coldfusion"),
    # Not of the type that it has to have.
    ("http.status_code", CLIENT, "200"),
    ("http.method", CLIENT, ["GET"]),
    ("http.status_code", CLIENT, True),
    # Nothing takes its place.
    ("db.user", CLIENT, "u"),
    ("exception.escaped", INTERNAL, "False"),
    # Not deprecated: in another registry now, or of metrics.
    ("enduser.id", SERVER, "u"),
    ("gen_ai.request.model", CLIENT, "m"),
    ("state", INTERNAL, "on"),
    ("pool.name", INTERNAL, "p"),
    ("http.route", SERVER, "/a"),
]


@pytest.mark.parametrize(("key", "kind", "value"), KEPT)
@pytest.mark.parametrize("mode", ["rename", "dup"])
def test_what_is_not_renamed(mode: Any, key: str, kind: int, value: Any) -> None:
    assert Conventions(mode=mode)._apply_plain({key: value}, kind) == {key: value}


@pytest.mark.parametrize("key", ["enduser.id", "gen_ai.request.model", "state", "state.of.mine", "pool.name", "shop.id"])
def test_no_finding_about_what_is_in_force_or_ones_own(key: str) -> None:
    assert Checker(Conventions()).check_span("", "", INTERNAL, {key: "text"}) == []


def test_of_several_old_names_the_nearest_gives_the_new_one_and_one_that_is_there_stays() -> None:
    attributes = {"http.server_name": "s", "http.host": "h:80", "net.host.name": "n", "http.url": "http://u/"}
    rename = Conventions(mode="rename")
    assert rename._apply_plain(attributes, SERVER)["server.address"] == "n"
    assert rename._apply_plain({**attributes, "server.address": "own"}, SERVER) == {"server.address": "own", "url.path": "/"}
    del attributes["net.host.name"]
    assert rename._apply_plain(attributes, SERVER)["server.address"] == "h:80"


@pytest.mark.parametrize(
    ("version", "new"),
    [
        ("1.21", {"db.name": "a", "net.sock.peer.addr": "a", "messaging.kafka.consumer.group": "a"}),
        ("1.25", {"db.name": "a", "network.peer.address": "a", "messaging.kafka.consumer.group": "a"}),
        ("1.27.0", {"db.namespace": "a", "network.peer.address": "a", "messaging.consumer.group.name": "a"}),
    ],
)
def test_an_older_version_renames_only_what_it_deprecated(version: str, new: dict[str, str]) -> None:
    old = {"db.name": "a", "net.sock.peer.addr": "a", "messaging.kafka.consumer_group": "a"}
    assert Conventions(version, "rename")._apply_plain(old, CLIENT) == new


@pytest.mark.parametrize("key", ALL)
def test_a_new_name_is_in_force_and_has_the_type_of_the_old_one(key: str) -> None:
    conventions = Conventions(mode="rename")
    rule = conventions._facts(instance(key))
    assert rule is not None
    for new in filter(None, (*rule.new_keys, *(rule.by_kind or ()))):
        target = conventions._facts(new)
        assert target is None or target.finding is None
        assert target is None or target.expected in ("any", rule.expected)


@given(
    st.dictionaries(
        st.sampled_from([*map(instance, ALL), "http.request.method", "server.address", "own.key"]),
        st.sampled_from([*VALUES.values(), "/a?b", "http://h:1/a", "ip_tcp", 503, None]),
    ),
    st.sampled_from([INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER]),
)
def test_properties_of_both_modes(attributes: dict[str, Any], kind: int) -> None:
    renamed = Conventions(mode="rename")._apply_plain(attributes, kind)
    doubled = Conventions(mode="dup")._apply_plain(attributes, kind)
    assert attributes.items() <= doubled.items()
    assert renamed.keys() <= doubled.keys()
    # What is there under its new name already is not replaced; what is renamed once is renamed for good.
    for key in attributes.keys() & renamed.keys():
        assert renamed[key] == attributes[key]
    assert Conventions(mode="rename")._apply_plain(renamed, kind) == renamed
    assert Conventions()._apply_plain(attributes, kind) == attributes
