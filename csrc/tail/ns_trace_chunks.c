/* Chunks, the chains they form, and the consumer that reads kept chains. */
#include <stdlib.h>

#include "tail/ns_patch_threshold.h"
#include "tail/ns_trace_internal.h"

uint32_t ns_chunk_take(ns_trace_table *table) {
    uint32_t number = table->free_chunk;
    table->chunks_free--;
    if (number) {
        table->free_chunk = ns_chunk_at(table, number)->next;
        /* The next one to be taken: by then its link is at hand, and so is what is written. */
        const uint8_t *ahead = (const uint8_t *)ns_chunk_at(table, table->free_chunk ? table->free_chunk : number);
        for (size_t line = 0; line < NS_CHUNK_BYTES; line += NS_CACHE_LINE) __builtin_prefetch(ahead + line, 1);
    } else {
        number = ++table->chunks_used;
    }
    ns_chunk_at(table, number)->next = 0;
    return number;
}

void ns_chunks_give_back(ns_trace_table *table, uint32_t first, uint32_t last, uint32_t count) {
    ns_chunk_at(table, last)->next = table->free_chunk;
    table->free_chunk = first;
    table->chunks_free += count;
}

static uint32_t extend(ns_trace_table *table, uint32_t last) {
    uint32_t number = ns_chunk_take(table);
    ns_chunk_at(table, last)->next = number;
    return number;
}

void ns_chain_append(ns_trace_table *table, uint32_t *last, uint16_t *used, uint32_t source, const uint8_t *span, uint32_t size) {
    uint32_t chunk = *last, offset = *used;
    if (offset + NS_RECORD_HEADER > NS_CHUNK_BYTES) {
        chunk = extend(table, chunk);
        offset = NS_RECORD_OFFSET;
    }
    uint8_t *base = (uint8_t *)ns_chunk_at(table, chunk);
    ns_store_u32(base + offset, size);
    ns_store_u32(base + offset + 4, source);
    offset += NS_RECORD_HEADER;
    for (;;) {
        uint32_t room = NS_CHUNK_BYTES - offset;
        uint32_t piece = size < room ? size : room;
        memcpy(base + offset, span, piece);
        offset += piece;
        size -= piece;
        if (size == 0) break;
        span += piece;
        chunk = extend(table, chunk);
        base = (uint8_t *)ns_chunk_at(table, chunk);
        offset = NS_RECORD_OFFSET;
    }
    *last = chunk;
    *used = (uint16_t)offset;
}

/* --- reading --------------------------------------------------------------------------------------------------- */

typedef struct cursor {
    uint32_t chunk;
    uint32_t offset;
} cursor;

/* Goes to the header of the record at the cursor. */
static uint32_t record_header(const ns_trace_table *table, cursor *at, uint32_t *source) {
    if (at->offset + NS_RECORD_HEADER > NS_CHUNK_BYTES) {
        at->chunk = ns_chunk_at(table, at->chunk)->next;
        at->offset = NS_RECORD_OFFSET;
    }
    const uint8_t *base = (const uint8_t *)ns_chunk_at(table, at->chunk);
    uint32_t size;
    memcpy(&size, base + at->offset, sizeof size);
    memcpy(source, base + at->offset + 4, sizeof *source);
    return size;
}

/* Moves behind the record, whose bytes go to `out` unless that is NULL. */
static void record_body(const ns_trace_table *table, cursor *at, uint32_t size, uint8_t *out) {
    uint32_t offset = at->offset + NS_RECORD_HEADER;
    for (;;) {
        uint32_t room = NS_CHUNK_BYTES - offset;
        uint32_t piece = size < room ? size : room;
        if (out) {
            memcpy(out, (const uint8_t *)ns_chunk_at(table, at->chunk) + offset, piece);
            out += piece;
        }
        offset += piece;
        size -= piece;
        if (size == 0) break;
        at->chunk = ns_chunk_at(table, at->chunk)->next;
        offset = NS_RECORD_OFFSET;
    }
    at->offset = offset;
}

static void for_each_source(ns_trace_table *table, uint32_t first_chunk, uint32_t spans, void (*call)(void *, uint32_t)) {
    cursor at = {first_chunk, NS_FIRST_RECORD};
    for (uint32_t i = 0; i < spans; i++) {
        uint32_t source;
        uint32_t size = record_header(table, &at, &source);
        record_body(table, &at, size, NULL);
        call(table->settings.context, source);
    }
}

void ns_chain_release_records(ns_trace_table *table, uint32_t first_chunk, uint32_t spans) {
    for_each_source(table, first_chunk, spans, table->settings.release);
}

void ns_spill_sources(ns_trace_table *table, ns_trace_entry *entry) {
    for_each_source(table, entry->first_chunk, entry->facts.spans, table->settings.retain);
    for (uint8_t i = 0; i < entry->source_count; i++)
        table->settings.release(table->settings.context, entry->sources[i]);
    entry->source_count = NS_TRACE_SOURCES + 1;
}

static void cursor_to_chain(ns_trace_table *table, uint32_t first_chunk) {
    table->reading = first_chunk;
    if (!first_chunk) return;
    table->cursor_chunk = first_chunk;
    table->cursor_offset = NS_FIRST_RECORD;
    table->cursor_spans = ns_chain_at(table, first_chunk)->spans;
}

bool ns_trace_table_acquire(ns_trace_table *table) {
    if (table->queue_first) {
        if (table->reading)
            ns_chain_at(table, table->reading_last)->next = table->queue_first;
        else
            cursor_to_chain(table, table->queue_first);
        table->reading_last = table->queue_last;
        table->queue_first = table->queue_last = 0;
    }
    return table->reading != 0;
}

/* Room for what a read of these limits can bring, restated; what is claimed may be less. */
static size_t most_bytes(const ns_trace_table *table, size_t max_spans, size_t max_bytes, size_t *most_spans) {
    size_t spans = 0, bytes = 0;
    for (uint32_t chain = table->reading; chain && spans < max_spans && bytes < max_bytes;) {
        const ns_chain *head = ns_chain_at(table, chain);
        spans += chain == table->reading ? table->cursor_spans : head->spans;
        bytes += head->bytes;
        chain = head->next;
    }
    if (spans > max_spans) spans = max_spans;
    *most_spans = spans;
    size_t limit = max_bytes + ns_trace_table_max_span(table);
    return (bytes < limit ? bytes : limit) + spans * NS_PATCH_THRESHOLD_ROOM;
}

/* Where a span is put together whose th has to change. */
typedef struct scratch {
    uint8_t *bytes;
    size_t size;
} scratch;

static bool has_room(scratch *scratch, size_t size) {
    if (size <= scratch->size) return true;
    uint8_t *larger = realloc(scratch->bytes, size);
    if (!larger) return false;
    *scratch = (struct scratch){larger, size};
    return true;
}

/* Copies the record at the cursor out. False, with nothing done, if memory is short. */
static bool copy_record(const ns_trace_table *table, cursor *at, const ns_chain *chain, uint8_t *out, scratch *scratch,
                        ns_record *record, uint64_t *unwritten) {
    cursor from = *at;
    uint32_t size = record_header(table, &from, &record->source);
    record->data = out;
    if (chain->count == NS_TH_LEAVE) {
        record_body(table, &from, size, out);
        record->size = size;
    } else {
        if (!has_room(scratch, size)) return false;
        record_body(table, &from, size, scratch->bytes);
        record->size = (uint32_t)ns_patch_threshold_span(scratch->bytes, size, chain->count, chain->threshold, out,
                                                 unwritten);
    }
    *at = from;
    return true;
}

int ns_trace_table_read(ns_trace_table *table, size_t max_spans, size_t max_bytes, ns_kept_batch *haul) {
    memset(haul, 0, sizeof *haul);
    size_t most_spans;
    size_t room = most_bytes(table, max_spans, max_bytes, &most_spans);
    if (most_spans == 0) return 0;
    haul->bytes = malloc(room);
    haul->records = malloc(most_spans * sizeof *haul->records);
    scratch scratch = {NULL, 0};
    cursor at = {table->cursor_chunk, table->cursor_offset};
    size_t written = 0;
    bool memory = haul->bytes && haul->records;
    while (memory && table->reading && haul->count < most_spans) {
        const ns_chain *chain = ns_chain_at(table, table->reading);
        if (table->cursor_spans) {
            cursor ahead = at;
            uint32_t source;
            if (haul->count && written + record_header(table, &ahead, &source) > max_bytes) break;
            memory = copy_record(table, &at, chain, haul->bytes + written, &scratch, &haul->records[haul->count],
                                 &haul->thresholds_unwritten);
            if (!memory) break;
            written += haul->records[haul->count++].size;
            table->cursor_spans--;
        }
        if (table->cursor_spans == 0) {
            uint32_t done = table->reading, next = done == table->reading_last ? 0 : chain->next;
            if (!haul->done_first) haul->done_first = done;
            haul->done_last = done;
            cursor_to_chain(table, next);
            at = (cursor){table->cursor_chunk, table->cursor_offset};
        }
    }
    if (table->reading) {
        table->cursor_chunk = at.chunk;
        table->cursor_offset = at.offset;
    }
    free(scratch.bytes);
    if (haul->count) return 0;
    free(haul->bytes);
    free(haul->records);
    memset(haul, 0, sizeof *haul);
    return -1;
}

void ns_trace_table_release(ns_trace_table *table, ns_kept_batch *haul) {
    table->spans_read += (uint32_t)haul->count;
    table->spans_queued -= (uint32_t)haul->count;
    table->counts.thresholds_unwritten += haul->thresholds_unwritten;
    for (uint32_t first = haul->done_first; first;) {
        ns_chain chain = *ns_chain_at(table, first);
        uint32_t following = first == haul->done_last ? 0 : chain.next;
        ns_release_sources(table, chain.sources, chain.source_count, first, chain.spans);
        ns_chunks_give_back(table, first, chain.last, chain.chunks);
        table->chunks_queued -= chain.chunks;
        first = following;
    }
    haul->done_first = haul->done_last = 0;
}
