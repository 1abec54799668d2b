include "ids.pxd"
include "identity.pxd"
include "carried_counts.pxd"
include "current_context.pxd"
