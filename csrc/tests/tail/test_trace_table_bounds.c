/* The full trace table, and random traces compared with simple bookkeeping. */
#include "tail/trace_table.h"

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static void test_too_many_traces(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.max_traces = 4;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 6; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, (uint32_t)trace, (sent){.trace = trace, .size = 64, .error = trace == 1});
        CHECK(table.traces_held <= 4);
    }
    CHECK(table.counts.decided_early == 2 && table.counts.traces_evicted == 1 && table.counts.spans_evicted == 1);
    for (uint64_t trace = 0; trace < 2; trace++)
        end_span(&table, (uint32_t)(100 + trace), (sent){.trace = trace, .size = 64, .root = true, .error = true});
    CHECK(table.counts.spans_evicted == 2 && table.counts.late_kept == 1); /* each span follows its trace */
    ns_trace_table_decide_all(&table);
    CHECK(read_all(&table, 100, 1 << 20, serials) == 2);
    finish(&table);
}

static void test_lingering_ones_go_first(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(everything);
    settings.max_traces = 2;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    start_span(&table, 1, true);
    start_span(&table, 2, true);
    start_span(&table, 2, false);
    end_span(&table, 20, (sent){.trace = 2, .size = 64, .root = true});
    start_span(&table, 3, true);
    CHECK(table.spans_queued == 1 && table.traces_held == 2);
    ns_trace_table_forget(&table, 7, 1, NS_ROOT);
    ns_trace_table_forget(&table, 7, 3, NS_ENTRY);
    ns_trace_table_forget(&table, 7, 99, NS_ROOT);
    CHECK(read_all(&table, 1, 1, serials) == 1);
    finish(&table);
}

static void test_queue_full(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(everything);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    uint64_t ended = 0;
    for (uint64_t trace = 0; trace < 3000; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        for (int i = 0; i < 2; i++)
            end_span(&table, (uint32_t)ended++, (sent){.trace = trace, .size = 1000, .root = i == 1, .source = 2});
        check_sums(&table, ended);
    }
    CHECK(table.chunks_queued <= table.chunk_count / 2 && table.counts.spans_queue_full > 0);
    CHECK(table.counts.spans_queue_full % 2 == 0); /* whole traces */
    uint64_t full = table.counts.traces_queue_full;
    CHECK(read_all(&table, 100, 1 << 20, serials) == ended - 2 * full);
    finish(&table);
}

/* Undecided traces fill the memory: the oldest are decided early, and spans of any size are accepted. */
static void test_memory_full(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    uint64_t ended = 0;
    for (uint64_t trace = 0; trace < 900; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        uint32_t size = trace % 100 == 99 ? 100000 : 5000;
        end_span(&table, (uint32_t)ended++, (sent){.trace = trace, .size = size, .error = trace % 7 == 0});
        check_sums(&table, ended);
    }
    CHECK(table.counts.decided_early > 100 && table.counts.spans_evicted > 0 && table.spans_queued > 0);
    ns_trace_table_decide_all(&table);
    CHECK(table.counts.spans_kept == table.spans_queued);
    read_all(&table, 100, 1 << 20, serials);
    finish(&table);
}

static void test_many_sources(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 2; trace++) {
        start_span(&table, trace, true);
        for (uint32_t i = 0; i < 40; i++) {
            start_span(&table, trace, false);
            end_span(&table, i, (sent){.trace = trace, .size = 64 + i * 13, .source = i * 7 % SOURCES});
        }
        end_span(&table, 40, (sent){.trace = trace, .size = 64, .root = true, .error = trace == 1});
    }
    CHECK(read_all(&table, 7, 900, serials) == 41);
    for (uint32_t i = 0; i < 41; i++) CHECK(serials[i] == i);
    finish(&table);
}

/* --- random traces ----------------------------------------------------------------------------------------------- */

enum { LIVES = 60000, OPEN = 2000 };

typedef struct life {
    uint64_t trace;
    uint32_t spans, started, ended;
    uint32_t root_at; /* index of the span that ends as the root */
    bool error;
} life;

static uint32_t life_of[1 << 20];
static bool wanted[LIVES];
static uint32_t seen_spans[LIVES], all_spans[LIVES];

/* With room for all traces, exactly the traces with an error arrive, completely, in whatever order their spans end. */
static void test_random_lives(uint32_t max_traces, bool roomy) {
    static life open[OPEN];
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.max_traces = max_traces;
    settings.max_bytes = roomy ? 64 << 20 : 3 << 20;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    memset(seen_spans, 0, sizeof seen_spans);
    uint32_t next = 0, serial = 0, running = 0;
    uint64_t arrived = 0;
    while (next < LIVES || running) {
        if (next < LIVES && running < OPEN) {
            uint32_t spans = 1 + random_below(8);
            open[running++] = (life){.trace = next, .spans = spans, .root_at = random_below(spans), .error = next % 50 == 0};
            start_span(&table, next, true);
            for (uint32_t i = 1; i < spans; i++) start_span(&table, next, false);
            wanted[next] = next % 50 == 0;
            all_spans[next] = spans;
            next++;
        }
        uint32_t at = random_below(running);
        life *one = &open[at];
        sent span = {.trace = one->trace, .source = random_below(SOURCES), .size = 12 + random_below(900)};
        span.root = one->ended == one->root_at;
        span.error = one->error && one->ended == one->spans - 1;
        life_of[serial % (1 << 20)] = (uint32_t)one->trace;
        end_span(&table, serial++, span);
        if (++one->ended == one->spans) open[at] = open[--running];
        if (random_below(1000) == 0) {
            size_t count = read_all(&table, 1 + random_below(600), 1 + random_below(200000), serials);
            for (size_t i = 0; i < count; i++) seen_spans[life_of[serials[i] % (1 << 20)]]++;
            arrived += count;
            check_sums(&table, serial);
        }
    }
    ns_trace_table_decide_all(&table);
    size_t count = read_all(&table, 512, 1 << 20, serials);
    for (size_t i = 0; i < count; i++) seen_spans[life_of[serials[i] % (1 << 20)]]++;
    arrived += count;
    check_sums(&table, serial);
    CHECK(arrived == table.counts.spans_kept);
    uint64_t lost = 0;
    for (uint32_t i = 0; i < LIVES; i++) {
        if (roomy) CHECK(seen_spans[i] == (wanted[i] ? all_spans[i] : 0));
        CHECK(seen_spans[i] == 0 || (wanted[i] && seen_spans[i] == all_spans[i]));
        lost += wanted[i] && !seen_spans[i];
    }
    if (roomy) CHECK(table.counts.decided_early == 0);
    else CHECK(lost > 0 && lost <= table.counts.traces_evicted + table.counts.traces_queue_full);
    finish(&table);
}

int main(void) {
    make_policies();
    test_too_many_traces();
    test_lingering_ones_go_first();
    test_queue_full();
    test_memory_full();
    test_many_sources();
    test_random_lives(OPEN + 1, true);
    test_random_lives(OPEN / 4, false);
    free_policies();
    return ns_test_summary();
}
