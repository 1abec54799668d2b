include "processors.pxd"
include "span.pxd"
include "tracer.pxd"
