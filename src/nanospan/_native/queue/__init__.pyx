"""Where ended spans wait for the worker."""

include "span_queue.pxi"
