/* The trace table: each outcome of a trace. test_trace_table_bounds.c covers bounds and random traces. */
#include <errno.h>

#include "tail/trace_table.h"

static void test_settings(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(everything);
    settings.max_bytes = ns_trace_table_min_bytes(settings.max_traces, settings.remembered) - 1;
    CHECK(ns_trace_table_make(&table, &settings) == EINVAL);
    settings.max_bytes++;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    ns_trace_table_free(&table);
    settings.max_traces = 0;
    CHECK(ns_trace_table_make(&table, &settings) == EINVAL);
}

static void test_kept_and_dropped(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
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
    finish(&table);
}

static void test_late_spans_follow(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 2; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        start_span(&table, trace, false);
        end_span(&table, 1, (sent){.trace = trace, .size = 64, .root = true, .error = trace == 1});
        CHECK(table.traces_held == 1); /* two spans are open */
        time_now += SECOND + SECOND / 100;
        CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.traces_held == 0);
        end_span(&table, 2, (sent){.trace = trace, .size = 64, .source = 1});
        end_span(&table, 3, (sent){.trace = trace, .size = 640, .error = true});
        CHECK(table.traces_held == 0);
    }
    CHECK(table.counts.late_dropped == 2 && table.counts.spans_sampled_out == 3 && table.counts.decided_by_time == 2);
    CHECK(table.counts.late_kept == 2 && read_all(&table, 1, 1, serials) == 3);
    finish(&table);
}

static void test_waiting_for_open_spans(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    start_span(&table, 5, true);
    start_span(&table, 5, false);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .root = true});
    time_now += SECOND / 2;
    CHECK(ns_trace_table_sweep(&table, 10) == 0);
    end_span(&table, 2, (sent){.trace = 5, .size = 64, .error = true}); /* the last span ends: no more waiting */
    CHECK(table.traces_held == 0 && table.spans_queued == 2);
    /* Two roots in one trace: waits for the second within the time of a trace. */
    start_span(&table, 6, true);
    start_span(&table, 6, true);
    end_span(&table, 3, (sent){.trace = 6, .size = 64, .root = true});
    time_now += 5 * SECOND;
    ns_trace_table_sweep(&table, 10);
    CHECK(table.traces_held == 1);
    end_span(&table, 4, (sent){.trace = 6, .size = 64, .root = true, .error = true});
    CHECK(table.traces_held == 0 && table.spans_queued == 4);
    CHECK(read_all(&table, 100, 1 << 20, serials) == 4);
    finish(&table);
}

static void test_new_root_after_a_drop(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    start_span(&table, 5, true);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .root = true});
    start_span(&table, 5, true);
    end_span(&table, 2, (sent){.trace = 5, .size = 64, .root = true, .error = true});
    CHECK(read_all(&table, 100, 1 << 20, serials) == 1 && serials[0] == 2);
    start_span(&table, 5, true); /* a root that starts after a keep is kept */
    end_span(&table, 3, (sent){.trace = 5, .size = 64, .root = true});
    CHECK(read_all(&table, 100, 1 << 20, serials) == 1 && serials[0] == 3);
    finish(&table);
}

static void test_time(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(slow_only);
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    /* No local root ends: decided after the wait, on the spans that have ended. */
    start_span(&table, 5, false);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .start = SECOND, .end = SECOND + 5});
    time_now += 31 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.counts.spans_sampled_out == 1);
    /* A running trace already counts as slow. */
    start_span(&table, 6, true);
    start_span(&table, 6, false);
    end_span(&table, 2, (sent){.trace = 6, .size = 64, .start = SECOND, .end = SECOND + 5});
    time_now += 31 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.spans_queued == 1);
    end_span(&table, 3, (sent){.trace = 6, .size = 64, .root = true, .start = SECOND, .end = 40 * SECOND});
    CHECK(table.spans_queued == 2);
    /* Also a trace of which no span has ended. */
    start_span(&table, 7, true);
    time_now += 31 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 10) == 1);
    end_span(&table, 4, (sent){.trace = 7, .size = 64, .root = true, .start = SECOND, .end = 40 * SECOND});
    CHECK(read_all(&table, 100, 1 << 20, serials) == 3);
    finish(&table);
}

/* A lingering trace is decided within its time as well. */
static void test_the_time_of_a_trace_is_a_bound(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.wait_ns = SECOND;
    settings.wait_after_root_ns = 8 * SECOND;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    start_span(&table, 5, true);
    start_span(&table, 5, false);
    end_span(&table, 1, (sent){.trace = 5, .size = 64, .root = true});
    time_now += SECOND + SECOND / 100;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.traces_held == 0);
    finish(&table);
}

/* A trace decided before any of its spans ended costs a limiter something too. */
static void test_an_early_decision_is_not_free(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(one_a_second);
    settings.max_traces = 4;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 50; trace++) start_span(&table, trace, true);
    CHECK(table.counts.traces_kept == 1 && table.counts.traces_evicted == 45);
    ns_trace_table_free(&table);
}

/* A trace that a drop policy rejects does not count as evicted when it is decided early. */
static void test_dropped_early_is_no_eviction(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(nothing);
    settings.max_traces = 4;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 5; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, 1, (sent){.trace = trace, .size = 64});
    }
    CHECK(table.counts.traces_sampled_out == 1 && table.counts.traces_evicted == 0);
    ns_trace_table_decide_all(&table);
    finish(&table);
}

static void test_forgotten(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.remembered = 0;
    settings.wait_after_root_ns = 0;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    for (uint64_t trace = 0; trace < 200; trace++) {
        start_span(&table, trace, true);
        start_span(&table, trace, false);
        end_span(&table, 1, (sent){.trace = trace, .size = 64, .root = true});
    }
    end_span(&table, 2, (sent){.trace = 0, .size = 64, .error = true});
    CHECK(table.counts.late_forgotten == 1 && table.counts.spans_evicted == 1 && table.counts.late_dropped == 1);
    finish(&table);
}

int main(void) {
    make_policies();
    test_settings();
    test_kept_and_dropped();
    test_late_spans_follow();
    test_waiting_for_open_spans();
    test_new_root_after_a_drop();
    test_time();
    test_the_time_of_a_trace_is_a_bound();
    test_an_early_decision_is_not_free();
    test_dropped_early_is_no_eviction();
    test_forgotten();
    free_policies();
    return ns_test_summary();
}
