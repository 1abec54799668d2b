/* The buffer of in-process tail sampling: encoded spans, grouped by trace, until the decision on the whole trace.
 *
 * One anonymous mapping of fixed size contains everything, so the mapping is the bound on memory. The system provides each
 * page when it is first written.
 *
 *      | index     | entries         | decisions        | chunks ...                          |
 *        u32 per     one per           remembered         512 bytes each; encoded spans
 *        bucket      undecided trace
 *
 * A trace is an entry and a chain of chunks. Spans are contiguous in the chain and may continue from one chunk into the
 * next; a record's header is never split. The first chunk has room for the data that the consumer needs of a kept trace, so
 * that the entry is free as soon as the trace is decided:
 *
 *      chunk  | next | ...                                                       |
 *               u32
 *      first  | next | pad | chain (ns_chain)       | record | record | rec...   |
 *      others | next | ...ord | record |                                        |
 *      record | size | source | encoded span ... |
 *               u32    u32
 *
 * The life of a trace:
 *
 *      start of a span     open + 1; the first start creates the entry
 *      end of a span       its bytes are appended, its facts merged, open - 1
 *      decision            when its local root has ended and no span is open; or `wait_after_root` later with spans still
 *                          open; or `wait` after its first span; or to make room, oldest trace first
 *      kept                the chain moves unchanged to the consumer's queue
 *      dropped             the chain's chunks are freed in one step
 *      afterwards          a late span follows the remembered decision
 *
 * A local root that starts in a dropped trace begins a new trace, because it may contain an error.
 *
 * The caller must serialise all calls (with the GIL, or with a lock of its own where there is none). Only
 * ns_trace_table_read may run concurrently with the others. Each call takes bounded time, except ns_trace_table_decide_all
 * and the evictions for one very large span.
 */
#ifndef NS_TRACE_TABLE_H
#define NS_TRACE_TABLE_H

#include "tail/ns_decisions.h"
#include "tail/ns_facts.h"
#include "tail/ns_policy.h"
#include "encoding/ns_record.h"

#define NS_TRACE_TABLE_MAX_TRACES (1u << 24)
#define NS_TRACE_TABLE_MIN_BYTES  ((uint64_t)1 << 20)
#define NS_TRACE_TABLE_MAX_BYTES  ((uint64_t)8 << 30)
#define NS_TRACE_TABLE_MIN_ROOM   ((uint64_t)256 << 10) /* minimum bytes for chunks */
#define NS_CHUNK_BYTES            512u
#define NS_TRACE_SOURCES          5

/* Totals since the table was made. */
typedef struct ns_trace_table_counts {
    uint64_t spans_kept;
    uint64_t spans_sampled_out;
    uint64_t spans_evicted;
    uint64_t spans_queue_full;
    uint64_t late_kept; /* of the spans above, those that ended after the decision */
    uint64_t late_dropped;
    uint64_t late_forgotten; /* of these, spans whose decision was forgotten or whose start was not reported */
    uint64_t traces_kept;
    uint64_t traces_sampled_out;
    uint64_t traces_evicted;
    uint64_t traces_queue_full;
    uint64_t decided_early;        /* traces decided to make room, kept or not */
    uint64_t decided_by_time;      /* by `wait` or `wait_after_root` */
    uint64_t thresholds_unwritten; /* spans read whose th could not be changed as required */
} ns_trace_table_counts;

typedef struct ns_trace_table_settings {
    uint64_t max_bytes;  /* size of the whole mapping */
    uint32_t max_traces; /* undecided traces */
    uint32_t remembered; /* decisions */
    uint64_t wait_ns;    /* maximum time from the first span of a trace to its decision */
    uint64_t wait_after_root_ns;
    ns_policies *policies;
    void (*retain)(void *context, uint32_t source);  /* adds a reference to a source */
    void (*release)(void *context, uint32_t source); /* drops a reference */
    void *context;
    uint64_t (*clock)(void); /* monotonic nanoseconds; errors of milliseconds are harmless */
} ns_trace_table_settings;

/* A kept trace: a chain of chunks. Stored in the first chunk of the chain. */
typedef struct ns_chain {
    uint64_t threshold; /* for th_action NS_TH_RAISE */
    uint64_t bytes;     /* of the encoded spans */
    uint32_t spans;
    uint32_t next; /* first chunk of the next chain in the queue */
    uint32_t last; /* last chunk */
    uint32_t chunks;
    uint8_t th_action;
    uint8_t source_count; /* more than NS_TRACE_SOURCES: each record holds its own reference */
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

    uint32_t entries_used; /* entries ever used; the others are untouched memory */
    uint32_t free_entry;   /* head of the free list */
    uint32_t chunks_used;
    uint32_t free_chunk;
    uint32_t chunks_free;                     /* including untouched chunks */
    uint32_t waiting_first, waiting_last;     /* traces in the order of their first span */
    uint32_t lingering_first, lingering_last; /* traces in the order in which their root ended */
    uint32_t traces_held;
    uint64_t spans_held;
    uint64_t bytes_held;       /* encoded spans of undecided traces */
    bool starts_are_announced; /* ns_trace_table_start has been called */

    uint32_t queue_first, queue_last; /* first chunks of kept chains; oldest first */
    uint32_t chunks_queued;           /* chunks of kept chains, including those being read */
    uint32_t max_queued;              /* maximum of chunks_queued */
    uint32_t spans_queued;            /* not yet read */
    uint32_t spans_read;              /* since the table was made, mod 2^32 */

    /* used only by the consumer */
    uint32_t reading; /* chain at the cursor; 0: none */
    uint32_t reading_last;
    uint32_t cursor_chunk;
    uint32_t cursor_offset;
    uint32_t cursor_spans; /* spans left in this chain */

    ns_trace_table_counts counts;
} ns_trace_table;

/* Minimum `max_bytes` for this number of traces and decisions. */
uint64_t ns_trace_table_min_bytes(uint32_t max_traces, uint32_t remembered);

/* Returns 0, EINVAL or ENOMEM. */
int ns_trace_table_make(ns_trace_table *table, const ns_trace_table_settings *settings);
void ns_trace_table_free(ns_trace_table *table);

/* Size of the largest span that the table accepts. */
uint32_t ns_trace_table_max_span(const ns_trace_table *table);

/* Position of a span in its trace, seen from this process. */
typedef enum ns_place {
    NS_INNER, /* its parent is in this process */
    NS_ENTRY, /* its parent is in another process */
    NS_ROOT,  /* it has no parent */
} ns_place;

/* Reports the start of a span. */
void ns_trace_table_start(ns_trace_table *table, uint64_t trace_high, uint64_t trace_low, ns_place place);

/* Reports the end of a span and copies its bytes. Returns true if the trace keeps the caller's reference to `source`; if
 * false, the caller must release it. The counts record the outcome of the span. */
bool ns_trace_table_end(ns_trace_table *table, const ns_facts *facts, uint64_t resource_matches, uint32_t source,
                        const uint8_t *span, uint32_t size);

/* Reports that a started span will not arrive because it could not be encoded. */
void ns_trace_table_forget(ns_trace_table *table, uint64_t trace_high, uint64_t trace_low, ns_place place);

/* Decides at most `limit` traces whose time is up. Returns their number. */
size_t ns_trace_table_sweep(ns_trace_table *table, size_t limit);

/* Decides all traces. The queue may then take all available room. */
void ns_trace_table_decide_all(ns_trace_table *table);

/* --- the consumer: one thread at a time ------------------------------------------------------------------------ */

/* Spans of kept traces, copied out of the table with their th patched. */
typedef struct ns_kept_batch {
    uint8_t *bytes;     /* malloc'ed */
    ns_record *records; /* malloc'ed; they point into `bytes` */
    size_t count;
    uint32_t done_first; /* chains read to their end */
    uint32_t done_last;
    uint64_t thresholds_unwritten;
} ns_kept_batch;

/* Step 1, under the lock: moves the queue to the consumer. Returns false if there is nothing to read. */
bool ns_trace_table_acquire(ns_trace_table *table);

/* Step 2, without the lock: copies out at most `max_spans` spans of about `max_bytes` bytes. Returns 0, or -1 if memory is
 * exhausted. */
int ns_trace_table_read(ns_trace_table *table, size_t max_spans, size_t max_bytes, ns_kept_batch *batch);

/* Step 3, under the lock: frees the chunks of the chains read and drops their references to sources. `records` of the batch
 * must hold references of their own before this call. The caller frees `bytes` and `records`. */
void ns_trace_table_release(ns_trace_table *table, ns_kept_batch *batch);

#endif
