/* Edge cases of the trace table: no room at all, repeated roots, times and counts that overflow, colliding ids. */
#include "tail/trace_table.h"

#include <errno.h>

#define MILLISECOND UINT64_C(1000000)

static ns_trace_table made_of(ns_trace_table_settings settings) {
    ns_trace_table table;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    return table;
}

static void test_refused_settings(void) {
    ns_trace_table table;
    ns_trace_table_settings settings = settings_of(everything);
    settings.max_bytes = NS_TRACE_TABLE_MAX_BYTES + 1;
    CHECK(ns_trace_table_make(&table, &settings) == EINVAL);
    settings = settings_of(everything);
    settings.max_traces = NS_TRACE_TABLE_MAX_TRACES + 1;
    CHECK(ns_trace_table_make(&table, &settings) == EINVAL);
    ns_trace_table_free(&table); /* nothing to free */
}

/* Late spans of a kept trace may fill all memory. Every span after that is counted, and no trace is partly kept. */
static void test_no_room_at_all(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    uint64_t ended = 0;
    end_span(&table, (uint32_t)ended++, (sent){.trace = 1, .size = 1000, .root = true, .error = true});
    CHECK(table.counts.traces_kept == 1 && !table.starts_are_announced);
    while (table.counts.spans_queue_full == 0)
        end_span(&table, (uint32_t)ended++, (sent){.trace = 1, .size = 1000, .source = 1});
    CHECK(table.chunks_free < 3 && table.counts.late_kept == ended - 2 && table.counts.late_dropped == 1);
    end_span(&table, (uint32_t)ended++, (sent){.trace = 2, .size = 1000, .error = true});
    CHECK(table.counts.traces_queue_full == 1 && table.counts.spans_queue_full == 2 && table.traces_held == 0);
    CHECK(read_all(&table, 100, 1 << 20, serials) == ended - 2);
    /* There is room again, but its trace has lost a span. */
    end_span(&table, (uint32_t)ended++, (sent){.trace = 2, .size = 100, .root = true, .error = true});
    CHECK(table.counts.spans_queue_full == 3 && table.counts.late_dropped == 2);
    check_sums(&table, ended);
    finish(&table);
}

/* Waits for a root that starts while the trace lingers, until the time of a trace is over. */
static void test_another_root_while_lingering(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    start_span(&table, 1, true);
    start_span(&table, 1, false);
    end_span(&table, 1, (sent){.trace = 1, .size = 64, .root = true});
    start_span(&table, 1, true);
    time_now += 2 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.traces_held == 1); /* visited, not decided */
    CHECK(ns_trace_table_sweep(&table, 10) == 0);
    time_now += 30 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.traces_held == 0 && table.counts.decided_by_time == 1);
    finish(&table);
}

static void test_sweep_stops_at_its_limit(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    for (uint64_t trace = 1; trace <= 3; trace++) start_span(&table, trace, true);
    time_now += 60 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 2) == 2 && table.traces_held == 1);
    CHECK(ns_trace_table_sweep(&table, 2) == 1 && table.traces_held == 0);
    finish(&table);
}

/* More than 49 days do not fit into the milliseconds of an entry: waits for the maximum that fits. */
static void test_lingering_for_ever(void) {
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.wait_ns = UINT64_MAX / 2;
    settings.wait_after_root_ns = UINT64_MAX / 4;
    ns_trace_table table = made_of(settings);
    start_span(&table, 1, true);
    start_span(&table, 1, false);
    end_span(&table, 1, (sent){.trace = 1, .size = 64, .root = true});
    uint64_t began = time_now;
    time_now += UINT32_MAX * MILLISECOND - 1;
    CHECK(ns_trace_table_sweep(&table, 10) == 0);
    time_now++;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.traces_held == 0);
    time_now = began;
    finish(&table);
}

/* The count of roots saturates: the trace waits for that many. */
static void test_more_roots_than_can_be_counted(void) {
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.wait_after_root_ns = 0; /* decided with the last counted root, whatever is still open */
    ns_trace_table table = made_of(settings);
    enum { ROOTS = UINT16_MAX + 2 };
    for (uint32_t i = 0; i < ROOTS; i++) start_span(&table, 1, true);
    for (uint32_t i = 1; i <= ROOTS; i++) {
        end_span(&table, i, (sent){.trace = 1, .size = 16, .root = true});
        CHECK(table.traces_held == (i < UINT16_MAX));
    }
    CHECK(table.counts.spans_sampled_out == ROOTS && table.counts.late_dropped == 2);
    finish(&table);
}

/* Ends without reported starts in an undecided trace: neither the open spans nor the roots fall below zero. */
static void test_ends_without_starts(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    start_span(&table, 1, false);
    for (uint32_t i = 0; i < 3; i++) end_span(&table, i, (sent){.trace = 1, .size = 64});
    CHECK(table.traces_held == 1); /* a trace without a root is never known to be complete */
    ns_trace_table_forget(&table, 7, 1, NS_INNER);
    CHECK(table.traces_held == 1);
    end_span(&table, 3, (sent){.trace = 1, .size = 64, .root = true, .error = true});
    CHECK(table.traces_held == 0 && table.counts.spans_kept == 4);
    CHECK(read_all(&table, 10, 1 << 20, serials) == 4);
    finish(&table);
}

/* Equal lower halves, one bucket, different upper halves: two traces. And the one id whose mix is zero. */
static void test_colliding_ids(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    uint64_t low = 99, twin = 8;
    uint64_t bucket = ns_trace_mix(7, low) & table.index_mask;
    while ((ns_trace_mix(twin, low) & table.index_mask) != bucket) twin++;
    start_span(&table, low, true); /* with upper half 7 */
    ns_trace_table_start(&table, twin, low, NS_ENTRY);
    CHECK(table.traces_held == 2);
    end_span(&table, 1, (sent){.trace = low, .size = 64, .root = true});
    CHECK(table.traces_held == 1);
    ns_trace_table_forget(&table, twin, low, NS_ENTRY);
    CHECK(table.traces_held == 0);

    CHECK(ns_trace_mix(0, 0) == 0);
    ns_trace_table_start(&table, 0, 0, NS_ENTRY);
    ns_trace_table_forget(&table, 0, 0, NS_ENTRY);
    CHECK(table.traces_held == 0 && ns_decisions_find(&table.decisions, 0).fate == NS_FATE_SAMPLED_OUT);
    finish(&table);
}

/* Traces kept while the consumer reads follow those that it reads. A consumer that has acquired nothing reads nothing. */
static void test_acquire_while_reading(void) {
    ns_trace_table table = made_of(settings_of(everything));
    ns_kept_batch batch;
    CHECK(!ns_trace_table_acquire(&table));
    CHECK(ns_trace_table_read(&table, 10, 1 << 20, &batch) == 0 && batch.count == 0 && batch.bytes == NULL);
    for (uint32_t i = 0; i < 4; i++) {
        end_span(&table, i, (sent){.trace = 1 + i, .size = 64, .root = true});
        CHECK(ns_trace_table_acquire(&table));
    }
    CHECK(read_all(&table, 3, 1 << 20, serials) == 4);
    for (uint32_t i = 0; i < 4; i++) CHECK(serials[i] == i);
    finish(&table);
}

/* The duration of a running trace is the larger of its time in the table and its own timestamps. */
static void test_slow_by_its_own_account(void) {
    ns_trace_table table = made_of(settings_of(slow_only));
    start_span(&table, 1, true);
    start_span(&table, 1, false);
    end_span(&table, 1, (sent){.trace = 1, .size = 64, .start = 5 * SECOND, .end = 9 * SECOND});
    ns_trace_table_decide_all(&table);
    CHECK(table.counts.traces_kept == 1);
    ns_trace_table_start(&table, 7, 2, NS_ROOT);
    start_span(&table, 2, false);
    end_span(&table, 2, (sent){.trace = 2, .size = 64, .start = 5 * SECOND, .end = 5 * SECOND + MILLISECOND});
    time_now += 2 * SECOND;
    ns_trace_table_decide_all(&table);
    CHECK(table.counts.traces_kept == 2);
    /* From the first start to the last end, in whatever order the spans end. */
    start_span(&table, 3, true);
    start_span(&table, 3, false);
    end_span(&table, 3, (sent){.trace = 3, .size = 64, .start = 8 * SECOND, .end = 9 * SECOND});
    end_span(&table, 4, (sent){.trace = 3, .size = 64, .start = 5 * SECOND, .end = 6 * SECOND, .root = true});
    CHECK(table.counts.traces_kept == 3 && read_all(&table, 10, 1 << 20, serials) == 4);
    finish(&table);
}

/* --- trace states -------------------------------------------------------------------------------------------------- */

static void end_as(ns_trace_table *table, uint64_t low, const char *state, uint32_t flags, bool root) {
    static const uint8_t span[64]; /* no fields, so the trace state comes first */
    const ns_facts facts = {
        .trace_low = low, .has_parent = !root, .flags = flags, .trace_state = state, .trace_state_size = strlen(state)};
    retain(holds, 0);
    if (!ns_trace_table_end(table, &facts, 0, 0, span, sizeof span)) release(holds, 0);
}

static void end_with_state(ns_trace_table *table, uint64_t low, const char *state, bool root) {
    end_as(table, low, state, 1, root);
}

/* Reads the one queued span and returns its size. */
static uint32_t read_one(ns_trace_table *table) {
    ns_kept_batch batch;
    CHECK(ns_trace_table_acquire(table) && ns_trace_table_read(table, 10, 1 << 20, &batch) == 0 && batch.count == 1);
    uint32_t size = batch.records[0].size;
    retain(holds, 0);
    ns_trace_table_release(table, &batch);
    release(holds, 0);
    free(batch.bytes);
    free(batch.records);
    return size;
}

enum { PLAIN = 64, WITH_THRESHOLD = PLAIN + 9 }; /* a field with the seven characters ot=th:8 */

static const ns_policy half = {.kind = NS_POLICY_PROBABILITY, .extent = 1, .threshold = UINT64_C(1) << 55};
static const uint64_t kept_id = UINT64_C(0xffffffffffffff);

/* The spans of a trace that is kept by chance carry its threshold. Not if the head did not sample the trace. Not if the
 * trace was decided by its id before any span ended and has an `rv` by which it would have been dropped. */
static void test_who_raises_thresholds(void) {
    ns_policies *by_chance = ns_policies_new(&half, 1);
    CHECK(by_chance != NULL);
    ns_trace_table table = made_of(settings_of(by_chance));
    end_as(&table, kept_id, "", 1, true);
    CHECK(read_one(&table) == WITH_THRESHOLD);
    end_as(&table, kept_id - 1, "", 0, true);
    CHECK(read_one(&table) == PLAIN);
    const char *const late[] = {"", "ot=rv:ffffffffffffff", "ot=rv:00000000000000"};
    for (uint64_t i = 0; i < 3; i++) {
        ns_trace_table_start(&table, 0, kept_id - 2 - i, NS_ENTRY);
        ns_trace_table_decide_all(&table);
        CHECK(table.counts.traces_kept == 3 + i);
        end_as(&table, kept_id - 2 - i, late[i], 1, true);
        CHECK(read_one(&table) == (i < 2 ? WITH_THRESHOLD : PLAIN));
    }
    finish(&table);
    ns_policies_free(by_chance);
}

/* The threshold of a trace is the largest of its first span and its root. An unreadable member, and states of inner spans
 * after the first, are ignored. A trace kept by chance carries its final threshold. */
static void test_states_are_merged(void) {
    ns_policies *by_chance = ns_policies_new(&half, 1);
    CHECK(by_chance != NULL);
    ns_trace_table table = made_of(settings_of(by_chance));
    /* The first span's `rv` counts, not the id, which would be the smallest randomness. */
    end_with_state(&table, 1 << 20, "ot=rv:ffffffffffffff;th:4", false);
    end_with_state(&table, 1 << 20, "ot=rv:00000000000000", false);
    end_with_state(&table, 1 << 20, "ot=th:2", true);
    CHECK(table.counts.traces_kept == 1);
    /* Without a readable `ot` member the id counts. */
    end_with_state(&table, 2 << 20, "vendor=1", false);
    end_with_state(&table, 2 << 20, "ot=rv:no;", true);
    CHECK(table.counts.traces_sampled_out == 1);
    ns_trace_table_decide_all(&table);
    while (ns_trace_table_acquire(&table)) {
        ns_kept_batch batch;
        CHECK(ns_trace_table_read(&table, 10, 1 << 20, &batch) == 0 && batch.count == 3);
        for (size_t i = 0; i < batch.count; i++) retain(holds, 0);
        ns_trace_table_release(&table, &batch);
        for (size_t i = 0; i < batch.count; i++) release(holds, 0);
        free(batch.bytes);
        free(batch.records);
    }
    finish(&table);
    ns_policies_free(by_chance);
}

int main(void) {
    make_policies();
    test_refused_settings();
    test_no_room_at_all();
    test_another_root_while_lingering();
    test_sweep_stops_at_its_limit();
    test_lingering_for_ever();
    test_more_roots_than_can_be_counted();
    test_ends_without_starts();
    test_colliding_ids();
    test_acquire_while_reading();
    test_slow_by_its_own_account();
    test_states_are_merged();
    test_who_raises_thresholds();
    free_policies();
    return ns_test_summary();
}
