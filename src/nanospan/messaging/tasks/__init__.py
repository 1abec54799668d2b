"""Spans for task queues: `celery`, `dramatiq`, `taskiq` and `rq`. Each module imports its library.

::

    from nanospan.messaging.tasks.celery import instrument

    instrument(app)

Each takes the object that the application has, and changes nothing else in the process. Do it where the object is made, in
what hands over tasks and in the workers:

- handing over a task makes a PRODUCER span, which ends when the broker has it, and puts its context into the message;
- running it makes a CONSUMER span, with a link to where the task was handed over;
- a retry, a callback or the next task of a chain is handed over inside the span of the task before.

`messaging.system` is the broker's, and the destination is the queue. The name of the task is an attribute, and with
``span_names="task"`` the name of the span in place of the queue. A failure inside these functions is counted
(`nanospan.messaging.stats`), and neither loses nor changes a task.

A schedule's run, such as of cron, has no producer: `nanospan.messaging.job_span` begins its trace.
"""
