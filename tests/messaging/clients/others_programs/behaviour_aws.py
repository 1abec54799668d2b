"""``behaviour_aws.py ADDRESS SPANS``: wrapped clients of SQS and SNS behave as before, and their spans are as told."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from io import BytesIO
from typing import Any

import boto3
from aws_clients import AWS, boto3_client
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ParamValidationError
from opentelemetry import baggage, context
from recording import Spans, recording, refused

from nanospan.messaging import AWS_TRACE_HEADER, stats
from nanospan.messaging.aws import sns as sns_wrapper
from nanospan.messaging.aws.sqs import wrap_client, wrap_queue

EVERYTHING = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}


def attributes(count: int, **more: str) -> dict[str, Any]:
    texts = {f"a{number}": "1" for number in range(count)} | more
    return {name: {"DataType": "String", "StringValue": value} for name, value in texts.items()}


def parent_of(message: dict[str, Any]) -> str | None:
    """The context that a message carries, as links have it."""
    found = message.get("MessageAttributes", {}).get("traceparent")
    value = found["StringValue"] if found else AWS_TRACE_HEADER.get(message.get("Attributes"), "traceparent")
    return value[3:-3] if value else None


class Aws:
    def __init__(self, address: str, spans: Spans) -> None:
        self.address, self.spans = address, spans
        self.bare = boto3_client("sqs", address)
        self.sqs = wrap_client(self.bare)
        self.bare_sns = boto3_client("sns", address)
        self.sns = sns_wrapper.wrap_client(self.bare_sns)

    def queue(self, name: str, **settings: str) -> str:
        url: str = self.bare.create_queue(QueueName=name, Attributes=settings)["QueueUrl"]
        return url

    def only(self, url: str, client: Any = None, **asked: Any) -> Any:
        """The only message, which is deleted."""
        (message,) = (client or self.bare).receive_message(QueueUrl=url, MaxNumberOfMessages=10, **asked)["Messages"]
        self.bare.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message


def limits(aws: Aws) -> None:
    """Ten attributes, of which the context takes what is left, whole or not at all."""
    url = aws.queue("limits")
    token = context.attach(baggage.set_baggage("user", "7"))
    for count, own in ((0, ["baggage", "traceparent"]), (8, ["baggage", "traceparent"]), (9, ["traceparent"]), (10, [])):
        given = attributes(count)
        before = copy.deepcopy(given)
        aws.sqs.send_message(QueueUrl=url, MessageBody="body", MessageAttributes=given)
        assert given == before
        (sent,) = aws.spans.new()
        message = aws.only(url, **EVERYTHING)
        came = message["MessageAttributes"]
        assert sorted(came.keys() - given.keys()) == own
        assert {name: value["StringValue"] for name, value in came.items() if name in given} == dict.fromkeys(given, "1")
        assert parent_of(message) == sent["id"]
        assert ("AWSTraceHeader" in message["Attributes"]) == (count == 10)
        with aws.sqs.process(url, message):
            pass
        assert aws.spans.new()[0]["links"] == [sent["id"]]
    context.detach(token)
    # The caller's own header stays.
    header = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1"
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    more = {"MessageAttributes": attributes(10), "MessageSystemAttributes": system}
    aws.sqs.send_message(QueueUrl=url, MessageBody="body", **more)
    assert aws.only(url, **EVERYTHING)["Attributes"]["AWSTraceHeader"] == header
    # A forwarded message has one context, the last one.
    aws.sqs.send_message(QueueUrl=url, MessageBody="body", MessageAttributes=attributes(9, traceparent="old"))
    assert parent_of(aws.only(url, **EVERYTHING)) == aws.spans.new()[-1]["id"]


def _size(message: dict[str, Any]) -> int:
    """As SQS counts it, which moto does not: with the names, types and values of the attributes."""
    attributes = message.get("MessageAttributes", {}).items()
    return len(message["MessageBody"]) + sum(len(n) + len("".join(value.values())) for n, value in attributes)


def _answer_as_sqs(request: Any, **_: Any) -> Any:
    """The answer of a queue of messages of up to 1024 bytes to what is larger; None for moto to answer."""
    asked = json.loads(request.body)
    answer: dict[str, Any] | None = None
    code = "InvalidParameterValue"
    if "Entries" in asked:
        large = [entry["Id"] for entry in asked["Entries"] if _size(entry) > 1024]
        small = [entry["Id"] for entry in asked["Entries"] if entry["Id"] not in large]
        answer = {
            "Successful": [{"Id": one, "MessageId": f"m{one}", "MD5OfMessageBody": ""} for one in small],
            "Failed": [{"Id": one, "SenderFault": True, "Code": code} for one in large],
        }
    elif _size(asked) > 1024:
        answer = {"__type": f"com.amazonaws.sqs#{code}", "message": "Message must be shorter than 1024 bytes."}
    if answer is None:
        return None
    raw = BytesIO(json.dumps(answer).encode())
    raw.stream = lambda *_, **__: iter([raw.getvalue()])  # type: ignore[attr-defined]
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, 200 if "Failed" in answer else 400, headers, raw)


def sizes(aws: Aws) -> None:
    """A message that the queue takes alone, but not with the attributes."""
    url = aws.queue("sizes")
    for name in ("SendMessage", "SendMessageBatch"):
        aws.bare.meta.events.register(f"before-send.sqs.{name}", _answer_as_sqs, unique_id=name)
    left_out = stats()["fields_left_out"]
    aws.sqs.send_message(QueueUrl=url, MessageBody="x" * 1024)
    assert aws.only(url, **EVERYTHING)["Body"] == "x" * 1024
    assert stats()["fields_left_out"] == left_out + 1
    entries = [{"Id": str(n), "MessageBody": "x" * size} for n, size in enumerate((1024, 10, 1025))]
    expected = aws.bare.send_message_batch(QueueUrl=url, Entries=entries)
    answer = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    for name in ("Successful", "Failed"):
        assert sorted(entry["Id"] for entry in answer[name]) == sorted(entry["Id"] for entry in expected[name])
    answer = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries[:2])
    assert len(answer["Successful"]) == 2 and not answer.get("Failed")
    assert stats()["fields_left_out"] == left_out + 4
    assert [span["status"] for span in aws.spans.new() if span["kind"] == "CLIENT"] == ["ERROR", "UNSET"]
    for client in (aws.bare, aws.sqs):
        try:
            client.send_message(QueueUrl=url, MessageBody="x" * 2000)
            raise AssertionError("it is too large")
        except ClientError as error:
            assert error.response["Error"]["Code"].endswith("InvalidParameterValue"), error
    assert [span["status"] for span in aws.spans.new()] == ["ERROR"]
    for name in ("SendMessage", "SendMessageBatch"):
        aws.bare.meta.events.unregister(f"before-send.sqs.{name}", unique_id=name)


async def calls(aws: Aws) -> None:
    url = aws.queue("calls")
    for client in (aws.bare, aws.sqs):
        for call in (
            lambda client=client: client.send_message(QueueUrl=url),
            lambda client=client: client.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=[]),
            lambda client=client: client.send_message_batch(QueueUrl=url, Entries="a"),
            lambda client=client: client.send_message_batch(QueueUrl=url),
            lambda client=client: client.receive_message(QueueUrl=url, MessageAttributeNames=5),
        ):
            await refused(call, ParamValidationError)
        await refused(lambda client=client: client.send_message(url), TypeError)
    aws.spans.new()
    failures = stats()["failures"]
    # What the caller asks for is copied; nothing is added where everything is asked for.
    asked: dict[str, list[str]] = {"MessageAttributeNames": ["a0"], "AttributeNames": ["SentTimestamp"]}
    before = copy.deepcopy(asked)
    aws.sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=attributes(2))
    message = aws.only(url, aws.sqs, **asked)
    assert asked == before
    assert sorted(message["MessageAttributes"]) == ["a0", "traceparent"]
    sent, received = aws.spans.new()
    assert (received["name"], received["kind"], received["links"]) == ("receive calls", "CLIENT", [sent["id"]])
    assert received["attributes"]["aws.sqs.queue.url"] == url
    assert received["attributes"]["messaging.batch.message_count"] == 1
    requests_of = [span["attributes"]["aws.request_id"] for span in (sent, received)]
    assert len(set(requests_of)) == 2 and all(requests_of)
    assert sent["attributes"]["messaging.message.id"] == message["MessageId"]
    assert received["link_attributes"] == [{"messaging.message.id": message["MessageId"]}]
    requests: list[Any] = []
    sends: list[Any] = []
    aws.bare.meta.events.register("provide-client-params.sqs.ReceiveMessage", lambda params, **_: requests.append(params))
    aws.sqs.receive_message(QueueUrl=url, **EVERYTHING)
    aws.sqs.receive_message(QueueUrl=url, MessageAttributeNames=[".*"], AttributeNames=["All"])
    assert requests == [
        {"QueueUrl": url, **EVERYTHING},
        {"QueueUrl": url, "MessageAttributeNames": [".*"], "AttributeNames": ["All"]},
    ]
    assert aws.spans.new() == []  # nothing came
    # A batch: each message its own context; a deletion has no span but where it is asked for.
    entries = [{"Id": str(n), "MessageBody": str(n), "MessageAttributes": attributes(n)} for n in (0, 9, 10)]
    before_entries = copy.deepcopy(entries)
    aws.bare.meta.events.register("provide-client-params.sqs.SendMessageBatch", lambda params, **_: sends.append(params))
    aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert entries == before_entries
    *created, sent = aws.spans.new()
    assert [(span["name"], span["kind"]) for span in created] == [("create calls", "PRODUCER")] * 3
    assert (sent["kind"], sent["links"]) == ("CLIENT", [span["id"] for span in created])
    assert sent["attributes"]["aws.request_id"]
    messages = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    # moto does not keep the system attributes of a batch.
    carried = {parent_of(message) for message in messages} - {None}
    carried.add(parent_of({"Attributes": sends[-1]["Entries"][2]["MessageSystemAttributes"]}))
    assert carried == {span["id"] for span in created}
    assert sorted(len(message.get("MessageAttributes", ())) for message in messages) == [0, 1, 1]
    aws.spans.new()
    with aws.sqs.process(url, messages):
        deleting = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        assert len(aws.sqs.delete_message_batch(QueueUrl=url, Entries=deleting)["Successful"]) == 3
    (handled,) = aws.spans.new()
    assert (handled["name"], set(handled["links"])) == ("process calls", {span["id"] for span in created[:2]})
    settling = wrap_client(aws.bare, settle_spans=True, batch_creation="send")
    settling.send_message_batch(QueueUrl=url, Entries=entries[:2])
    (sent,) = aws.spans.new()
    messages = settling.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {parent_of(message) for message in messages} == {sent["id"]} and sent["kind"] == "PRODUCER"
    for message in messages:
        settling.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [span["name"] for span in aws.spans.new()] == ["receive calls", "delete calls", "delete calls"]
    assert stats()["failures"] == failures
    assert aws.sqs.get_paginator("list_queues").paginate().build_full_result()["QueueUrls"]


def resources(aws: Aws) -> None:
    service = boto3.resource("sqs", endpoint_url=aws.address, **AWS)
    original = service.create_queue(QueueName="resource")
    queue = wrap_queue(original)
    assert isinstance(queue, type(original)) and queue.url == original.url
    queue.send_message(MessageBody="1", MessageAttributes=attributes(10))
    (sent,) = aws.spans.new()
    (message,) = queue.receive_messages(MaxNumberOfMessages=10)
    with queue.meta.client.process(queue.url, message):
        message.delete()
    received, handled = aws.spans.new()
    assert received["links"] == handled["links"] == [sent["id"]]
    assert message.body == "1"
    original.send_message(MessageBody="2")
    assert aws.spans.new() == []


def notifications(aws: Aws) -> None:
    topic = aws.bare_sns.create_topic(Name="topic")["TopicArn"]
    urls = {}
    for raw in ("true", "false"):
        urls[raw] = aws.queue(f"raw-{raw}")
        arn = aws.bare.get_queue_attributes(QueueUrl=urls[raw], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        made = aws.bare_sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
        aws.bare_sns.set_subscription_attributes(
            SubscriptionArn=made["SubscriptionArn"], AttributeName="RawMessageDelivery", AttributeValue=raw
        )
    for count in (0, 9, 10):
        given = attributes(count)
        before = copy.deepcopy(given)
        aws.sns.publish(TopicArn=topic, Message="hello", MessageAttributes=given)
        assert given == before
        (sent,) = aws.spans.new()
        assert (sent["name"], sent["kind"]) == ("publish topic", "PRODUCER")
        assert sent["attributes"]["aws.sns.topic.arn"] == topic
        for raw, url in urls.items():
            message = aws.only(url, aws.sqs)
            assert (message["Body"] if raw == "true" else json.loads(message["Body"])["Message"]) == "hello"
            with aws.sqs.process(url, message):
                pass
            received, handled = aws.spans.new()
            assert received["links"] == handled["links"] == ([sent["id"]] if count < 10 else [])
    entries = [{"Id": str(n), "Message": str(n)} for n in range(3)]
    answer = aws.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert len(answer["Successful"]) == 3 and entries == [{"Id": str(n), "Message": str(n)} for n in range(3)]
    *created, _ = aws.spans.new()
    messages = aws.sqs.receive_message(QueueUrl=urls["true"], MaxNumberOfMessages=10)["Messages"]
    assert {parent_of(message) for message in messages} == {span["id"] for span in created}
    aws.spans.new()
    assert aws.sns.publish(PhoneNumber="+15555550100", Message="hello")["MessageId"]
    assert "destination" not in repr(aws.spans.new())


async def main(address: str, path: str) -> None:
    processor = recording(path)
    aws = Aws(address, Spans(path))
    for wrong in (None, aws.sqs, aws.bare_sns):
        await refused(lambda wrong=wrong: wrap_client(wrong), TypeError)
    await refused(lambda: sns_wrapper.wrap_client(aws.bare), TypeError)
    await refused(lambda: wrap_client(aws.bare, batch_creation="none"), ValueError)
    await refused(lambda: wrap_client(aws.bare, settle_spans="yes"), TypeError)
    await refused(lambda: wrap_queue(aws.bare), TypeError)
    assert isinstance(aws.sqs, type(aws.bare))
    limits(aws)
    sizes(aws)
    await calls(aws)
    resources(aws)
    notifications(aws)
    assert (stats()["foreign_detach"], processor.open) == (0, 0), stats()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
