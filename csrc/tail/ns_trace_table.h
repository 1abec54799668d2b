/* The buffer of in-process tail sampling: encoded spans, held by trace until the whole trace is decided on.
 *
 * One anonymous mapping of a fixed size holds everything, so that the bound on memory is the mapping itself. Pages are
 * taken from the system as they are first written.
 *
 *      | index     | entries        | decisions        | chunks ...                          |
 *        u32 a       one for each     what was decided   512 bytes each; spans as they were
 *        bucket      trace held       lately             encoded
 *
 * A trace is an entry and a chain of chunks. Spans lie in the chain one behind the other, and run on from one chunk into
 * the next; a record's header does not. The first chunk leaves room for what the consumer needs to know of a kept trace, so
 * that its entry is free again as soon as it is decided on:
 *
 *      chunk  | next | ...                                                       |
 *               u32
 *      first  | next | pad | chain (NS_CHAIN_BYTES) | record | record | rec...   |
 *      others | next | ...ord | record |                                        |
 *      record | size | source | encoded span ... |
 *               u32    u32
 *
 * The life of a trace:
 *
 *      start of a span     open + 1; the entry is made by the first
 *      end of a span       its bytes are appended, its facts merged, open - 1
 *      decided             when its local root has ended and no span is open; or `wait_after_root` later with spans still
 *                          open; or `wait` after its first span; or when room is needed, the oldest first
 *      kept                the chain moves, as it is, to the queue of the consumer
 *      dropped             the chain's chunks are free again, all in one step
 *      afterwards          a span that ends late goes where its trace went: the decision is remembered
 *
 * A local root that starts in a trace which was dropped begins a trace of its own: it may have an error to show.
 *
 * Whoever calls must see to it that one thread at a time does (the interpreter lock, or one of the table's own where there is
 * none); only ns_trace_table_read runs beside the others. Each call takes a bounded time, but for ns_trace_table_decide_all and the
 * evictions that one huge span may need.
 */
#ifndef NS_TRACE_TABLE_H
#define NS_TRACE_TABLE_H

#include "tail/ns_decisions.h"
#include "tail/ns_facts.h"
#include "tail/ns_policy.h"
#include "encoding/ns_record.h"

#define NS_TRACE_TABLE_MAX_TRACES        (1u << 24)
#define NS_TRACE_TABLE_MIN_BYTES ((uint64_t)1 << 20)
#define NS_TRACE_TABLE_MAX_BYTES  ((uint64_t)8 << 30)
#define NS_TRACE_TABLE_MIN_ROOM  ((uint64_t)256 << 10) /* of the bytes, for chunks */
#define NS_CHUNK_BYTES        512u
#define NS_TRACE_SOURCES      5

/* Sums since the table was made. */
typedef struct ns_trace_table_counts {
    uint64_t spans_kept;
    uint64_t spans_sampled_out;
    uint64_t spans_evicted;
    uint64_t spans_queue_full;
    uint64_t late_kept; /* of the spans above, those that ended after the decision */
    uint64_t late_dropped;
    uint64_t late_forgotten; /* of these, those whose trace's decision was forgotten, or that nobody saw start */
    uint64_t traces_kept;
    uint64_t traces_sampled_out;
    uint64_t traces_evicted;
    uint64_t traces_queue_full;
    uint64_t decided_early;   /* traces decided for want of room, kept or not */
    uint64_t decided_by_time; /* by `wait` or `wait_after_root` */
    uint64_t thresholds_unwritten; /* spans read whose th could not be changed as it should have been */
} ns_trace_table_counts;

typedef struct ns_trace_table_settings {
    uint64_t max_bytes;        /* of the whole mapping */
    uint32_t max_traces;       /* undecided ones */
    uint32_t remembered;       /* decisions */
    uint64_t wait_ns;          /* from the first span of a trace to the decision, at most */
    uint64_t wait_after_root_ns;
    ns_policies *policies;
    void (*retain)(void *context, uint32_t source);  /* one more hold on a source */
    void (*release)(void *context, uint32_t source); /* one less */
    void *context;
    uint64_t (*clock)(void);   /* monotonic nanoseconds; milliseconds of error do not matter */
} ns_trace_table_settings;

/* The spans of a kept trace, in a chain of chunks. Lies in the chain's first chunk. */
typedef struct ns_chain {
    uint64_t threshold; /* with count: how the spans' th is to be changed, see ns_patch_threshold.h */
    uint64_t bytes;     /* of the encoded spans */
    uint32_t spans;
    uint32_t next;      /* the first chunk of the next chain in the queue */
    uint32_t last;      /* chunk */
    uint32_t chunks;
    uint8_t count;
    uint8_t source_count; /* more than NS_TRACE_SOURCES: each record holds its own */
    uint16_t sources[NS_TRACE_SOURCES];
} ns_chain;

typedef struct ns_trace_table {
    ns_trace_table_settings settings;
    uint8_t *memory; /* the mapping */
    uint32_t *index;
    struct ns_trace_entry *entries;
    ns_decisions decisions;
    uint8_t *chunks;
    uint32_t index_mask;
    uint32_t chunk_count;

    uint32_t entries_used;  /* of the entries, how many were ever used; the others are untouched memory */
    uint32_t free_entry;    /* chain of those that are free again */
    uint32_t chunks_used;
    uint32_t free_chunk;
    uint32_t chunks_free;   /* untouched ones included */
    uint32_t waiting_first, waiting_last;     /* traces in the order of their first span */
    uint32_t lingering_first, lingering_last; /* traces whose root has ended, in the order in which it did */
    uint32_t traces_held;
    uint64_t spans_held;
    uint64_t bytes_held;    /* of encoded spans, undecided */
    bool starts_are_announced; /* ns_trace_table_start was called */

    uint32_t queue_first, queue_last; /* kept chains, by their first chunk; oldest first */
    uint32_t chunks_queued;           /* chunks of kept chains, those being read included */
    uint32_t max_queued;             /* chunks that kept chains may take */
    uint32_t spans_queued;            /* not yet read */
    uint32_t spans_read;              /* since the table was made, modulo 2^32 */

    /* the consumer's */
    uint32_t reading;        /* the chain at the cursor; 0: none */
    uint32_t reading_last;
    uint32_t cursor_chunk;
    uint32_t cursor_offset;
    uint32_t cursor_spans;   /* still to be read of this chain */

    ns_trace_table_counts counts;
} ns_trace_table;

/* The least `max_bytes` for so many traces and decisions. */
uint64_t ns_trace_table_min_bytes(uint32_t max_traces, uint32_t remembered);

/* 0, EINVAL or ENOMEM. */
int ns_trace_table_make(ns_trace_table *table, const ns_trace_table_settings *settings);
void ns_trace_table_free(ns_trace_table *table);

/* The largest span that the table takes. */
uint32_t ns_trace_table_max_span(const ns_trace_table *table);

/* Where a span stands in its trace, as seen from this process. */
typedef enum ns_place {
    NS_INNER, /* its parent is in this process */
    NS_ENTRY, /* its parent is in another */
    NS_ROOT,  /* it has none: the trace begins with it */
} ns_place;

/* A span has started. */
void ns_trace_table_start(ns_trace_table *table, uint64_t trace_high, uint64_t trace_low, ns_place place);

/* A span has ended: takes a copy of its bytes. True if the trace keeps the caller's hold on `source`, false if the caller
 * must let go of it. `started` is whether ns_trace_table_start was called for it. The counts say where the span went. */
bool ns_trace_table_end(ns_trace_table *table, const ns_facts *facts, uint64_t resource_matches, uint32_t source, const uint8_t *span,
                   uint32_t size);

/* A span will not come after all: it could not be encoded. */
void ns_trace_table_forget(ns_trace_table *table, uint64_t trace_high, uint64_t trace_low, ns_place place);

/* Decides on traces whose time has come, at most `limit` of them; returns how many. */
size_t ns_trace_table_sweep(ns_trace_table *table, size_t limit);

/* Decides on everything that is held, and lets the queue take all the room there is for it. */
void ns_trace_table_decide_all(ns_trace_table *table);

static inline bool ns_trace_table_is_empty(const ns_trace_table *table) { return table->traces_held == 0; }

/* --- the consumer: one thread at a time ------------------------------------------------------------------------ */

/* Spans of kept traces, copied out and with their th set. */
typedef struct ns_kept_batch {
    uint8_t *bytes;     /* malloc'ed */
    ns_record *records; /* malloc'ed; they point into `bytes` */
    size_t count;
    uint32_t done_first; /* chains that were read to their end */
    uint32_t done_last;
    uint64_t thresholds_unwritten;
} ns_kept_batch;

/* Step 1, under the lock: what is in the queue is the consumer's. False if there is nothing to read. */
bool ns_trace_table_acquire(ns_trace_table *table);

/* Step 2, without the lock: copies out at most `max_spans`, of about `max_bytes`. 0, or -1 if memory is short. */
int ns_trace_table_read(ns_trace_table *table, size_t max_spans, size_t max_bytes, ns_kept_batch *haul);

/* Step 3, under the lock: gives the chunks of what was read back. `records` of the haul must hold their sources by then:
 * those of the traces are let go of here. The caller frees `bytes` and `records`. */
void ns_trace_table_release(ns_trace_table *table, ns_kept_batch *haul);

#endif
