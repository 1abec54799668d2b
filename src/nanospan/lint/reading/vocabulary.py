"""Words in the names of variables and functions by which the rules tell one kind of code from another."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ARRIVING",
    "ARRIVING_LATER",
    "CONFIGURED",
    "DATA",
    "FEW",
    "FOREIGN",
    "HANDS_OVER",
    "HARMLESS",
    "MANY_NAMED",
    "NAMED_BY_ID",
    "RECEIVING",
    "RETRY",
    "RUNNING",
    "SETTINGS",
    "TEXT_FUNCTIONS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOREIGN: Final = _words(
    """
    beeline ddtrace elasticapm instana jaeger_client langfuse lightstep mlflow opencensus opentracing py_zipkin
    scout_apm sentry_sdk skywalking wandb weave
    """
)
"""Packages whose tracers have methods of the same names."""

RETRY: Final = _words("attempt attempts retries retry retrying tries backoff backoffs")
"""In the head of a loop that tries again."""

RECEIVING: Final = _words(
    """
    accept blpop brpop consume dequeue fetch get get_message get_nowait getone listen lpop next_message poll pop
    read_message receive recv rpop sleep take wait
    """
)
"""Functions that wait for what arrives."""

ARRIVING: Final = _words("consume consumer listen listener pubsub receive receiver subscriber subscription")
"""What a loop over arriving messages goes over."""

ARRIVING_LATER: Final = _words("deliveries mailbox messages poll queue websocket")
"""The same of `async for`: without `async`, these may be lists."""

RUNNING: Final = _words("active alive cancelled closed closing exit running shutdown stop stopped stopping")
"""In the head of a loop that a worker leaves when the program ends."""

HANDS_OVER: Final = _words(
    """
    apply_async call_soon create_task ensure_future run_in_executor run_in_threadpool run_sync spawn start_soon submit
    to_thread
    """
)
"""Functions that have something done by a task, a thread or a pool."""

HARMLESS: Final = _words(
    """
    append attach bool copy debug detach dict format get get_current getattr hasattr id info inject int isinstance
    items keys len list lower monotonic perf_counter perf_counter_ns set_span_in_context Status str time time_ns type
    upper use_span values warning
    """
)
"""Functions that are not expected to raise."""

FEW: Final = _words(
    """
    action agent algorithm alias api attr attribute backend base browser callback capability category class classname
    cls cmd code collection command component connector controller currency database dataset db destination device
    dialect direction driver endpoint engine env environment evaluator event exchange experiment extension feature
    field format framework fullname func function group handler hook instrumentation interface invocation job kind
    label language layer level library loader locale method metric metrics middleware mode model module namespace node
    op operation operator package phase pipeline plugin policy prefix procedure processor protocol provider purpose
    qualname queue reason region resource role route rpc rule scheme scope scorer sender service side signature size
    span stage state status step strategy subject suffix suite system table target task technique template tool topic
    transport trigger type union variant vendor verb version view workflow
    """
)
"""Last words of variables that hold one of few values: of a program's code or configuration."""

MANY_NAMED: Final = _words(
    """
    account blob bucket city client company customer document file first folder full host key last object order path
    person product query recipient tenant title user
    """
)
"""What has as many names as there are of it in the data."""

CONFIGURED: Final = _words(
    """
    adapter agent backend callback capability chain check collector component connector driver engine evaluator
    executor exporter grader guard guardrail handler hook instrumentor integration judge listener middleware mixin
    model module plugin processor provider reporter sampler scorer server sink stage strategy subscriber validator
    """
)
"""What a program has as many of as its configuration or its code names, in the singular."""

NAMED_BY_ID: Final = CONFIGURED | _words(
    """
    app application assistant collection connection dag dataset deployment endpoint flow function graph index kb method
    model node operation pipeline project prompt queue scorer service step store subscription template tool topic
    workflow
    """
)
"""What has few identifiers."""

TEXT_FUNCTIONS: Final = _words(
    """
    capitalize casefold decode format getattr join lower lstrip partition removeprefix removesuffix replace repr
    rpartition rsplit rstrip split str strip title upper value
    """
)
"""Functions that give a text for a value, and for each value another one."""

DATA: Final = _words(
    """
    baggage body cookies environ form header headers metadata payload row
    """
)
"""Dicts whose keys come from outside."""

SETTINGS: Final = _words(
    """
    args arguments attributes attrs config configuration constants context defaults detection extra extras fields input
    inputs kwargs labels options output outputs parameters params parts prompt properties resources session settings
    state stats tags usage weights
    """
)
"""Dicts whose keys the code or its configuration names."""
