/* OpenTelemetry's member of the W3C `tracestate`, key `ot`: read and written as pure functions on bytes; no allocation, no
 * state, no locale (https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/).
 *
 *      tracestate:  ot=th:fd70a;rv:6e6d1a75832a2f;xy:any , vendor=value , ...
 *                      sub-key `:` value, joined by `;`    other members
 *
 * `th` and `rv` are read (see ns_threshold.h); other sub-keys are carried along. A value that breaks the grammar (a
 * sub-key twice, an empty item, an illegal character, more than 256 characters) says nothing as a whole. A `th` or `rv`
 * that the grammar allows and that is no threshold or randomness counts as absent, the rest stays readable; such an `rv` is
 * carried along until one is to be written, such a `th` is not.
 */
#ifndef NS_OT_H
#define NS_OT_H

#include "base/ns_base.h"

#define NS_OT_MAX_LENGTH 256           /* characters of a value */
#define NS_OT_NONE UINT64_MAX    /* no threshold, no randomness */
#define NS_TRACESTATE_MEMBERS 32 /* the most that a tracestate may have */

typedef struct ns_ot {
    bool has_threshold, has_randomness;
    uint64_t threshold, randomness; /* 0 where absent */
} ns_ot;

/* Reads the value of an `ot` member. Returns false, *ot saying that nothing is there, if it is malformed. */
bool ns_ot_read(const char *value, size_t size, ns_ot *ot);

/* Writes to out[NS_OT_MAX_LENGTH] the value that follows from `old`: `th` set to `threshold` (NS_OT_NONE: removed), `rv` added
 * if `randomness` is not NS_OT_NONE and none is there, all other sub-keys as they were. `th` stands first, an added `rv`
 * second, the others in their order. A malformed old value counts as empty.
 *
 * Returns the length; 0 if nothing is left, so that the member is to be deleted; -1 if it would exceed NS_OT_MAX_LENGTH, so
 * that the old value is to stay. `out` must not overlap `old`. Both numbers are below 2^56 or NS_OT_NONE. */
int ns_ot_write(const char *old, size_t size, uint64_t threshold, uint64_t randomness, char *out);

/* Finds the value of the first `ot` within a whole tracestate header. Returns false, the outputs unset, if there is none. */
bool ns_ot_find(const char *header, size_t size, const char **value, size_t *value_size);

/* Writes a whole header with `ot` put at its front, where a changed member belongs, or without it if `ot_size` is 0. The
 * other members keep their bytes and their order; blanks around them and empty ones go, and so do the last ones beyond
 * NS_TRACESTATE_MEMBERS. Returns the length, at most `size + ot_size + 4`; 0 if no member is left. `out` must not overlap
 * the others. */
size_t ns_ot_in_header(const char *header, size_t size, const char *ot, size_t ot_size, char *out);

#endif
