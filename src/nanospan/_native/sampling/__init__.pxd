include "cost_meter.pxd"
include "samplers.pxd"
include "threshold_samplers.pxd"
include "rules.pxd"
