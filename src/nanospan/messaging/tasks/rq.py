"""RQ: `wrap_queue` for what enqueues, and the class `TracedJob` for the workers.

::

    queue = wrap_queue(Queue(connection=Redis()))
    queue.enqueue(send_invoice, 7)

    rq worker --job-class nanospan.messaging.tasks.rq.TracedJob

The context goes into ``job.meta``, which RQ saves with the job, and nothing else does. RQ itself enqueues a job again for a
retry, at its scheduled time, or when what it depends on is done: the job keeps its context, and is linked to where the
application enqueued it. For other options of the workers make a class of your own::

    class Job(TracedJob):
        tracing = RqTracing(relation="parent")
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Unpack, cast

from rq import Queue
from rq.job import Job

from nanospan._common.arguments import safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._spans.sending import Sending, SendingBatch
from nanospan.messaging.tasks._tracing import Broker, TaskOptions, TaskTracing, broker_of_redis

__all__ = ["RqTracing", "TracedJob", "TracedQueue", "wrap_queue"]

TASK = "rq.func_name"


class RqTracing:
    """The options of the spans, for one server. See `TaskOptions`.

    Raises:
        TypeError, ValueError: for a wrong option, by name.
    """

    def __init__(self, **options: Unpack[TaskOptions]) -> None:
        self._connection: Any = None
        self.tracing = TaskTracing(TASK, self._broker, options)

    def _broker(self) -> Broker:
        return broker_of_redis(self._connection)

    def over(self, connection: Any) -> TaskTracing:
        """The spans over a connection, the first of which is asked for the server."""
        if self._connection is None:
            self._connection = connection
        return self.tracing


def _task_of(job: Job) -> str:
    """The name of the job's function; "?" where it cannot be read in this process."""
    try:
        return str(job.func_name)
    except Exception:
        return "?"


class TracedJob(Job):  # type: ignore[misc]
    """A job that runs in a span with a link to where it was enqueued."""

    tracing: ClassVar[RqTracing] = RqTracing()

    def perform(self) -> Any:
        try:
            processing = self.tracing.over(self.connection).process(
                self.origin, _task_of(self), self.meta if isinstance(self.meta, dict) else None, message_id=self.id
            )
        except Exception:
            log_failure("the start of a job")
            return super().perform()
        try:
            result = super().perform()
        except BaseException as error:
            processing.__exit__(type(error), error, None)
            raise
        processing.__exit__(None, None, None)
        return result


class TracedQueue(Queue):  # type: ignore[misc]
    """A queue whose jobs carry their span's context. Its class can be given to RQ, as to the decorator ``@job``."""

    tracing: ClassVar[RqTracing] = RqTracing()

    def enqueue_job(self, job: Job, *args: Any, **kwargs: Any) -> Job:
        sending = self._send(job)
        try:
            result = super().enqueue_job(job, *args, **kwargs)
        except BaseException as error:
            _end(sending, error)
            raise
        _end(sending)
        return result

    def schedule_job(self, job: Job, *args: Any, **kwargs: Any) -> Job:
        sending = self._send(job)
        try:
            result = super().schedule_job(job, *args, **kwargs)
        except BaseException as error:
            _end(sending, error)
            raise
        _end(sending)
        return result

    def enqueue_many(self, job_datas: Iterable[Any], *args: Any, **kwargs: Any) -> list[Job]:
        """Each job has a create span of its own, to which the span of the call links."""
        listed = list(job_datas)
        batch, listed = self._send_batch(listed)
        try:
            result = super().enqueue_many(listed, *args, **kwargs)
        except BaseException as error:
            _end(batch, error)
            raise
        _end(batch)
        return cast(list[Job], result)

    def _send(self, job: Job) -> Sending | None:
        try:
            tracing = self.tracing.over(self.connection)
            sending = tracing.send(self.name, _task_of(job), job.meta, message_id=job.id)
            job.meta = sending.headers
            return sending
        except Exception:
            log_failure("the start of a send span")
            return None

    def _send_batch(self, listed: list[Any]) -> tuple[SendingBatch | None, list[Any]]:
        try:
            batch = self.tracing.over(self.connection).messaging.send_batch(
                self.name,
                [data.meta for data in listed],
                message_ids=[data.job_id for data in listed],
                attributes_of=[{TASK: _name_of(data.func)} for data in listed],
            )
            batch.__enter__()
            changed = [data._replace(meta=meta) for data, meta in zip(listed, batch.headers_of, strict=True)]
            return batch, changed
        except Exception:
            log_failure("the start of a send span")
            return None, listed


def _name_of(function: Any) -> str:
    if isinstance(function, str):
        return function
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _end(sending: Sending | SendingBatch | None, error: BaseException | None = None) -> None:
    if sending is not None:
        sending.__exit__(None if error is None else type(error), error, None)


def wrap_queue(queue: Queue, **options: Unpack[TaskOptions]) -> TracedQueue:
    """A queue with everything of ``queue``, also its class, whose jobs carry their span's context.

    ``queue`` stays as it is.

    Raises:
        TypeError: if ``queue`` is no queue of RQ, or wrapped already, or an option is wrong, by name.
        ValueError: for a wrong option, by name.
    """
    if not isinstance(queue, Queue) or isinstance(queue, TracedQueue):
        raise TypeError(f"queue must be a queue of RQ that is not wrapped yet, not {safe_repr(queue)}")
    cls = type(queue)
    bases = (TracedQueue,) if cls is Queue else (TracedQueue, cls)
    traced: Any = type(f"Traced{cls.__name__}", bases, {"tracing": RqTracing(**options), "__module__": __name__})
    made: TracedQueue = object.__new__(traced)
    made.__dict__.update(vars(queue))
    return made
