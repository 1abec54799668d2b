/* A view of one encoded span. `source` identifies its resource and scope (ns_frame.h). */
#ifndef NS_RECORD_H
#define NS_RECORD_H

#include "base/ns_base.h"

typedef struct ns_record {
    const uint8_t *data;
    uint32_t size;
    uint32_t source;
} ns_record;

#endif
