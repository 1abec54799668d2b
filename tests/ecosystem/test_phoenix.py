"""arize-phoenix-otel: a subclass of the provider that passes its arguments on by the signature of its base."""

from __future__ import annotations

import inspect

import pytest
from opentelemetry.sdk.trace import TracerProvider

import nanospan


def test_the_signature_is_the_sdks():
    """Releases of Phoenix bind arguments to it, by name and by position."""

    def shape(provider: type) -> list[tuple[str, object, object]]:
        parameters = inspect.signature(provider).parameters.values()
        return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]

    assert shape(nanospan.TracerProvider) == shape(TracerProvider)


@pytest.mark.parametrize("case", ["constructed", "simple", "batch", "replaced"])
def test_the_subclass(program, case):
    finished = program.run("phoenix_subclass.py", "arize-phoenix-otel", case=case)
    found = finished.report
    assert found["processors"] == [1, 1]
    assert found["replaced"] == (case == "replaced")
    assert found["sampler"] is True
    assert found["is_global"] is True
    # It prints what it finds in the processor and its exporter.
    assert "Phoenix Project: bird" in finished.stdout
    assert f"127.0.0.1:{program.collector.http_port}" in finished.stdout

    spans = program.collector.spans(2)
    assert spans["outer"].attributes["output.value"] == "done"
    assert spans["outer"].attributes["openinference.span.kind"] == "CHAIN"
    # Its limit is 10,000, not the 128 of the specification.
    assert spans["outer"].attributes["key 299"] == 299
    assert spans["inner"].parent_span_id == spans["outer"].span_id
    assert {resource["openinference.project.name"] for resource in program.collector.resources()} == {"bird"}
