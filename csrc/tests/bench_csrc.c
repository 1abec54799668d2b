/* Hot functions of csrc/ beside lower bounds of the machine: a clock read, a copy of the same bytes, a compare-and-swap.
 *
 * Minimum over rounds, in nanoseconds per operation. The encoded span has ten attributes, as in benchmarks/.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ns_clock.h"
#include "tail/ns_facts.h"
#include "encoding/ns_otlp.h"
#include "queue/ns_ring.h"
#include "tail/ns_trace_table.h"

enum { ROUNDS = 200, BATCH = 1000 };

static volatile size_t sink;

static ns_text text(const char *from) { return (ns_text){.data = from, .length = strlen(from), .width = NS_TEXT_UTF8}; }

static size_t encode(uint8_t *storage, size_t size) {
    static const char *const keys[] = {"http.request.method", "http.route", "url.path",
                                       "server.address",      "app.tenant", "app.region"};
    static const char *const values[] = {"GET", "/users/{id}", "/users/1042", "api.example.com", "t-104", "eu-1"};
    ns_buf buf;
    ns_buf_init(&buf, storage, size, size);
    ns_span_head head = {.kind = 1, .start_time = 1795395071635305223u, .end_time = 1795395071635905223u};
    memset(head.trace_id, 0xAB, sizeof head.trace_id);
    memset(head.span_id, 0xCD, sizeof head.span_id);
    head.name = text("GET /users/{id}");
    ns_otlp_span_begin(&buf, &head);
    for (int i = 0; i < 6; i++) {
        ns_text key = text(keys[i]), value = text(values[i]);
        ns_otlp_key_value_text(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &value);
    }
    ns_text key = text("http.response.status_code");
    ns_scalar scalar = ns_scalar_int(200);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    key = text("server.port");
    scalar = ns_scalar_int(443);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    key = text("app.cache.hit");
    scalar = ns_scalar_bool(false);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    key = text("app.score");
    scalar = ns_scalar_double(0.75);
    ns_otlp_key_value_scalar(&buf, NS_TAG_SPAN_ATTRIBUTE, &key, &scalar);
    ns_otlp_span_attributes_end(&buf, 0);
    ns_otlp_span_events_end(&buf, 0);
    ns_span_tail tail = {.flags = 0x101, .has_status = true, .status_message = text("")};
    ns_otlp_span_end(&buf, &tail);
    return buf.len;
}

static uint8_t span[4096];
/* Not at the span's offset in a page: the CPU takes loads and stores that are 4 KiB apart for conflicts (4K aliasing). */
static uint8_t copies[8192];
#define COPY_AT 1600
static size_t span_size;
static ns_ring *ring;
static ns_record records[BATCH];
static _Atomic uint64_t word;

static void do_clock(void) {
    for (int i = 0; i < BATCH; i++) sink = (size_t)ns_clock_wall();
}

static void do_copy(void) {
    for (int i = 0; i < BATCH; i++) {
        memcpy(copies + COPY_AT, span, span_size);
        __asm__ volatile("" ::: "memory");
    }
}

static void do_swap(void) {
    for (int i = 0; i < BATCH; i++) {
        uint64_t seen = atomic_load_explicit(&word, memory_order_relaxed);
        atomic_compare_exchange_strong(&word, &seen, seen + 1);
    }
}

static void do_encode(void) {
    for (int i = 0; i < BATCH; i++) sink = encode(span, sizeof span);
}

/* Conditions of four tail-sampling policies: three keys that the span has, and one that only matches by size. */
static ns_conditions *four_conditions(void) {
    static const ns_word routes[] = {{"/checkout", 9}, {"/orders/{id}", 12}}, modes[] = {{"debug", 5}};
    static const ns_condition sought[] = {
        {.kind = NS_TEXT_IS, .key = {"http.route", 10}, .values = routes, .value_count = 2},
        {.kind = NS_NUMBER_IN, .key = {"http.response.status_code", 25}, .min_value = 500, .max_value = 599},
        {.kind = NS_TEXT_IS, .key = {"app.region", 10}, .values = modes, .value_count = 1},
        {.kind = NS_BOOL_IS, .key = {"app.debug", 9}, .flag = true},
    };
    return ns_conditions_new(sought, 4, NULL, NULL);
}

static ns_conditions *conditions;

static void do_facts(void) {
    ns_facts facts;
    for (int i = 0; i < BATCH; i++) sink = ns_facts_of_span(span, span_size, conditions, &facts) + facts.matches;
}

static void do_ring(void) {
    ns_reservation reservation;
    for (int i = 0; i < BATCH; i++) ns_ring_push(ring, 1, span, (uint32_t)span_size, &reservation);
    ns_ring_stretch stretch = ns_ring_read(ring, records, BATCH, SIZE_MAX);
    sink = stretch.count;
    ns_ring_release(ring, stretch, false);
}

static void report(const char *what, void (*run)(void)) {
    double min = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = ns_clock_monotonic();
        run();
        double each = (double)(ns_clock_monotonic() - began) / BATCH;
        if (each < min) min = each;
    }
    printf("%-44s %8.1f ns\n", what, min);
}

/* --- tail sampling: a trace of ten spans, buffered and then dropped by four policies ----------------------------- */

enum { TRACE = 10 };

static ns_trace_table table;
static uint64_t trace_id = 1;

static void ignore(void *context, uint32_t source) {
    (void)context;
    (void)source;
}

static bool make_table(void) {
    static const ns_policy policies[] = {
        {.kind = NS_POLICY_STATUS, .extent = 1, .bits = 4},
        {.kind = NS_POLICY_LATENCY, .extent = 1, .min_value = 1000},
        {.kind = NS_POLICY_MATCH, .extent = 1, .bits = 2},
        {.kind = NS_POLICY_PROBABILITY, .extent = 1, .threshold = (UINT64_C(1) << 56) - 1},
    };
    ns_trace_table_settings settings = {
        .max_bytes = 64 << 20,
        .max_traces = 50000,
        .remembered = 400000,
        .wait_ns = 30 * NS_CLOCK_SECOND,
        .wait_after_root_ns = NS_CLOCK_SECOND,
        .policies = ns_policies_new(policies, 4),
        .retain = ignore,
        .release = ignore,
        .clock = ns_clock_coarse,
    };
    return settings.policies && ns_trace_table_make(&table, &settings) == 0;
}

static void do_traces(void) {
    for (int i = 0; i < BATCH / TRACE; i++) {
        trace_id += UINT64_C(0x9e3779b97f4a7c15); /* as far apart in the index as random ones */
        for (int j = 0; j < TRACE; j++) ns_trace_table_start(&table, 7, trace_id, j ? NS_INNER : NS_ROOT);
        for (int j = 1; j <= TRACE; j++) {
            ns_facts facts = {.trace_high = 7, .trace_low = trace_id, .start = 1, .end = 2, .has_parent = j < TRACE};
            sink = ns_trace_table_end(&table, &facts, 0, 1, span, (uint32_t)span_size);
        }
    }
}

int main(void) {
    span_size = encode(span, sizeof span);
    conditions = four_conditions();
    if (!conditions) return 1;
    if (ns_ring_map(&ring, 4u << 20, 4096) != 0) return 1;
    printf("a ten-attribute span takes %zu bytes\n", span_size);
    report("floor: one clock read", do_clock);
    report("floor: copy of the span", do_copy);
    report("floor: one compare-and-swap", do_swap);
    report("encode (C only, no Python objects)", do_encode);
    report("facts of the span, four conditions", do_facts);
    report("ring push + pop, copies and zeroing included", do_ring);
    if (!make_table()) return 1;
    report("start + end in the trace table, by tens, dropped", do_traces);
    if (table.traces_held != 0 || table.spans_queued != 0) return 1;
    ns_policies_free(table.settings.policies);
    ns_trace_table_free(&table);
    if (ns_ring_depth(ring) != 0) return 1;
    ns_ring_unmap(ring);
    ns_conditions_free(conditions);
    return 0;
}
