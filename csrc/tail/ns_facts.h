/* What tail-sampling policies ask about a span, read from its encoded bytes (an OTLP Span as ns_otlp.c writes it).
 *
 * Policies that look at attributes or at the trace state become conditions, at most 64 in all, and a span's facts say in
 * one word which of them hold. The facts of a trace are the union of those of its spans and of its resource, so that no
 * span needs to be read twice.
 *
 * All functions here may be called from any thread and without the interpreter lock, with one exception: while
 * conditions->like is not NULL (there is a condition of kind NS_TEXT_LIKE), ns_facts_of_span and ns_facts_of_resource
 * call it, and must then be called with whatever it needs: the one that Python gives needs the interpreter lock.
 */
#ifndef NS_FACTS_H
#define NS_FACTS_H

#include "encoding/ns_otlp.h"

#define NS_CONDITIONS_MAX 64

typedef enum ns_condition_kind {
    NS_TEXT_IS,   /* a text attribute equals one of the values */
    NS_TEXT_LIKE, /* a text attribute of which the callback says yes */
    NS_NUMBER_IN, /* an integer attribute from `least` to `most`, both included */
    NS_BOOL_IS,   /* a bool attribute equals `flag` */
    NS_STATE_IS,  /* the trace state's member of this key has one of the values */
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
    int64_t least;
    int64_t most;
} ns_condition;

/* Whether the text of an attribute holds for the condition of this index. The text is UTF-8 and not empty. */
typedef bool (*ns_like)(void *context, size_t condition, const char *text, size_t size);

typedef struct ns_conditions {
    size_t count;
    uint64_t states;     /* the conditions of kind NS_STATE_IS; bit i is condition i */
    uint64_t key_sizes;  /* bit n: an attribute condition has a key whose size is n modulo 64 */
    ns_like like;        /* NULL: no condition is of kind NS_TEXT_LIKE */
    void *context;       /* the first argument of `like` */
    uint8_t first[NS_CONDITIONS_MAX + 1];  /* by key size modulo 64: where its conditions begin in `order` */
    uint8_t order[NS_CONDITIONS_MAX];
    ns_condition conditions[];
} ns_conditions;

/* Copies the conditions, with their keys and values, into one allocation that never changes afterwards. Returns NULL when
 * memory is short, and for more than NS_CONDITIONS_MAX. No conditions are fine. */
ns_conditions *ns_conditions_new(const ns_condition *conditions, size_t count, ns_like like, void *context);
void ns_conditions_free(ns_conditions *conditions);

typedef struct ns_facts {
    uint64_t trace_high; /* the trace id, as two big-endian halves */
    uint64_t trace_low;
    uint64_t start; /* nanoseconds since the epoch, 0 if not written */
    uint64_t end;
    uint64_t matches;        /* bit i: condition i holds */
    const char *trace_state; /* borrowed from the span; NULL if it has none */
    size_t trace_state_size;
    uint32_t flags; /* Span.flags: the W3C bits, NS_FLAGS_HAS_IS_REMOTE, NS_FLAGS_IS_REMOTE */
    bool has_parent;
    uint8_t status; /* 0 unset, 1 ok, 2 error */
} ns_facts;

/* Reads a span. False, with *facts undefined, for bytes that are not a span of our encoder; never reads beyond `size`. */
bool ns_facts_of_span(const uint8_t *span, size_t size, const ns_conditions *conditions, ns_facts *facts);

/* The conditions that hold by the attributes of a resource, given as the field ResourceSpans.resource (ns_source's
 * resource_head). 0 for bytes that are not one. */
uint64_t ns_facts_of_resource(const uint8_t *field, size_t size, const ns_conditions *conditions);

/* The first span of its trace in this process: no parent, or one in another process. */
static inline bool ns_facts_is_local_root(const ns_facts *facts) {
    return !facts->has_parent || (facts->flags & NS_FLAGS_IS_REMOTE);
}

#endif
