"""Wrappers for the clients of Kafka: `confluent` (confluent-kafka), `aiokafka`, and `kafka_python` (kafka-python).

::

    from confluent_kafka import Consumer, Producer
    from nanospan.messaging.kafka.confluent import wrap_consumer, wrap_producer

    producer = wrap_producer(Producer(settings), config=settings)
    producer.produce("orders", b"...")

    consumer = wrap_consumer(Consumer(settings), config=settings)
    message = consumer.poll(1.0)
    with consumer.process(message):
        handle(message)

Each module wraps the object that it is given, and changes nothing else. The wrapper has the methods of the object, and:

- a send makes a PRODUCER span, which ends when the client has taken the message, and puts its context into the headers;
- a poll that brings messages makes a CLIENT span with links to where they were made, and so does a commit;
- ``process(messages)`` is a context manager around the handler of one message, or of what a poll returned: a CONSUMER span.

A failure inside them is counted (`nanospan.messaging.stats`), and neither loses nor changes a message.
"""
