"""MLflow: constructs the SDK's provider for itself alone, with a processor of its own and the exporter of the variables."""

from __future__ import annotations

import os
import tempfile

from implementation import report, substitute

substitute()
# OTLP is MLflow's only destination then.
os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{tempfile.mkdtemp()}/mlflow.db"

import mlflow  # noqa: E402
from mlflow.tracing import provider as tracing  # noqa: E402


@mlflow.trace(span_type="TOOL", attributes={"tries": 2})
def step(number: int) -> int:
    return number + 1


@mlflow.trace
def flow(number: int) -> int:
    return step(number) * 2


result = flow(2)
try:
    with mlflow.start_span("fails"):
        raise ValueError("broken")
except ValueError:
    pass
provider = tracing.provider.get()
provider.force_flush()
provider.shutdown()
report(provider, result=result)
