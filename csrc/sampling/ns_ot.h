/* The `ot` member of the W3C `tracestate` (OpenTelemetry): parsed and formatted by pure functions on bytes. No allocation,
 * no state, no locale (https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/).
 *
 *      tracestate:  ot=th:fd70a;rv:6e6d1a75832a2f;xy:any , vendor=value , ...
 *                      sub-key `:` value, joined by `;`    other members
 *
 * `th` and `rv` are parsed (ns_threshold.h); other sub-keys are preserved. A value that violates the grammar (duplicate
 * sub-key, empty item, illegal character, more than 256 characters) is ignored as a whole. A grammatical `th` or `rv` that
 * is not a valid threshold or randomness counts as absent, and the rest is still read. Such an `rv` is preserved until an
 * `rv` is written; such a `th` is not preserved.
 */
#ifndef NS_OT_H
#define NS_OT_H

#include "base/ns_base.h"

#define NS_OT_MAX_LENGTH      256        /* characters of a value */
#define NS_OT_NONE            UINT64_MAX /* absent threshold or randomness */
#define NS_TRACESTATE_MEMBERS 32         /* limit for members of a tracestate */

typedef struct ns_ot {
    bool has_threshold, has_randomness;
    uint64_t threshold, randomness; /* 0 if absent */
} ns_ot;

/* Parses the value of an `ot` member. Returns false if it is malformed; *ot then has neither threshold nor randomness. */
bool ns_ot_read(const char *value, size_t size, ns_ot *ot);

/* Writes the successor of the value `old` to out[NS_OT_MAX_LENGTH]: `th` set to `threshold` (NS_OT_NONE: removed), `rv`
 * added if `randomness` is not NS_OT_NONE and `old` has none, all other sub-keys unchanged. `th` comes first, an added `rv`
 * second, the others in their order. A malformed `old` counts as empty.
 *
 * Returns the length. Returns 0 if nothing is left: the caller must delete the member. Returns -1 if the value would exceed
 * NS_OT_MAX_LENGTH: the caller must keep the old value. `out` must not overlap `old`. Both numbers are below 2^56 or
 * NS_OT_NONE. */
int ns_ot_write(const char *old, size_t size, uint64_t threshold, uint64_t randomness, char *out);

/* Finds the value of the first `ot` member in a tracestate header. Returns false and leaves the outputs unset if there is
 * none. */
bool ns_ot_find(const char *header, size_t size, const char **value, size_t *value_size);

/* Writes a header with the `ot` value as its first member, the place of a changed member, or without `ot` if `ot_size` is 0.
 * The other members keep their bytes and order. Removes blanks around members, empty members, and the last members beyond
 * NS_TRACESTATE_MEMBERS. Returns the length, at most `size + ot_size + 4`; 0 if no member is left. `out` must not overlap
 * the inputs. */
size_t ns_ot_in_header(const char *header, size_t size, const char *ot, size_t ot_size, char *out);

#endif
