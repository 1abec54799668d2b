"""Wrappers for the clients of RabbitMQ, and of other brokers of AMQP 0-9-1: `pika` and `aio_pika`.

::

    from nanospan.messaging.amqp.pika import wrap_channel

    channel = wrap_channel(connection.channel())
    channel.basic_publish("", "orders", b"...")

    channel.basic_consume("orders", handle)  # each call of `handle` has a span

Each module wraps the object that it is given, and changes nothing else. The wrapper has the methods of the object, and:

- a publish makes a PRODUCER span, whose context goes into the headers of the message;
- a callback of a consumer runs in a CONSUMER span with a link to the publish span;
- a message that the application asks for, by a get or an iteration, makes a CLIENT span with that link, which has ended
  when the application has the message; ``process`` is a context manager around the handler: a CONSUMER span;
- with ``settle=True`` an ack, a nack and a reject make a CLIENT span each.

A failure inside them is counted (`nanospan.messaging.stats`), and neither loses nor changes a message.
"""
