"""LangSmith's own export of LangChain's runs by OTLP."""

from __future__ import annotations

import os

os.environ |= {
    "LANGSMITH_OTEL_ENABLED": "true",
    "LANGSMITH_OTEL_ONLY": "true",
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_ENDPOINT": os.environ["DESTINATION"],
    "LANGSMITH_API_KEY": "key",
    "LANGSMITH_PROJECT": "bird",
}

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import traceable
from opentelemetry import trace

chain = ChatPromptTemplate.from_template("Say {word}") | FakeListChatModel(responses=["answer"])


@traceable(run_type="tool")
def double(number: int) -> int:
    return number * 2


def work() -> None:
    chain.invoke({"word": "hello"})
    double(2)


def finish() -> None:
    wait_for_all_tracers()
    trace.get_tracer_provider().force_flush()
