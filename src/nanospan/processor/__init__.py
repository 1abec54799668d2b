"""`BatchSpanProcessor`: the SDK's class of that name, with a native queue and exporters that take bytes."""

from nanospan.processor._stats import DropReason, PolicyStats, ProcessorDetail, ProcessorStats, TailStats
from nanospan.processor.batch import BatchSpanProcessor

__all__ = ["BatchSpanProcessor", "DropReason", "PolicyStats", "ProcessorDetail", "ProcessorStats", "TailStats"]

BatchSpanProcessor.__module__ = __name__  # its public path, for logs and pickles
