"""OITracer: a wrapt proxy that calls ``start_span`` of the tracer's class with itself as ``self``."""

from __future__ import annotations

import asyncio
import random

from implementation import BatchSpanProcessor, TracerProvider, report
from openinference.instrumentation import OITracer, TraceConfig, suppress_tracing, using_attributes
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import get_current_span

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor())
tracer = OITracer(provider.get_tracer("openinference"), TraceConfig(hide_inputs=True, enable_genai_semconv=True))

random.seed(1)
with (
    using_attributes(session_id="session-7"),
    tracer.start_as_current_span("chain", openinference_span_kind="chain") as chain,
):
    chain.set_input("a secret")
    chain.set_output("an answer")
    same = get_current_span().get_span_context() == chain.get_span_context()
    random.seed(1)
    with tracer.start_as_current_span("tool", openinference_span_kind="tool", attributes={"tries": 2}) as tool:
        tool.set_tool(name="search", parameters={"query": "text"})

random.seed(1)
try:
    with tracer.start_as_current_span("fails", openinference_span_kind="agent"):
        raise ValueError("broken")
except ValueError:
    pass


@tracer.chain
def shout(text: str) -> str:
    return text.upper()


@tracer.agent(name="planner")
async def plan(goal: str) -> str:
    await asyncio.sleep(0)
    return shout(goal)


asyncio.run(plan("rest"))

with suppress_tracing():
    suppressed = tracer.start_span("suppressed", openinference_span_kind="chain")

provider.shutdown()
report(provider, same=same, is_sdk_span=isinstance(chain, Span), suppressed=suppressed.is_recording())
