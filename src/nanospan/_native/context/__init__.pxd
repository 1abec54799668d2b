include "ids.pxd"
include "identity.pxd"
include "current_context.pxd"
