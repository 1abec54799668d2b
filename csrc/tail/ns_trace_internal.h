/* What the sources of the trace table share; nobody else includes it. */
#ifndef NS_TRACE_INTERNAL_H
#define NS_TRACE_INTERNAL_H

#include <string.h>

#include "tail/ns_trace_table.h"

/* One undecided trace; two lines of memory. Numbers of entries and chunks begin at 1; 0 is none. */
typedef struct ns_trace_entry {
    ns_trace_facts facts;
    uint64_t since;          /* when it was made, by the table's clock */
    uint32_t next_in_bucket; /* or in the chain of free entries */
    uint32_t earlier, later; /* in the list that it waits in */
    uint32_t first_chunk, last_chunk, chunks; /* 0 until a span has ended */
    uint32_t open;           /* spans that have started and not ended */
    uint32_t linger_ms;      /* after `since`: when its time as a lingering trace is over; 0: it does not linger */
    uint16_t roots;          /* local roots among the open spans */
    uint16_t used;           /* bytes of the last chunk */
    uint8_t source_count;    /* more than NS_TRACE_SOURCES: each record holds its own */
    bool root_ended;
    uint16_t sources[NS_TRACE_SOURCES];
} ns_trace_entry;

_Static_assert(sizeof(ns_trace_entry) == 2 * NS_CACHE_LINE, "the layout that the memory mathematics of the docs go by");

typedef struct ns_chunk {
    uint32_t next;
    uint8_t bytes[NS_CHUNK_BYTES - sizeof(uint32_t)];
} ns_chunk;

#define NS_CHAIN_OFFSET   8u
#define NS_FIRST_RECORD   (NS_CHAIN_OFFSET + (uint32_t)sizeof(ns_chain))
#define NS_RECORD_OFFSET  ((uint32_t)sizeof(uint32_t)) /* in chunks after the first */
#define NS_RECORD_HEADER  8u

_Static_assert(sizeof(ns_chunk) == NS_CHUNK_BYTES, "a chunk has no padding");
_Static_assert(NS_FIRST_RECORD + NS_RECORD_HEADER < NS_CHUNK_BYTES, "a chunk must hold more than its chain");

static inline ns_chunk *ns_chunk_at(const ns_trace_table *table, uint32_t number) {
    return (ns_chunk *)(table->chunks + (size_t)(number - 1) * NS_CHUNK_BYTES);
}

static inline ns_chain *ns_chain_at(const ns_trace_table *table, uint32_t first_chunk) {
    return (ns_chain *)((uint8_t *)ns_chunk_at(table, first_chunk) + NS_CHAIN_OFFSET);
}

/* Chunks that a record of a span of `size` bytes takes behind `used` bytes of the last chunk, at most. */
static inline uint32_t ns_chunks_for(uint32_t size) {
    return size / (NS_CHUNK_BYTES - NS_RECORD_OFFSET) + 2;
}

static inline ns_trace_entry *ns_entry_at(const ns_trace_table *table, uint32_t number) { return table->entries + number; }

/* The caller has seen that there are chunks free. */
uint32_t ns_chunk_take(ns_trace_table *table);

/* Appends a record; `last` and `used` are where the chain ends, and are moved. There must be ns_chunks_for(size) free. */
void ns_chain_append(ns_trace_table *table, uint32_t *last, uint16_t *used, uint32_t source, const uint8_t *span, uint32_t size);

/* Frees the chunks from `first` to `last`, `count` of them, in one step. */
void ns_chunks_give_back(ns_trace_table *table, uint32_t first, uint32_t last, uint32_t count);

/* Calls table->settings.release for each record of a chain of `spans`. */
void ns_chain_release_records(ns_trace_table *table, uint32_t first_chunk, uint32_t spans);

/* An entry whose sources have become more than it has room for: from now on each record holds its own. */
void ns_spill_sources(ns_trace_table *table, ns_trace_entry *entry);

/* Lets go of what a chain holds. */
static inline void ns_release_sources(ns_trace_table *table, const uint16_t *sources, uint8_t count, uint32_t first_chunk,
                                      uint32_t spans) {
    if (count > NS_TRACE_SOURCES) {
        ns_chain_release_records(table, first_chunk, spans);
        return;
    }
    for (uint8_t i = 0; i < count; i++) table->settings.release(table->settings.context, sources[i]);
}

#endif
