/* Framing a batch: encoded spans, grouped by resource and scope, wrapped into one ExportTraceServiceRequest.
 *
 * Nothing is encoded twice: the resource and scope messages come as finished fields, the spans as finished bodies, and
 * the lengths around them are computed from theirs.
 *
 *      ExportTraceServiceRequest
 *        ResourceSpans*      0a <length>  resource_head   ScopeSpans*  resource_tail
 *          ScopeSpans*       12 <length>  scope_head      Span*        scope_tail
 *            Span*           12 <length>  <record>
 *
 * Resources stand in the order in which the batch first names them, scopes likewise within their resource, spans in
 * the order of the batch: the order of the reference encoder.
 */
#ifndef NS_FRAME_H
#define NS_FRAME_H

#include "encoding/ns_record.h"

typedef struct ns_slice {
    const uint8_t *data;
    size_t size;
} ns_slice;

/* What a record's `source` stands for. Sources with equal ids share one ResourceSpans or ScopeSpans. */
typedef struct ns_source {
    uint32_t resource_id;
    uint32_t scope_id;
    ns_slice resource_head; /* the field ResourceSpans.resource */
    ns_slice resource_tail; /* the field ResourceSpans.schema_url, or nothing */
    ns_slice scope_head;
    ns_slice scope_tail;
} ns_source;

/* Frames `count` records into *body, which the caller frees with ns_frame_free. `sources` maps a record's source to its
 * description. `framed` (room for `count`) receives the records as they lie in the body, in its order, so that a body
 * can be framed again in parts; it may be `records` itself.
 *
 * Returns 0, or -1 when memory is short. */
int ns_frame(const ns_record *records, size_t count, const ns_source *const *sources, uint8_t **body, size_t *size,
             ns_record *framed);

void ns_frame_free(uint8_t *body);

#endif
