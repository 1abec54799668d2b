"""The clients of SQS, and of SNS with queues of SQS as subscribers, behind the calls of `clients`."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from message import Message

AWS = {"region_name": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
AT_ONCE = 10
"""The most messages that one request of SQS or SNS sends, brings or deletes."""
PART = 100

os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")


def boto3_client(service: str, address: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(service, endpoint_url=address, config=Config(retries={"total_max_attempts": 1}), **AWS)


def tens(messages: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(messages), AT_ONCE):
        yield messages[start : start + AT_ONCE]


class Sqs:
    """A topic is a row of queues, each for about `PART` messages: for each request moto goes through the whole queue."""

    def __init__(self, address: str, wrap: Any) -> None:
        self.bare = boto3_client("sqs", address)
        self.client = wrap(self.bare)
        self._sent: dict[str, int] = {}
        self._places: dict[str, str] = {}

    def _place(self, topic: str, count: int = 1) -> str:
        """Where the next ``count`` messages go."""
        number = self._sent.get(topic, 0)
        self._sent[topic] = number + count
        name = f"{topic}_{number // PART}"
        if name not in self._places:
            self._places[name] = self._made(name)
        return self._places[name]

    def _made(self, name: str) -> str:
        url: str = self.bare.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
        return url

    def run(self, result: Any) -> Any:
        return result

    def create(self, topic: str) -> None:
        """Its queues are made when messages are sent."""

    @staticmethod
    def _attributes(headers: Any) -> dict[str, Any]:
        if not headers:
            return {}
        return {"MessageAttributes": {k: {"DataType": "String", "StringValue": v} for k, v in headers.items()}}

    def _entry(self, value: bytes, headers: Any) -> dict[str, Any]:
        return {"MessageBody": base64.b64encode(value).decode(), **self._attributes(headers)}

    def send(self, topic: str, value: bytes, headers: Any, bare: bool = False) -> None:
        (self.bare if bare else self.client).send_message(QueueUrl=self._place(topic), **self._entry(value, headers))

    def forward(self, topic: str, value: bytes, headers: Any) -> None:
        self.send(topic, value, headers)

    def send_all(self, topic: str, messages: list[tuple[bytes, Any]]) -> None:
        for some in tens(messages):
            entries = [{"Id": str(i), **self._entry(*message)} for i, message in enumerate(some)]
            before = repr(entries)
            answer = self._send_batch(self._place(topic, len(some)), entries)
            assert len(answer["Successful"]) == len(entries)
            assert repr(entries) == before or self.bare is self.client  # contrib and ddtrace change them

    def _send_batch(self, place: str, entries: list[Any]) -> Any:
        return self.client.send_message_batch(QueueUrl=place, Entries=entries)

    def consumer(self, topic: str) -> list[str]:
        """The queues that may have messages, the next first."""
        urls = self.bare.list_queues(QueueNamePrefix=f"{topic}_").get("QueueUrls", [])
        return sorted(urls, key=lambda url: int(url.rpartition("_")[2]))

    def fetch(self, consumer: list[str], size: int) -> tuple[Any, list[Message]]:
        """More than ten by several requests to the same queue."""
        if not consumer:
            return None, []
        found: list[Any] = []
        for at_once in [AT_ONCE] * (size // AT_ONCE) or [size]:
            asked = ["n", "Trace-Id"]
            answer = self.client.receive_message(
                QueueUrl=consumer[0], MaxNumberOfMessages=at_once, MessageAttributeNames=asked
            )
            assert asked == ["n", "Trace-Id"] or self.bare is self.client  # contrib changes it
            came = answer.get("Messages", [])
            found += came
            if not came:
                break
        if not found and self._has_none(consumer[0]):
            del consumer[0]
        elif not found:
            time.sleep(0.05)
        return found, [Message(*self._content(message), message) for message in found]

    @staticmethod
    def _content(message: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
        headers = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        return base64.b64decode(message["Body"]), headers

    def process(self, consumer: list[str], result: Any) -> Any:
        return self.client.process(consumer[0], result[0] if len(result) == 1 else result)

    def acknowledge(self, consumer: list[str], messages: list[Message]) -> None:
        for some in tens(messages):
            entries = [{"Id": str(i), "ReceiptHandle": message.native["ReceiptHandle"]} for i, message in enumerate(some)]
            answer = self.client.delete_message_batch(QueueUrl=consumer[0], Entries=entries)
            assert len(answer["Successful"]) == len(entries)

    def again(self, consumer: list[str], messages: list[Message]) -> None:
        for message in messages:
            handle = message.native["ReceiptHandle"]
            self.bare.change_message_visibility(QueueUrl=consumer[0], ReceiptHandle=handle, VisibilityTimeout=0)

    def _has_none(self, url: str) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.bare.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return all(found[name] == "0" for name in names)

    def is_empty(self, consumer: list[str]) -> bool:
        return not consumer

    def close(self) -> None:
        self.client.close()


class Sns(Sqs):
    """Each topic has a queue as its subscriber, which gets the message as it was published (raw delivery)."""

    RAW: ClassVar[str] = "true"

    def __init__(self, address: str, wrap: Any) -> None:
        from nanospan.messaging.aws.sqs import wrap_client

        super().__init__(address, wrap_client)
        self._bare_sns = boto3_client("sns", address)
        self._sns = wrap(self._bare_sns)

    def _made(self, name: str) -> str:
        arn: str = self._bare_sns.create_topic(Name=name)["TopicArn"]
        if not self._bare_sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]:
            url = super()._made(name)
            queue = self.bare.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            raw = {"RawMessageDelivery": self.RAW}
            self._bare_sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue, Attributes=raw)
        return arn

    def _entry(self, value: bytes, headers: Any) -> dict[str, Any]:
        return {"Message": base64.b64encode(value).decode(), **self._attributes(headers)}

    def send(self, topic: str, value: bytes, headers: Any, bare: bool = False) -> None:
        (self._bare_sns if bare else self._sns).publish(TopicArn=self._place(topic), **self._entry(value, headers))

    def _send_batch(self, place: str, entries: list[Any]) -> Any:
        return self._sns.publish_batch(TopicArn=place, PublishBatchRequestEntries=entries)


class SnsInBody(Sns):
    """Without raw delivery: the body is a notification in JSON, with the message's attributes in it."""

    RAW = "false"

    @staticmethod
    def _content(message: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
        assert "MessageAttributes" not in message, message
        body = json.loads(message["Body"])
        assert body["Type"] == "Notification", body
        headers = {name: value["Value"] for name, value in body.get("MessageAttributes", {}).items()}
        return base64.b64decode(body["Message"]), headers
