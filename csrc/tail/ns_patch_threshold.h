/* Changing the `th` of a span that is already encoded (an OTLP Span, see ns_otlp.h): what a stage after the sampler, such as
 * a tail sampler, does to keep the count honest that `th` stands for. Such a stage may raise a threshold or take it away,
 * never lower it.
 *
 *      Span = trace_id (1), span_id (2), trace_state (3), the rest
 *                                        ^ changed, inserted or deleted; all else is copied
 */
#ifndef NS_PATCH_THRESHOLD_H
#define NS_PATCH_THRESHOLD_H

#include "base/ns_base.h"

enum {
    NS_TH_LEAVE, /* `th` as it came */
    NS_TH_RAISE, /* the larger of the span's own `th`, if any, and the given one */
    NS_TH_ERASE, /* no `th`: how many spans this one stands for is unknown */
};

#define NS_PATCH_THRESHOLD_ROOM 32 /* how much larger a span may become, in bytes */

/* Copies a span of `size` bytes to `out`, which has `size + NS_PATCH_THRESHOLD_ROOM` bytes and does not overlap it, and does to its
 * `th` what `action` says; `threshold` is below 2^56 and read for NS_TH_RAISE only. Returns the new size.
 *
 * RAISE puts an `ot` of its own in place of a malformed one; ERASE, which finds no `th` there, leaves that alone. A `th`
 * that is no threshold (see ns_ot.h) is raised as if absent, and erased. Where nothing is to change, no byte does.
 *
 * A span whose state cannot be changed (`ot` would exceed its 256 characters, or the span ends within its first three
 * fields) is copied as it is, and *unchanged incremented, without a lock. */
size_t ns_patch_threshold_span(const uint8_t *span, size_t size, int action, uint64_t threshold, uint8_t *out, uint64_t *unchanged);

#endif
