/* Chunks, chains of chunks, and the consumer that reads kept chains. */
#include <stdlib.h>

#include "tail/ns_patch_threshold.h"
#include "tail/ns_trace_internal.h"

uint32_t ns_chunk_take(ns_trace_table *table) {
    uint32_t number = table->free_chunk;
    table->chunks_free--;
    if (number) {
        table->free_chunk = ns_chunk_at(table, number)->next;
        /* Prefetches the next free chunk: its link and its bytes will be in the cache when it is taken. */
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

void ns_chain_append(ns_trace_table *table, uint32_t *last, uint16_t *used, uint32_t source, const uint8_t *span,
                     uint32_t size) {
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

/* Moves the cursor to the header of the next record and reads it. */
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

/* Copies the record's bytes to `out` (unless NULL) and moves the cursor past the record. */
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

void ns_release_sources(ns_trace_table *table, const uint16_t *sources, uint8_t count, uint32_t first_chunk,
                        uint32_t spans) {
    if (count > NS_TRACE_SOURCES) {
        for_each_source(table, first_chunk, spans, table->settings.release);
        return;
    }
    for (uint8_t i = 0; i < count; i++) table->settings.release(table->settings.context, sources[i]);
}

void ns_spill_sources(ns_trace_table *table, ns_trace_entry *entry) {
    for_each_source(table, entry->first_chunk, entry->facts.spans, table->settings.retain);
    for (uint8_t i = 0; i < entry->source_count; i++) table->settings.release(table->settings.context, entry->sources[i]);
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
        if (table->reading) ns_chain_at(table, table->reading_last)->next = table->queue_first;
        else cursor_to_chain(table, table->queue_first);
        table->reading_last = table->queue_last;
        table->queue_first = table->queue_last = 0;
    }
    return table->reading != 0;
}

/* Upper bound of the bytes, after patching `th`, that a read with these limits returns. */
static size_t max_read_bytes(const ns_trace_table *table, size_t max_spans, size_t max_bytes, size_t *max_count) {
    size_t spans = 0, bytes = 0;
    for (uint32_t chain = table->reading; chain && spans < max_spans && bytes < max_bytes;) {
        const ns_chain *head = ns_chain_at(table, chain);
        spans += chain == table->reading ? table->cursor_spans : head->spans;
        bytes += head->bytes;
        chain = head->next;
    }
    if (spans > max_spans) spans = max_spans;
    *max_count = spans;
    size_t limit = max_bytes + ns_trace_table_max_span(table);
    return (bytes < limit ? bytes : limit) + spans * NS_PATCH_THRESHOLD_ROOM;
}

/* Memory in which a span is made contiguous before its th is patched. */
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

/* Copies the record at the cursor to `out`. Returns false and changes nothing if memory is exhausted. */
static bool copy_record(const ns_trace_table *table, cursor *at, const ns_chain *chain, uint8_t *out, scratch *scratch,
                        ns_record *record, uint64_t *unwritten) {
    cursor from = *at;
    uint32_t size = record_header(table, &from, &record->source);
    record->data = out;
    if (chain->th_action == NS_TH_LEAVE) {
        record_body(table, &from, size, out);
        record->size = size;
    } else {
        if (!has_room(scratch, size)) return false;
        record_body(table, &from, size, scratch->bytes);
        record->size =
            (uint32_t)ns_patch_threshold_span(scratch->bytes, size, chain->th_action, chain->threshold, out, unwritten);
    }
    *at = from;
    return true;
}

int ns_trace_table_read(ns_trace_table *table, size_t max_spans, size_t max_bytes, ns_kept_batch *batch) {
    memset(batch, 0, sizeof *batch);
    size_t max_count;
    size_t room = max_read_bytes(table, max_spans, max_bytes, &max_count);
    if (max_count == 0) return 0;
    batch->bytes = malloc(room);
    batch->records = malloc(max_count * sizeof *batch->records);
    scratch scratch = {NULL, 0};
    cursor at = {table->cursor_chunk, table->cursor_offset};
    size_t written = 0;
    bool memory = batch->bytes && batch->records;
    while (memory && table->reading && batch->count < max_count) {
        const ns_chain *chain = ns_chain_at(table, table->reading);
        if (table->cursor_spans) {
            cursor ahead = at;
            uint32_t source;
            if (batch->count && written + record_header(table, &ahead, &source) > max_bytes) break;
            memory = copy_record(table, &at, chain, batch->bytes + written, &scratch, &batch->records[batch->count],
                                 &batch->thresholds_unwritten);
            if (!memory) break;
            written += batch->records[batch->count++].size;
            table->cursor_spans--;
        }
        if (table->cursor_spans == 0) {
            uint32_t done = table->reading, next = done == table->reading_last ? 0 : chain->next;
            if (!batch->done_first) batch->done_first = done;
            batch->done_last = done;
            cursor_to_chain(table, next);
            at = (cursor){table->cursor_chunk, table->cursor_offset};
        }
    }
    if (table->reading) {
        table->cursor_chunk = at.chunk;
        table->cursor_offset = at.offset;
    }
    free(scratch.bytes);
    if (batch->count) return 0;
    free(batch->bytes);
    free(batch->records);
    memset(batch, 0, sizeof *batch);
    return -1;
}

void ns_trace_table_release(ns_trace_table *table, ns_kept_batch *batch) {
    table->spans_read += (uint32_t)batch->count;
    table->spans_queued -= (uint32_t)batch->count;
    table->counts.thresholds_unwritten += batch->thresholds_unwritten;
    for (uint32_t first = batch->done_first; first;) {
        ns_chain chain = *ns_chain_at(table, first);
        uint32_t following = first == batch->done_last ? 0 : chain.next;
        ns_release_sources(table, chain.sources, chain.source_count, first, chain.spans);
        ns_chunks_give_back(table, first, chain.last, chain.chunks);
        table->chunks_queued -= chain.chunks;
        first = following;
    }
    batch->done_first = batch->done_last = 0;
}
