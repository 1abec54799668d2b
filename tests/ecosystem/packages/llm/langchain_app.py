"""LangChain under OpenInference's instrumentation: a chain with a fake model, a tool and a failure."""

from __future__ import annotations

import os
from contextlib import suppress

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["DESTINATION"] + "/v1/traces")))
LangChainInstrumentor().instrument(tracer_provider=provider)
chain = ChatPromptTemplate.from_template("Say {word}") | FakeListChatModel(responses=["answer"])


@tool
def double(number: int) -> int:
    """Doubles."""
    return number * 2


def fail(_: object) -> None:
    raise ValueError("broken")


def work() -> None:
    chain.invoke({"word": "hello"})
    double.invoke({"number": 2})
    with suppress(ValueError):
        RunnableLambda(fail).invoke({})


def finish() -> None:
    provider.force_flush()
