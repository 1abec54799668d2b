/* The facts of a span for tail-sampling policies, read from its encoded bytes (an OTLP Span as ns_otlp.c writes it).
 *
 * Policies on attributes or on the trace state become conditions, at most 64 in total. One word in a span's facts tells
 * which of them hold. The facts of a trace are the union of the facts of its spans and of its resources, so no span is read
 * twice.
 *
 * Any thread may call these functions without the GIL, with one exception: if conditions->like is not NULL (some condition
 * is of kind NS_TEXT_LIKE), ns_facts_of_span and ns_facts_of_resource call it, and the caller must meet its requirements.
 * The callback of the Python binding needs the GIL.
 */
#ifndef NS_FACTS_H
#define NS_FACTS_H

#include "encoding/ns_otlp.h"

#define NS_CONDITIONS_MAX 64

typedef enum ns_condition_kind {
    NS_TEXT_IS,   /* a text attribute equals one of the values */
    NS_TEXT_LIKE, /* the callback accepts a text attribute */
    NS_NUMBER_IN, /* an integer attribute is from `min_value` to `max_value`, both inclusive */
    NS_BOOL_IS,   /* a bool attribute equals `flag` */
    NS_STATE_IS,  /* the member of the trace state with this key has one of the values */
} ns_condition_kind;

typedef struct ns_word {
    const char *chars;
    size_t size;
} ns_word;

typedef struct ns_condition {
    ns_condition_kind kind;
    bool flag;
    ns_word key;
    const ns_word *values;
    size_t value_count;
    int64_t min_value;
    int64_t max_value;
} ns_condition;

/* Whether the text of an attribute satisfies the condition of this index. The text is UTF-8 and not empty. */
typedef bool (*ns_like)(void *context, size_t condition, const char *text, size_t size);

typedef struct ns_conditions {
    size_t count;
    uint64_t states;                      /* bit i: condition i is of kind NS_STATE_IS */
    uint64_t key_sizes;                   /* bit n: some attribute condition has a key of size n modulo 64 */
    ns_like like;                         /* NULL: no condition is of kind NS_TEXT_LIKE */
    void *context;                        /* the first argument of `like` */
    uint8_t first[NS_CONDITIONS_MAX + 1]; /* first index in `order`, by key size modulo 64 */
    uint8_t order[NS_CONDITIONS_MAX];
    ns_condition conditions[];
} ns_conditions;

/* Copies the conditions with their keys and values into one immutable allocation. Returns NULL if memory is exhausted or
 * `count` exceeds NS_CONDITIONS_MAX. `count` may be 0. */
ns_conditions *ns_conditions_new(const ns_condition *conditions, size_t count, ns_like like, void *context);
void ns_conditions_free(ns_conditions *conditions);

typedef struct ns_facts {
    uint64_t trace_high; /* the trace id, as two big-endian halves */
    uint64_t trace_low;
    uint64_t start; /* nanoseconds since the epoch, 0 if absent */
    uint64_t end;
    uint64_t matches;        /* bit i: condition i holds */
    const char *trace_state; /* borrowed from the span; NULL if absent */
    size_t trace_state_size;
    uint32_t flags; /* Span.flags: the W3C bits, NS_FLAGS_HAS_IS_REMOTE, NS_FLAGS_IS_REMOTE */
    bool has_parent;
    uint8_t status; /* 0 unset, 1 ok, 2 error */
} ns_facts;

/* Reads a span. Returns false, with *facts undefined, for bytes that ns_otlp.c does not write. Never reads beyond `size`. */
bool ns_facts_of_span(const uint8_t *span, size_t size, const ns_conditions *conditions, ns_facts *facts);

/* Conditions satisfied by the attributes of a resource, given as the field ResourceSpans.resource (resource_head of
 * ns_source). Returns 0 for other bytes. */
uint64_t ns_facts_of_resource(const uint8_t *field, size_t size, const ns_conditions *conditions);

/* Whether the span is the first of its trace in this process: it has no parent, or a remote one. */
static inline bool ns_facts_is_local_root(const ns_facts *facts) {
    return !facts->has_parent || (facts->flags & NS_FLAGS_IS_REMOTE);
}

#endif
