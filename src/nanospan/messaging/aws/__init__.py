"""Wrappers for boto3's clients of `sqs` and `sns`.

::

    import boto3
    from nanospan.messaging.aws.sqs import wrap_client

    sqs = wrap_client(boto3.client("sqs"))
    sqs.send_message(QueueUrl=url, MessageBody="...")

    for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
        with sqs.process(url, message):
            handle(message)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

Each module wraps the client that it is given, and changes nothing else: neither its class nor the arguments of its callers.
The context of a message is in its attributes, of which AWS takes ten. A message to SQS that has ten of its own carries the
traceparent in the system attribute ``AWSTraceHeader``; one to SNS goes without.
"""
