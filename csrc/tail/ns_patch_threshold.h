/* Changes the `th` of an encoded span (an OTLP Span, see ns_otlp.h). A stage after the sampler, such as a tail sampler, must
 * do this to keep the adjusted count correct. It may raise a threshold or erase it, but never lower it.
 *
 *      Span = trace_id (1), span_id (2), trace_state (3), the rest
 *                                        ^ changed, inserted or deleted; all else is copied
 */
#ifndef NS_PATCH_THRESHOLD_H
#define NS_PATCH_THRESHOLD_H

#include "base/ns_base.h"

enum {
    NS_TH_LEAVE, /* keep `th` unchanged */
    NS_TH_RAISE, /* set `th` to the larger of its present value, if any, and the given one */
    NS_TH_ERASE, /* remove `th`: the adjusted count is unknown */
};

#define NS_PATCH_THRESHOLD_ROOM 32 /* maximum growth of a span, in bytes */

/* Copies a span of `size` bytes to `out` (`size + NS_PATCH_THRESHOLD_ROOM` bytes, no overlap) and applies `action` to its
 * `th`. `threshold` is below 2^56 and is read for NS_TH_RAISE only. Returns the new size.
 *
 * RAISE replaces a malformed `ot` by a new one. ERASE leaves a malformed `ot` unchanged, since it contains no `th`. A `th`
 * that is not a valid threshold (ns_ot.h) counts as absent for RAISE and is removed by ERASE. If nothing has to change, no
 * byte changes.
 *
 * If the trace state cannot be changed (`ot` would exceed 256 characters, or the span ends within its first three fields),
 * copies the span unchanged and increments *unchanged, without a lock. */
size_t ns_patch_threshold_span(const uint8_t *span, size_t size, int action, uint64_t threshold, uint8_t *out,
                               uint64_t *unchanged);

#endif
