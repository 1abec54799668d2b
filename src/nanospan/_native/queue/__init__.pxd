include "span_queue.pxd"
