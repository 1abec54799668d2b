"""Takes an order, and sends it to a queue of SQS."""

from __future__ import annotations

import boto3
from opentelemetry import trace

from nanospan.messaging.aws.sqs import wrap_client

client = wrap_client(boto3.client("sqs"))
url = client.create_queue(QueueName="orders")["QueueUrl"]
with trace.get_tracer("shop").start_as_current_span("take order"):
    order = {"order": {"DataType": "Number", "StringValue": "7"}}
    client.send_message(QueueUrl=url, MessageBody="2 chairs", MessageAttributes=order)
print("sent order 7")
