/* The trace table under a lock of its own, as without a GIL: threads end the spans of shared traces, another thread sweeps
 * and reads, and ns_trace_table_read runs concurrently. Made for ThreadSanitizer; the sums are checked in every build. */
#include "tail/ns_trace_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/ns_clock.h"
#include "ns_require.h"
#include "ns_test.h"

#define ENDERS       4
#define TRACES       1500
#define SPANS        (2 * ENDERS) /* per trace; each thread ends two, and the second one of the first thread is the root */
#define TRACES_AHEAD 64
#define SOURCES      8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ns_trace_table table;
static _Atomic int64_t holds[SOURCES];
static _Atomic int progress[ENDERS];
static _Atomic int enders_left = ENDERS;
static _Atomic uint64_t read_spans;

/* As in a table of sources: called by any thread, without the lock. */
static void retain(void *context, uint32_t source) { ((void)context, atomic_fetch_add(&holds[source], 1)); }
static void release(void *context, uint32_t source) {
    (void)context;
    REQUIRE(atomic_fetch_sub(&holds[source], 1) > 0);
}

static void end_span(int trace, int thread, int number) {
    uint8_t span[700];
    uint32_t source = (uint32_t)(trace + thread) % SOURCES;
    uint32_t size = 40 + (uint32_t)(trace * 31 + thread * 97 + number * 301) % 600;
    memset(span, 16 * thread + number, size);
    ns_facts facts = {
        .trace_high = 9,
        .trace_low = (uint64_t)trace,
        .start = 1,
        .end = 2,
        .status = trace % 3 ? 1 : 2,
        .has_parent = thread || number == 0,
    };
    retain(NULL, source);
    pthread_mutex_lock(&lock);
    bool held = ns_trace_table_end(&table, &facts, 0, source, span, size);
    pthread_mutex_unlock(&lock);
    if (!held) release(NULL, source);
}

static void *end_all(void *argument) {
    int thread = (int)(intptr_t)argument;
    for (int trace = 0; trace < TRACES; trace++) {
        /* The threads stay close together, so that their spans meet in the same traces. */
        for (int other = 0; other < ENDERS; other++)
            while (atomic_load(&progress[other]) + TRACES_AHEAD < trace) sched_yield();
        pthread_mutex_lock(&lock);
        for (int number = 0; number < 2; number++)
            ns_trace_table_start(&table, 9, (uint64_t)trace, thread == 0 && number == 1 ? NS_ROOT : NS_INNER);
        pthread_mutex_unlock(&lock);
        for (int number = 0; number < 2; number++) end_span(trace, thread, number);
        atomic_store(&progress[thread], trace + 1);
    }
    atomic_fetch_sub(&enders_left, 1);
    return NULL;
}

static bool read_some(void) {
    ns_kept_batch batch;
    pthread_mutex_lock(&lock);
    ns_trace_table_sweep(&table, 16);
    bool found = ns_trace_table_acquire(&table);
    pthread_mutex_unlock(&lock);
    if (!found) return false;
    REQUIRE(ns_trace_table_read(&table, 50, 20000, &batch) == 0);
    for (size_t i = 0; i < batch.count; i++) {
        const ns_record *record = &batch.records[i];
        for (uint32_t at = 1; at < record->size; at++) REQUIRE(record->data[at] == record->data[0]);
        retain(NULL, record->source);
    }
    pthread_mutex_lock(&lock);
    ns_trace_table_release(&table, &batch);
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < batch.count; i++) release(NULL, batch.records[i].source);
    atomic_fetch_add(&read_spans, batch.count);
    free(batch.bytes);
    free(batch.records);
    return true;
}

static void *read_all(void *argument) {
    (void)argument;
    while (atomic_load(&enders_left))
        if (!read_some()) sched_yield();
    pthread_mutex_lock(&lock);
    ns_trace_table_decide_all(&table);
    pthread_mutex_unlock(&lock);
    while (read_some()) {}
    return NULL;
}

int main(void) {
    ns_policy errors = {.kind = NS_POLICY_STATUS, .extent = 1, .bits = 4};
    ns_policies *policies = ns_policies_new(&errors, 1);
    ns_trace_table_settings settings = {
        .max_bytes = 2 << 20,
        .max_traces = 200,
        .remembered = 1000,
        .wait_ns = 30 * NS_CLOCK_SECOND,
        .wait_after_root_ns = NS_CLOCK_SECOND,
        .policies = policies,
        .retain = retain,
        .release = release,
        .clock = ns_clock_coarse,
    };
    CHECK(policies && ns_trace_table_make(&table, &settings) == 0);
    pthread_t enders[ENDERS], reader;
    CHECK(pthread_create(&reader, NULL, read_all, NULL) == 0);
    for (intptr_t i = 0; i < ENDERS; i++) CHECK(pthread_create(&enders[i], NULL, end_all, (void *)i) == 0);
    for (int i = 0; i < ENDERS; i++) pthread_join(enders[i], NULL);
    pthread_join(reader, NULL);
    const ns_trace_table_counts *counts = &table.counts;
    CHECK(counts->spans_kept == atomic_load(&read_spans) && counts->spans_kept > 0);
    CHECK(counts->spans_kept + counts->spans_sampled_out + counts->spans_evicted + counts->spans_queue_full ==
          (uint64_t)TRACES * SPANS);
    CHECK(table.traces_held == 0 && table.chunks_free == table.chunk_count && table.spans_queued == 0);
    for (int source = 0; source < SOURCES; source++) CHECK(atomic_load(&holds[source]) == 0);
    ns_trace_table_free(&table);
    ns_policies_free(policies);
    return ns_test_summary();
}
