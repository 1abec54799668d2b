/* Definitions private to the sources of the trace table. */
#ifndef NS_TRACE_INTERNAL_H
#define NS_TRACE_INTERNAL_H

#include <string.h>

#include "tail/ns_trace_table.h"

/* One undecided trace; two cache lines. Numbers of entries and chunks start at 1; 0 means none. */
typedef struct ns_trace_entry {
    ns_trace_facts facts;
    uint64_t since;                           /* creation time, by the table's clock */
    uint32_t next_in_bucket;                  /* also links the free list */
    uint32_t earlier, later;                  /* links of the waiting or lingering list */
    uint32_t first_chunk, last_chunk, chunks; /* 0 until a span has ended */
    uint32_t open;                            /* started spans that have not ended */
    uint32_t linger_ms;                       /* end of lingering, after `since`; 0: not lingering */
    uint16_t roots;                           /* local roots among the open spans */
    uint16_t used;                            /* in the last chunk, in bytes */
    uint8_t source_count;                     /* more than NS_TRACE_SOURCES: each record holds its own reference */
    bool root_ended;
    uint16_t sources[NS_TRACE_SOURCES];
} ns_trace_entry;

_Static_assert(sizeof(ns_trace_entry) == 2 * NS_CACHE_LINE, "docs/sampling/tail.md calculates with this size");

typedef struct ns_chunk {
    uint32_t next;
    uint8_t bytes[NS_CHUNK_BYTES - sizeof(uint32_t)];
} ns_chunk;

#define NS_CHAIN_OFFSET  8u
#define NS_FIRST_RECORD  (NS_CHAIN_OFFSET + (uint32_t)sizeof(ns_chain))
#define NS_RECORD_OFFSET ((uint32_t)sizeof(uint32_t)) /* in chunks other than the first */
#define NS_RECORD_HEADER 8u

_Static_assert(sizeof(ns_chunk) == NS_CHUNK_BYTES, "a chunk has no padding");
_Static_assert(NS_FIRST_RECORD + NS_RECORD_HEADER < NS_CHUNK_BYTES, "a chunk must hold more than its chain");

static inline ns_chunk *ns_chunk_at(const ns_trace_table *table, uint32_t number) {
    return (ns_chunk *)(table->chunks + (size_t)(number - 1) * NS_CHUNK_BYTES);
}

static inline ns_chain *ns_chain_at(const ns_trace_table *table, uint32_t first_chunk) {
    return (ns_chain *)((uint8_t *)ns_chunk_at(table, first_chunk) + NS_CHAIN_OFFSET);
}

/* Upper bound of the chunks for a record of `size` bytes, whatever the last chunk already contains. */
static inline uint32_t ns_chunks_for(uint32_t size) { return size / (NS_CHUNK_BYTES - NS_RECORD_OFFSET) + 2; }

static inline ns_trace_entry *ns_entry_at(const ns_trace_table *table, uint32_t number) { return table->entries + number; }

/* Takes a chunk from the free list or from untouched memory. The caller has checked chunks_free. */
uint32_t ns_chunk_take(ns_trace_table *table);

/* Appends a record and advances `last` and `used`, the end of the chain. ns_chunks_for(size) chunks must be free. */
void ns_chain_append(ns_trace_table *table, uint32_t *last, uint16_t *used, uint32_t source, const uint8_t *span,
                     uint32_t size);

/* Returns the `count` chunks from `first` to `last` to the free list in one step. */
void ns_chunks_give_back(ns_trace_table *table, uint32_t first, uint32_t last, uint32_t count);

/* Converts an entry with too many sources: from now on each record holds its own reference. */
void ns_spill_sources(ns_trace_table *table, ns_trace_entry *entry);

/* Releases the sources that a chain holds: those in `sources`, or the source of each record if `count` is more than
 * NS_TRACE_SOURCES. */
void ns_release_sources(ns_trace_table *table, const uint16_t *sources, uint8_t count, uint32_t first_chunk, uint32_t spans);

#endif
