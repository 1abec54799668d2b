/* A trace table with a clock that the test controls, numbered spans, and counts of its source references. */
#ifndef TRACE_TABLE_H
#define TRACE_TABLE_H

#include "tail/ns_trace_table.h"

#include <string.h>

#include "ns_test.h"

#define SECOND UINT64_C(1000000000)

static uint64_t time_now = 1000 * SECOND;
static inline uint64_t virtual_clock(void) { return time_now; }

enum { SOURCES = 16 };
static int64_t holds[SOURCES];
static inline void retain(void *context, uint32_t source) { ((int64_t *)context)[source]++; }
static inline void release(void *context, uint32_t source) {
    CHECK(holds[source] > 0);
    ((int64_t *)context)[source]--;
}

static ns_policies *errors_only, *slow_only, *everything, *one_a_second, *nothing;

static inline ns_trace_table_settings settings_of(ns_policies *policies) {
    return (ns_trace_table_settings){
        .max_bytes = 2 << 20,
        .max_traces = 1000,
        .remembered = 4000,
        .wait_ns = 30 * SECOND,
        .wait_after_root_ns = SECOND,
        .policies = policies,
        .retain = retain,
        .release = release,
        .context = holds,
        .clock = virtual_clock,
    };
}

typedef struct sent {
    uint64_t trace;
    uint32_t source;
    uint32_t size;
    bool root, error;
    uint64_t start, end;
} sent;

/* The bytes of a span are its serial number and a pattern derived from it. */
static uint8_t bytes[1 << 17];

static inline const uint8_t *fill(uint32_t serial, uint64_t trace, uint32_t size) {
    memcpy(bytes, &serial, 4);
    memcpy(bytes + 4, &trace, 8);
    for (uint32_t i = 12; i < size; i++) bytes[i] = (uint8_t)(serial * 31 + i);
    return bytes;
}

static inline void end_span(ns_trace_table *table, uint32_t serial, sent span) {
    ns_facts facts = {
        .trace_high = 7,
        .trace_low = span.trace,
        .start = span.start,
        .end = span.end,
        .status = span.error ? 2 : 0,
        .has_parent = !span.root,
    };
    retain(holds, span.source);
    if (!ns_trace_table_end(table, &facts, 0, span.source, fill(serial, span.trace, span.size), span.size))
        release(holds, span.source);
}

static inline void start_span(ns_trace_table *table, uint64_t trace, bool root) {
    ns_trace_table_start(table, 7, trace, root ? NS_ENTRY : NS_INNER);
}

/* Reads the whole queue. *serials receives the numbers of the spans in order. */
static inline size_t read_all(ns_trace_table *table, size_t at_once, size_t max_bytes, uint32_t *serials) {
    size_t count = 0;
    while (ns_trace_table_acquire(table)) {
        ns_kept_batch batch;
        CHECK(ns_trace_table_read(table, at_once, max_bytes, &batch) == 0);
        CHECK(batch.count > 0 && batch.count <= at_once);
        for (size_t i = 0; i < batch.count; i++) {
            uint32_t serial;
            uint64_t trace;
            memcpy(&serial, batch.records[i].data, 4);
            memcpy(&trace, batch.records[i].data + 4, 8);
            CHECK(memcmp(batch.records[i].data, fill(serial, trace, batch.records[i].size), batch.records[i].size) == 0);
            serials[count++] = serial;
            retain(holds, batch.records[i].source);
        }
        ns_trace_table_release(table, &batch);
        for (size_t i = 0; i < batch.count; i++) release(holds, batch.records[i].source);
        free(batch.bytes);
        free(batch.records);
    }
    return count;
}

static inline void check_sums(const ns_trace_table *table, uint64_t ended) {
    const ns_trace_table_counts *counts = &table->counts;
    CHECK(ended == table->spans_held + counts->spans_kept + counts->spans_sampled_out + counts->spans_evicted +
                       counts->spans_queue_full);
}

static inline void check_nothing_held(const ns_trace_table *table) {
    CHECK(table->traces_held == 0 && table->spans_held == 0 && table->bytes_held == 0);
    CHECK(table->chunks_free == table->chunk_count && table->chunks_queued == 0 && table->spans_queued == 0);
    for (int i = 0; i < SOURCES; i++) CHECK(holds[i] == 0);
}

static inline void finish(ns_trace_table *table) {
    check_nothing_held(table);
    ns_trace_table_free(table);
}

static uint32_t serials[1 << 20]; /* found by read_all */

static inline void make_policies(void) {
    ns_policy status = {.kind = NS_POLICY_STATUS, .extent = 1, .bits = 4};
    ns_policy latency = {.kind = NS_POLICY_LATENCY, .extent = 1, .min_value = 1000};
    ns_policy always = {.kind = NS_POLICY_ALWAYS, .extent = 1};
    ns_policy limiter = {.kind = NS_POLICY_SPANS_RATE, .extent = 1, .rate = 1, .burst = 1};
    ns_policy drop[] = {{.kind = NS_POLICY_DROP, .extent = 2}, always, always};
    CHECK((errors_only = ns_policies_new(&status, 1)) != NULL);
    CHECK((slow_only = ns_policies_new(&latency, 1)) != NULL);
    CHECK((everything = ns_policies_new(&always, 1)) != NULL);
    CHECK((one_a_second = ns_policies_new(&limiter, 1)) != NULL);
    CHECK((nothing = ns_policies_new(drop, 3)) != NULL);
}

static inline void free_policies(void) {
    ns_policies_free(errors_only);
    ns_policies_free(slow_only);
    ns_policies_free(everything);
    ns_policies_free(one_a_second);
    ns_policies_free(nothing);
}

#endif
