/* Framing of a batch: groups encoded spans by resource and scope into one ExportTraceServiceRequest.
 *
 * Nothing is encoded twice: the resource and scope messages are given as complete fields and the spans as complete bodies.
 * Only the lengths around them are computed here.
 *
 *      ExportTraceServiceRequest
 *        ResourceSpans*      0a <length>  resource_head   ScopeSpans*  resource_tail
 *          ScopeSpans*       12 <length>  scope_head      Span*        scope_tail
 *            Span*           12 <length>  <record>
 *
 * Resources appear in the order of their first span in the batch, scopes likewise within their resource, and spans in batch
 * order. This is the order of the reference encoder.
 */
#ifndef NS_FRAME_H
#define NS_FRAME_H

#include "encoding/ns_record.h"

typedef struct ns_slice {
    const uint8_t *data;
    size_t size;
} ns_slice;

/* Description of a record's `source`. Sources with equal ids share one ResourceSpans or ScopeSpans. */
typedef struct ns_source {
    uint32_t resource_id;
    uint32_t scope_id;
    ns_slice resource_head; /* field ResourceSpans.resource */
    ns_slice resource_tail; /* field ResourceSpans.schema_url, or empty */
    ns_slice scope_head;
    ns_slice scope_tail;
} ns_source;

/* Frames `count` records into *body, which the caller frees with ns_frame_free. `sources` maps a record's source to its
 * description. `framed` (`count` entries) receives the records as they lie in the body, in body order, so that a body can be
 * framed again in parts. `framed` may be `records` itself.
 *
 * Returns 0, or -1 if memory is exhausted. */
int ns_frame(const ns_record *records, size_t count, const ns_source *const *sources, uint8_t **body, size_t *size,
             ns_record *framed);

void ns_frame_free(uint8_t *body);

#endif
