"""``reports.py TRACING AWS REDIS SPANS``: the shapes of public reports, with nanospan or with contrib."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Any

from aws_clients import boto3_client
from clients import no_change, wrapped
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from recording import Recording, Spans, recording

from nanospan.propagation import TraceContextTextMapPropagator


def attributes(count: int) -> dict[str, Any]:
    return {f"a{number}": {"DataType": "String", "StringValue": "1"} for number in range(count)}


def is_current() -> bool:
    return trace.get_current_span() is not trace.INVALID_SPAN


class Reports:
    def __init__(self, tracing: str, aws: str, redis: str, spans: Spans, processor: Recording) -> None:
        from redis import Redis

        self.is_ours = tracing == "nanospan"
        wrap = wrapped if self.is_ours else lambda name: no_change
        self.bare = boto3_client("sqs", aws)
        self.sqs = wrap("sqs")(boto3_client("sqs", aws))
        self.sns = wrap("sns")(boto3_client("sns", aws))
        self.redis = wrap("redis")(Redis(unix_socket_path=redis))
        self.name, self.spans, self.processor = tracing, spans, processor

    def queue(self, name: str, messages: int = 0) -> str:
        url: str = self.bare.create_queue(QueueName=f"{self.name}-{name}")["QueueUrl"]
        for number in range(messages):
            self.bare.send_message(QueueUrl=url, MessageBody=str(number))
        return url

    def handle(self, url: str, message: Any) -> bool:
        """Whether there is a span around the handler."""
        if not self.is_ours:
            return is_current()
        with self.sqs.process(url, message):
            return is_current()

    def no_end_without_a_delete(self) -> dict[str, Any]:
        url = self.queue("no-end", 1)
        before = self.processor.open
        found = self.sqs.receive_message(QueueUrl=url)["Messages"]
        inside = [self.handle(url, message) for message in found]
        return {"inside": inside, "open": self.processor.open - before, "current": is_current()}

    def threads_mixed(self) -> dict[str, Any]:
        """Two threads, the second of which takes its message while the first handles its own."""
        url = self.queue("threads", 2)
        taken, deleted = threading.Event(), threading.Event()
        left: list[bool] = []

        def first() -> None:
            message = self.sqs.receive_message(QueueUrl=url)["Messages"][0]
            self.handle(url, message)
            taken.set()
            deleted.wait(60)
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            left.append(is_current())

        def second() -> None:
            taken.wait(60)
            message = self.sqs.receive_message(QueueUrl=url)["Messages"][0]
            self.handle(url, message)
            deleted.set()

        threads = [threading.Thread(target=target) for target in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"left in the first thread": left}

    def callers_objects(self) -> dict[str, Any]:
        url = self.queue("changed")
        names, given = ["mine"], attributes(1)
        entries = [{"Id": "1", "MessageBody": "1"}]
        self.sqs.send_message(QueueUrl=url, MessageBody="1", MessageAttributes=given)
        self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=names)
        sizes = {"names": len(names), "attributes": len(given), "entry": len(entries[0])}
        return {name: size == expected for (name, size), expected in zip(sizes.items(), (1, 1, 2), strict=True)}

    def near_ten(self) -> dict[str, Any]:
        url = self.queue("ten")
        carried: dict[str, Any] = {}
        token = context.attach(baggage.set_baggage("user", "7"))
        for count in (9, 10):
            self.sqs.send_message(QueueUrl=url, MessageBody="1", MessageAttributes=attributes(count))
            asked = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
            (message,) = self.bare.receive_message(QueueUrl=url, **asked)["Messages"]
            self.bare.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            own = [name for name in message["MessageAttributes"] if not name.startswith("a")]
            carried[str(count)] = own + [name for name in message["Attributes"] if name == "AWSTraceHeader"]
        context.detach(token)
        return carried

    def batch_deleted(self) -> dict[str, Any]:
        url = self.queue("deleted", 3)
        before = self.processor.open
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)["Messages"]
        for message in found:
            self.handle(url, message)
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
        self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return {"open": self.processor.open - before}

    def sns_near_ten(self) -> dict[str, Any]:
        """Ten attributes with two fields to add: what a subscriber gets."""
        url = self.queue("sns")
        topic = self.sns.create_topic(Name=f"{self.name}-topic")["TopicArn"]
        arn = self.bare.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        raw = {"RawMessageDelivery": "true"}
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
        token = context.attach(baggage.set_baggage("user", "7"))
        self.sns.publish(TopicArn=topic, Message="1", MessageAttributes=attributes(9))
        context.detach(token)
        (message,) = self.bare.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        return {"fields": [name for name in message["MessageAttributes"] if not name.startswith("a")]}

    def redis_streams(self) -> dict[str, Any]:
        self.spans.new()
        self.redis.xadd(self.name, {"a": 1})
        ((_, (entry,)),) = self.redis.xread({self.name: "0"})
        sent, received = self.spans.new()
        return {"carried": b"traceparent" in entry[1], "linked": received["links"] == [sent["id"]]}


def main() -> None:
    tracing, aws, redis, path = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    processor = recording(path)
    propagate.set_global_textmap(CompositePropagator([W3CBaggagePropagator(), TraceContextTextMapPropagator()]))
    if tracing == "contrib":
        from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
        from opentelemetry.instrumentation.redis import RedisInstrumentor

        Boto3SQSInstrumentor().instrument()
        BotocoreInstrumentor().instrument()
        RedisInstrumentor().instrument()
    reports = Reports(tracing, aws, redis, Spans(path), processor)
    # Those that leave a span current come last, or in a thread.
    order = (
        "callers_objects",
        "near_ten",
        "sns_near_ten",
        "redis_streams",
        "batch_deleted",
        "threads_mixed",
        "no_end_without_a_delete",
    )
    found: dict[str, Any] = {}
    for name in order:
        thread = threading.Thread(target=lambda name=name: found.update({name: getattr(reports, name)()}))
        thread.start()
        thread.join()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
