"""Any text in the variables: settings come out that the rest of the package can work with, and nothing is raised."""

from __future__ import annotations

import logging
import math
import os
from unittest.mock import patch

from fuzz.draw import Draw
from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG

from nanospan.export._delivery import backoff
from nanospan.export._settings import endpoint, environment
from nanospan.processor._settings import MAX_MILLIS, resolve_settings
from nanospan.sampling.configuration.environment import known_sampler, provider_sampler
from nanospan.trace._span_limits import span_limits_from_environment

SAMPLERS = [
    *("always_on", "traceidratio", "parentbased_traceidratio", "nanospan_probability", "nanospan_rate_limited"),
    *("nanospan_rule_based", "nanospan_always_record", "nanospan_links_based"),
]
VARIABLES = [
    *("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    *("OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    *("OTEL_SPAN_EVENT_COUNT_LIMIT", OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG),
    *(f"OTEL_EXPORTER_OTLP_{suffix}" for suffix in ("ENDPOINT", "TIMEOUT", "COMPRESSION", "INSECURE", "PROTOCOL")),
    *(f"OTEL_EXPORTER_OTLP_TRACES_{suffix}" for suffix in ("ENDPOINT", "TIMEOUT", "HEADERS", "CERTIFICATE")),
    "OTEL_EXPORTER_OTLP_HEADERS",
]


def text(draw: Draw) -> str:
    """What a variable of a process can hold: no zero bytes, and bytes that are no UTF-8 as surrogates."""
    made = draw.text().encode("utf-8", "surrogatepass") if draw.byte() % 4 else draw.rest()
    return made.replace(b"\0", b"").decode("utf-8", "surrogateescape")


def check(data: bytes) -> None:
    draw = Draw(data)
    given = {draw.one(VARIABLES): text(draw) for _ in range(1 + draw.byte() % 4)}
    if OTEL_TRACES_SAMPLER in given and draw.flag():
        given[OTEL_TRACES_SAMPLER] = draw.one(SAMPLERS)
    logging.disable(logging.CRITICAL)
    try:
        with patch.dict(os.environ, given):
            check_settings()
        check_retry_after(text(draw))
    finally:
        logging.disable(logging.NOTSET)


def check_settings() -> None:
    queue = resolve_settings(None, None, None, None, None)
    assert 1 <= queue.max_queue_size < 2**31
    assert queue.max_export_batch_size is None or 1 <= queue.max_export_batch_size <= queue.max_queue_size
    assert 1 <= queue.schedule_delay_millis <= MAX_MILLIS and 1 <= queue.export_timeout_millis <= MAX_MILLIS
    assert 64 << 10 <= queue.max_queue_bytes <= 8 << 30

    limits = span_limits_from_environment()
    assert limits.max_span_attributes is None or limits.max_span_attributes >= 0
    for sampler in (known_sampler(), provider_sampler()):
        if sampler is not None:
            sampler.should_sample(None, 1, "name")
            sampler.get_description()

    timeout = environment.resolve_timeout(None)
    assert timeout is None or (0 < timeout < math.inf)
    environment.resolve_compression(None)
    environment.resolve_protocol()
    environment.resolve_file(None, "certificate_file", "CERTIFICATE")
    for name, value in environment.environment_headers().items():
        # As http.client and grpcio take them.
        assert name == name.lower() and name.isascii() and not set(name) & set(" \t\r\n:,;")
        assert not set(value) & set("\r\n\0")
        value.encode("latin-1")
    http = endpoint.resolve_http_endpoint(None)
    assert http.scheme in ("http", "https") and http.host and 0 <= http.port < 65536
    assert "@" not in http.display.split("/")[2]
    grpc = endpoint.resolve_grpc_endpoint(None, None)
    assert grpc.target


def check_retry_after(value: str) -> None:
    seconds = backoff.retry_after_seconds(value, 1_700_000_000.0)
    assert seconds is None or 0 <= seconds < math.inf
