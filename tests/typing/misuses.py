"""Wrong uses of nanospan, one a line, for test_misuses.py.

A type checker reports each line with a comment `wrong:`, and no other. When it is run, the line raises the exception of that
comment, with a message that matches the pattern there.
"""

from __future__ import annotations

# fmt: off
from opentelemetry.sdk.trace import SpanLimits

from nanospan import BatchSpanProcessor, TracerProvider
from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter
from nanospan.export.http import OTLPSpanExporter
from nanospan.sampling import ALWAYS_ON, Adaptive, ConsistentProbability, ParentBased, RateLimited, Rule, RuleBased
from nanospan.tail import (
    AlwaysSample,
    And,
    Composite,
    Drop,
    Latency,
    Probabilistic,
    StatusCode,
    StringAttribute,
    TailSampling,
)

# provider
provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=64))
TracerProvider(sampler="always_on")  # wrong: TypeError: sampler must be a Sampler, such as nanospan.sampling.ALWAYS_ON
TracerProvider(sampler=RateLimited)  # wrong: TypeError: sampler must be a Sampler, .* not the class RateLimited
TracerProvider(resource={"service.name": "shop"})  # wrong: TypeError: resource must be a Resource, such as Resource.create
provider.add_span_processor(OTLPSpanExporter())  # wrong: TypeError: span_processor must be a SpanProcessor, such as nanospan

# processor
processor = BatchSpanProcessor()
BatchSpanProcessor("http://localhost:4318")  # wrong: TypeError: span_exporter must be a SpanExporter or None, not 'http
BatchSpanProcessor(OTLPSpanExporter)  # wrong: TypeError: span_exporter must be a SpanExporter .* the class OTLPSpanExporter
BatchSpanProcessor(max_queue_size="4096")  # wrong: TypeError: max_queue_size must be an integer
BatchSpanProcessor(tail_sampling=[StatusCode("ERROR")])  # wrong: TypeError: tail_sampling must be a nanospan.tail.Tail
processor.stats()["dropped"]["queue_ful"]  # wrong: KeyError: 'queue_ful'
processor.stats()["queue_ful"]  # wrong: KeyError: 'queue_ful'

# head sampling
rule = Rule(name="GET /health", sampler=ALWAYS_ON)
ConsistentProbability("1%")  # wrong: TypeError: ratio must be a number from 2\*\*-56 to 1, not '1%'
ConsistentProbability(0.01, randomness="rv")  # wrong: ValueError: randomness must be 'trace_id' or 'hash', not 'rv'
RateLimited()  # wrong: TypeError: .*missing 1 required positional argument: 'traces_per_second'
Adaptive("1000/s")  # wrong: TypeError: target_spans_per_second must be a finite number above 0, not '1000/s'
ParentBased("always_on")  # wrong: TypeError: root must be a Sampler
Rule(name=1, sampler=ALWAYS_ON)  # wrong: TypeError: name must be a str or None, not 1
Rule(kind="server", sampler=ALWAYS_ON)  # wrong: TypeError: kind must be a SpanKind, a collection of them, or None
Rule(parent="root", sampler=ALWAYS_ON)  # wrong: ValueError: parent must be 'none' or 'local' or 'remote'
RuleBased([rule])  # wrong: TypeError: .*missing 1 required keyword-only argument: 'default'
RuleBased([ALWAYS_ON], default=ALWAYS_ON)  # wrong: TypeError: rules must be Rule objects, not

# tail sampling
StatusCode("ERR")  # wrong: ValueError: codes must be one or more of 'UNSET', 'OK', 'ERROR', not \('ERR',\)
Latency("1s")  # wrong: TypeError: threshold_ms must be an integer from 0 to 1000000000000, not '1s'
Probabilistic("10%")  # wrong: TypeError: ratio must be a number from 2\*\*-56 to 1, not '10%'
StringAttribute("http.route", "/pay")  # wrong: TypeError: values must be a collection of strings, not str
And([StatusCode("ERROR"), Latency(1000)])  # wrong: TypeError: policies\[0\] must be a policy of nanospan.tail, not list
Drop("health")  # wrong: TypeError: policies\[0\] must be a policy of nanospan.tail, not str
Composite([AlwaysSample()], 100, [50])  # wrong: TypeError: allocation must be a mapping
TailSampling(StatusCode("ERROR"))  # wrong: TypeError: policies must be a collection of policies, not StatusCode
TailSampling([StatusCode])  # wrong: TypeError: policies\[0\] must be a policy of nanospan.tail, not the class StatusCode
TailSampling([AlwaysSample()], decision_wait="30s")  # wrong: TypeError: decision_wait must be a number above 0 and at most

# exporters
OTLPSpanExporter(4318)  # wrong: ValueError: endpoint must be a str
OTLPSpanExporter(headers=["api-key=secret"])  # wrong: TypeError: headers must be a mapping of str to str, not list
OTLPSpanExporter(timeout="10s")  # wrong: TypeError: timeout must be a number of seconds
OTLPSpanExporter(compression="zstd")  # wrong: ValueError: compression must be 'none', 'gzip' or 'deflate', not 'zstd'
GrpcExporter(insecure="true")  # wrong: TypeError: insecure must be True or False, not str
GrpcExporter(endpoint=4317)  # wrong: TypeError: endpoint must be a str
