"""Azure Monitor's distribution, as far as its exporter, whose endpoint is a server of the test."""

from __future__ import annotations

import os

from azure.monitor.opentelemetry import configure_azure_monitor
from opentelemetry import trace

destination = os.environ["DESTINATION"]
configure_azure_monitor(
    connection_string=(
        "InstrumentationKey=00000000-0000-0000-0000-000000000000;"
        f"IngestionEndpoint={destination}/;LiveEndpoint={destination}/"
    ),
    disable_offline_storage=True,
    enable_live_metrics=False,
    enable_performance_counters=False,
    sampling_ratio=1.0,
)

from vendors.plain_app import work  # noqa: E402, F401


def finish() -> None:
    trace.get_tracer_provider().force_flush()
