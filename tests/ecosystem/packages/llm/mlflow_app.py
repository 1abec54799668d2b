"""MLflow's tracing, with OTLP as its destination: it has a provider of its own, which is not the global one."""

from __future__ import annotations

import os
import tempfile

os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{tempfile.mkdtemp()}/mlflow.db"

import mlflow
from mlflow.tracing import provider as tracing


@mlflow.trace(span_type="TOOL", attributes={"tries": 2})
def step(number: int) -> int:
    return number + 1


@mlflow.trace
def flow(number: int) -> int:
    return step(number) * 2


def work() -> None:
    global provider
    flow(2)
    try:
        with mlflow.start_span("fails"):
            raise ValueError("broken")
    except ValueError:
        pass
    provider = tracing.provider.get()


def finish() -> None:
    provider.force_flush()
