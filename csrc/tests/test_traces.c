/* The trace table: single outcomes one by one, then random lives of many traces against plain bookkeeping. */
#include "ns_traces.h"

#include <errno.h>
#include <string.h>

#include "ns_test.h"

#define SECOND UINT64_C(1000000000)

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static uint64_t time_now = 1000 * SECOND;
static uint64_t virtual_clock(void) { return time_now; }

enum { SOURCES = 16 };
static int64_t holds[SOURCES];
static void retain(void *context, uint32_t source) { ((int64_t *)context)[source]++; }
static void release(void *context, uint32_t source) {
    CHECK(holds[source] > 0);
    ((int64_t *)context)[source]--;
}

static ns_policies *errors_only, *slow_only, *everything, *one_a_second, *nothing;

static ns_traces_settings settings_of(ns_policies *policies) {
    return (ns_traces_settings){
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

/* The bytes of a span are its serial number and then a pattern that follows from it. */
static uint8_t bytes[1 << 17];

static const uint8_t *fill(uint32_t serial, uint64_t trace, uint32_t size) {
    memcpy(bytes, &serial, 4);
    memcpy(bytes + 4, &trace, 8);
    for (uint32_t i = 12; i < size; i++) bytes[i] = (uint8_t)(serial * 31 + i);
    return bytes;
}

static void end_span(ns_traces *table, uint32_t serial, sent span) {
    ns_facts facts = {
        .trace_high = 7,
        .trace_low = span.trace,
        .start = span.start,
        .end = span.end,
        .status = span.error ? 2 : 0,
        .has_parent = !span.root,
    };
    retain(holds, span.source);
    if (!ns_traces_end(table, &facts, 0, span.source, fill(serial, span.trace, span.size), span.size))
        release(holds, span.source);
}

static void start_span(ns_traces *table, uint64_t trace, bool root) {
    ns_traces_start(table, 7, trace, root ? NS_ENTRY : NS_INNER);
}

/* Reads all that is queued; *serials receives the numbers of the spans in order. */
static size_t read_all(ns_traces *table, size_t at_once, size_t most_bytes, uint32_t *serials) {
    size_t count = 0;
    while (ns_traces_claim(table)) {
        ns_haul haul;
        CHECK(ns_traces_read(table, at_once, most_bytes, &haul) == 0);
        CHECK(haul.count > 0 && haul.count <= at_once);
        for (size_t i = 0; i < haul.count; i++) {
            uint32_t serial;
            uint64_t trace;
            memcpy(&serial, haul.records[i].data, 4);
            memcpy(&trace, haul.records[i].data + 4, 8);
            CHECK(memcmp(haul.records[i].data, fill(serial, trace, haul.records[i].size), haul.records[i].size) == 0);
            serials[count++] = serial;
            retain(holds, haul.records[i].source);
        }
        ns_traces_settle(table, &haul);
        for (size_t i = 0; i < haul.count; i++) release(holds, haul.records[i].source);
        free(haul.bytes);
        free(haul.records);
    }
    return count;
}

static void check_sums(const ns_traces *table, uint64_t ended) {
    const ns_traces_counts *counts = &table->counts;
    CHECK(ended == table->spans_held + counts->spans_kept + counts->spans_sampled_out + counts->spans_evicted +
                       counts->spans_queue_full);
}

static void check_nothing_held(const ns_traces *table) {
    CHECK(table->traces_held == 0 && table->spans_held == 0 && table->bytes_held == 0);
    CHECK(table->chunks_free == table->chunk_count && table->chunks_queued == 0 && table->spans_queued == 0);
    for (int i = 0; i < SOURCES; i++) CHECK(holds[i] == 0);
}

static uint32_t serials[1 << 20];

/* --- one outcome at a time ----------------------------------------------------------------------------------------- */

static void test_settings(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(everything);
    settings.max_bytes = ns_traces_least_bytes(settings.max_traces, settings.remembered) - 1;
    CHECK(ns_traces_make(&table, &settings) == EINVAL);
    settings.max_bytes++;
    CHECK(ns_traces_make(&table, &settings) == 0);
    ns_traces_free(&table);
    settings.max_traces = 0;
    CHECK(ns_traces_make(&table, &settings) == EINVAL);
}

static void test_kept_and_dropped(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 2; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, (uint32_t)(10 * trace), (sent){.trace = trace, .size = 300, .error = trace == 1});
        CHECK(table.traces_held == 1 && table.spans_held == 1 && table.bytes_held == 300);
        end_span(&table, (uint32_t)(10 * trace + 1), (sent){.trace = trace, .size = 900, .root = true, .source = 3});
        CHECK(table.traces_held == 0);
    }
    CHECK(table.counts.traces_sampled_out == 1 && table.counts.spans_sampled_out == 2);
    CHECK(table.spans_queued == 2 && table.counts.traces_kept == 1);
    CHECK(read_all(&table, 100, 1 << 20, serials) == 2 && serials[0] == 10 && serials[1] == 11);
    CHECK(table.spans_read == 2);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_late_spans_follow(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 2; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        start_span(&table, trace, false);
        end_span(&table, 1, (sent){.trace = trace, .size = 64, .root = true, .error = trace == 1});
        CHECK(table.traces_held == 1); /* two spans are open */
        time_now += SECOND + SECOND / 100;
        CHECK(ns_traces_sweep(&table, 10) == 1 && table.traces_held == 0);
        end_span(&table, 2, (sent){.trace = trace, .size = 64, .source = 1});
        end_span(&table, 3, (sent){.trace = trace, .size = 640, .error = true});
        CHECK(table.traces_held == 0);
    }
    CHECK(table.counts.late_dropped == 2 && table.counts.spans_sampled_out == 3 && table.counts.decided_by_time == 2);
    CHECK(table.counts.late_kept == 2 && read_all(&table, 1, 1, serials) == 3);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_waiting_for_open_spans(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
    start_span(&table, 5, true);
    start_span(&table, 5, false);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .root = true});
    time_now += SECOND / 2;
    CHECK(ns_traces_sweep(&table, 10) == 0);
    end_span(&table, 2, (sent){.trace = 5, .size = 64, .error = true}); /* the last: no more waiting */
    CHECK(table.traces_held == 0 && table.spans_queued == 2);
    /* Two roots in one trace: the second is waited for, however long it takes within the time of a trace. */
    start_span(&table, 6, true);
    start_span(&table, 6, true);
    end_span(&table, 3, (sent){.trace = 6, .size = 64, .root = true});
    time_now += 5 * SECOND;
    ns_traces_sweep(&table, 10);
    CHECK(table.traces_held == 1);
    end_span(&table, 4, (sent){.trace = 6, .size = 64, .root = true, .error = true});
    CHECK(table.traces_held == 0 && table.spans_queued == 4);
    CHECK(read_all(&table, 100, 1 << 20, serials) == 4);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_new_root_after_a_drop(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
    start_span(&table, 5, true);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .root = true});
    start_span(&table, 5, true);
    end_span(&table, 2, (sent){.trace = 5, .size = 64, .root = true, .error = true});
    CHECK(read_all(&table, 100, 1 << 20, serials) == 1 && serials[0] == 2);
    start_span(&table, 5, true); /* and one after a keep is kept */
    end_span(&table, 3, (sent){.trace = 5, .size = 64, .root = true});
    CHECK(read_all(&table, 100, 1 << 20, serials) == 1 && serials[0] == 3);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_time(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(slow_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
    /* No local root ends: decided after the wait, on what has ended. */
    start_span(&table, 5, false);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .start = SECOND, .end = SECOND + 5});
    time_now += 31 * SECOND;
    CHECK(ns_traces_sweep(&table, 10) == 1 && table.counts.spans_sampled_out == 1);
    /* A trace that still runs is slow already. */
    start_span(&table, 6, true);
    start_span(&table, 6, false);
    end_span(&table, 2, (sent){.trace = 6, .size = 64, .start = SECOND, .end = SECOND + 5});
    time_now += 31 * SECOND;
    CHECK(ns_traces_sweep(&table, 10) == 1 && table.spans_queued == 1);
    end_span(&table, 3, (sent){.trace = 6, .size = 64, .root = true, .start = SECOND, .end = 40 * SECOND});
    CHECK(table.spans_queued == 2);
    /* Also one of which nothing has ended. */
    start_span(&table, 7, true);
    time_now += 31 * SECOND;
    CHECK(ns_traces_sweep(&table, 10) == 1);
    end_span(&table, 4, (sent){.trace = 7, .size = 64, .root = true, .start = SECOND, .end = 40 * SECOND});
    CHECK(read_all(&table, 100, 1 << 20, serials) == 3);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

/* A trace that lingers is decided on within its time all the same. */
static void test_the_time_of_a_trace_is_a_bound(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    settings.wait_ns = SECOND;
    settings.wait_after_root_ns = 8 * SECOND;
    CHECK(ns_traces_make(&table, &settings) == 0);
    start_span(&table, 5, true);
    start_span(&table, 5, false);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .root = true});
    time_now += SECOND + SECOND / 100;
    CHECK(ns_traces_sweep(&table, 10) == 1 && table.traces_held == 0);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

/* A limiter is paid for a trace that is decided on before any of its spans has ended. */
static void test_an_early_decision_is_not_free(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(one_a_second);
    settings.max_traces = 4;
    CHECK(ns_traces_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 50; trace++) start_span(&table, trace, true);
    CHECK(table.counts.traces_kept == 1 && table.counts.traces_evicted == 45);
    ns_traces_free(&table);
}

/* A trace that is not wanted at all is not missed when it goes early. */
static void test_dropped_early_is_no_eviction(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(nothing);
    settings.max_traces = 4;
    CHECK(ns_traces_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 5; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, 1, (sent){.trace = trace, .size = 64});
    }
    CHECK(table.counts.traces_sampled_out == 1 && table.counts.traces_evicted == 0);
    ns_traces_decide_all(&table);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_forgotten(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    settings.remembered = 0;
    settings.wait_after_root_ns = 0;
    CHECK(ns_traces_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 200; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, 1, (sent){.trace = trace, .size = 64, .root = true});
    }
    end_span(&table, 2, (sent){.trace = 0, .size = 64, .error = true});
    CHECK(table.counts.late_forgotten == 1 && table.counts.spans_evicted == 1 && table.counts.late_dropped == 1);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_too_many_traces(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    settings.max_traces = 4;
    CHECK(ns_traces_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 6; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, (uint32_t)trace, (sent){.trace = trace, .size = 64, .error = trace == 1});
        CHECK(table.traces_held <= 4);
    }
    CHECK(table.counts.decided_early == 2 && table.counts.traces_evicted == 1 && table.counts.spans_evicted == 1);
    for (uint64_t trace = 0; trace < 2; trace++)
        end_span(&table, (uint32_t)(100 + trace), (sent){.trace = trace, .size = 64, .root = true, .error = true});
    CHECK(table.counts.spans_evicted == 2 && table.counts.late_kept == 1); /* each follows its trace */
    ns_traces_decide_all(&table);
    CHECK(read_all(&table, 100, 1 << 20, serials) == 2);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_lingering_ones_go_first(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(everything);
    settings.max_traces = 2;
    CHECK(ns_traces_make(&table, &settings) == 0);
    start_span(&table, 1, true);
    start_span(&table, 2, true);
    start_span(&table, 2, false);
    end_span(&table, 20, (sent){.trace = 2, .size = 64, .root = true});
    start_span(&table, 3, true);
    CHECK(table.spans_queued == 1 && table.traces_held == 2);
    ns_traces_forget(&table, 7, 1, NS_ROOT);
    ns_traces_forget(&table, 7, 3, NS_ENTRY);
    ns_traces_forget(&table, 7, 99, NS_ROOT);
    CHECK(read_all(&table, 1, 1, serials) == 1);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_queue_full(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(everything);
    CHECK(ns_traces_make(&table, &settings) == 0);
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
    check_nothing_held(&table);
    ns_traces_free(&table);
}

/* Held traces fill the memory: the oldest are decided early, and spans of any size are taken. */
static void test_memory_full(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
    uint64_t ended = 0;
    for (uint64_t trace = 0; trace < 900; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        uint32_t size = trace % 100 == 99 ? 100000 : 5000;
        end_span(&table, (uint32_t)ended++, (sent){.trace = trace, .size = size, .error = trace % 7 == 0});
        check_sums(&table, ended);
    }
    CHECK(table.counts.decided_early > 100 && table.counts.spans_evicted > 0 && table.spans_queued > 0);
    ns_traces_decide_all(&table);
    CHECK(table.counts.spans_kept == table.spans_queued);
    read_all(&table, 100, 1 << 20, serials);
    check_nothing_held(&table);
    ns_traces_free(&table);
}

static void test_many_sources(void) {
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    CHECK(ns_traces_make(&table, &settings) == 0);
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
    check_nothing_held(&table);
    ns_traces_free(&table);
}

/* --- random lives -------------------------------------------------------------------------------------------------- */

enum { LIVES = 60000, OPEN = 2000 };

typedef struct life {
    uint64_t trace;
    uint32_t spans, started, ended;
    uint32_t root_at; /* the root is the span that ends as this one */
    bool error;
} life;

static uint32_t life_of[1 << 20];
static bool wanted[LIVES];
static uint32_t seen_spans[LIVES], all_spans[LIVES];

/* With room for all, what has an error arrives whole and nothing else does, whatever the order of the ends. */
static void test_random_lives(uint32_t max_traces, bool roomy) {
    static life open[OPEN];
    ns_traces table;
    ns_traces_settings settings = settings_of(errors_only);
    settings.max_traces = max_traces;
    settings.max_bytes = roomy ? 64 << 20 : 3 << 20;
    CHECK(ns_traces_make(&table, &settings) == 0);
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
    ns_traces_decide_all(&table);
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
    check_nothing_held(&table);
    ns_traces_free(&table);
}

int main(void) {
    ns_policy status = {.kind = NS_POLICY_STATUS, .extent = 1, .bits = 4};
    ns_policy latency = {.kind = NS_POLICY_LATENCY, .extent = 1, .least = 1000};
    ns_policy always = {.kind = NS_POLICY_ALWAYS, .extent = 1};
    CHECK((errors_only = ns_policies_new(&status, 1)) != NULL);
    CHECK((slow_only = ns_policies_new(&latency, 1)) != NULL);
    CHECK((everything = ns_policies_new(&always, 1)) != NULL);
    ns_policy limiter = {.kind = NS_POLICY_SPANS_RATE, .extent = 1, .rate = 1, .burst = 1};
    ns_policy drop[] = {{.kind = NS_POLICY_DROP, .extent = 2}, always, always};
    CHECK((one_a_second = ns_policies_new(&limiter, 1)) != NULL);
    CHECK((nothing = ns_policies_new(drop, 3)) != NULL);
    test_settings();
    test_the_time_of_a_trace_is_a_bound();
    test_an_early_decision_is_not_free();
    test_dropped_early_is_no_eviction();
    test_forgotten();
    test_kept_and_dropped();
    test_late_spans_follow();
    test_waiting_for_open_spans();
    test_new_root_after_a_drop();
    test_time();
    test_too_many_traces();
    test_lingering_ones_go_first();
    test_queue_full();
    test_memory_full();
    test_many_sources();
    test_random_lives(OPEN + 1, true);
    test_random_lives(OPEN / 4, false);
    ns_policies_free(errors_only);
    ns_policies_free(slow_only);
    ns_policies_free(everything);
    ns_policies_free(one_a_second);
    ns_policies_free(nothing);
    return ns_test_summary("test_traces");
}
