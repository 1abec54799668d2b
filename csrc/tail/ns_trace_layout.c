/* The mapping of the trace table and its layout. */
#include <errno.h>
#include <sys/mman.h>

#include "tail/ns_trace_internal.h"

typedef struct layout {
    uint32_t buckets;
    uint64_t sets;
    size_t entries_at, decisions_at, chunks_at;
} layout;

static size_t aligned(size_t size) { return (size + NS_CHUNK_BYTES - 1) & ~(size_t)(NS_CHUNK_BYTES - 1); }

static layout lay_out(uint32_t max_traces, uint32_t remembered) {
    layout plan = {.buckets = 1, .sets = ns_decisions_sets(remembered)};
    while (plan.buckets < max_traces) plan.buckets *= 2;
    plan.entries_at = aligned(plan.buckets * sizeof(uint32_t));
    plan.decisions_at = plan.entries_at + aligned(((size_t)max_traces + 1) * sizeof(ns_trace_entry));
    plan.chunks_at = plan.decisions_at + aligned(plan.sets * sizeof(ns_decision_way[NS_DECISION_WAYS]));
    return plan;
}

uint64_t ns_trace_table_min_bytes(uint32_t max_traces, uint32_t remembered) {
    uint64_t min_bytes = lay_out(max_traces, remembered).chunks_at + NS_TRACE_TABLE_MIN_ROOM;
    return min_bytes > NS_TRACE_TABLE_MIN_BYTES ? min_bytes : NS_TRACE_TABLE_MIN_BYTES;
}

int ns_trace_table_make(ns_trace_table *table, const ns_trace_table_settings *settings) {
    memset(table, 0, sizeof *table);
    if (settings->max_traces < 1 || settings->max_traces > NS_TRACE_TABLE_MAX_TRACES ||
        settings->max_bytes > NS_TRACE_TABLE_MAX_BYTES ||
        settings->max_bytes < ns_trace_table_min_bytes(settings->max_traces, settings->remembered))
        return EINVAL;
    layout plan = lay_out(settings->max_traces, settings->remembered);
    void *memory =
        mmap(NULL, settings->max_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return ENOMEM;
    table->settings = *settings;
    table->memory = memory;
    table->index = memory;
    table->entries = (ns_trace_entry *)(table->memory + plan.entries_at);
    table->decisions.sets = (ns_decision_way(*)[NS_DECISION_WAYS])(table->memory + plan.decisions_at);
    table->decisions.set_mask = plan.sets - 1;
    table->chunks = table->memory + plan.chunks_at;
    table->index_mask = plan.buckets - 1;
    table->chunk_count = (uint32_t)((settings->max_bytes - plan.chunks_at) / NS_CHUNK_BYTES);
    table->chunks_free = table->chunk_count;
    table->max_queued = table->chunk_count / 2;
    return 0;
}

void ns_trace_table_free(ns_trace_table *table) {
    if (table->memory) munmap(table->memory, table->settings.max_bytes);
    table->memory = NULL;
}

uint32_t ns_trace_table_max_span(const ns_trace_table *table) { return table->chunk_count / 8 * NS_CHUNK_BYTES; }
