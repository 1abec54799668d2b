include "encoder.pxd"
include "sources.pxd"
include "batch.pxd"
