"""Waits for an order, sends its invoice, and ends."""

from __future__ import annotations

import boto3
from opentelemetry import trace

from nanospan.messaging.aws.sqs import wrap_client

client = wrap_client(boto3.client("sqs"))
url = client.create_queue(QueueName="orders")["QueueUrl"]
messages = []
while not messages:
    answer = client.receive_message(QueueUrl=url, MessageAttributeNames=["order"], WaitTimeSeconds=20)
    messages = answer.get("Messages", [])
for message in messages:
    with client.process(url, message), trace.get_tracer("billing").start_as_current_span("send invoice"):
        print(f"invoice for order {message['MessageAttributes']['order']['StringValue']}: {message['Body']}")
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
