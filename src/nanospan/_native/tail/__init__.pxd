include "policies.pxd"
include "tail_queue.pxd"
