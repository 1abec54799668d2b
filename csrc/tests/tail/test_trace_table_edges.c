/* The trace table at its edges: no room at all, roots after roots, times and numbers that do not fit, ids that collide. */
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
    ns_trace_table_free(&table); /* of nothing */
}

/* Late spans of a kept trace may fill all there is. What comes then is counted, one by one, and nothing is half kept. */
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

/* A root that starts while the trace lingers is waited for, until the time of a trace is over. */
static void test_another_root_while_lingering(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    start_span(&table, 1, true);
    start_span(&table, 1, false);
    end_span(&table, 1, (sent){.trace = 1, .size = 64, .root = true});
    start_span(&table, 1, true);
    time_now += 2 * SECOND;
    CHECK(ns_trace_table_sweep(&table, 10) == 1 && table.traces_held == 1); /* looked at, not decided */
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

/* More than 49 days do not fit into the milliseconds of an entry: the longest that does is waited. */
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

/* The count of roots stops at its largest value: of those, the trace waits for so many. */
static void test_more_roots_than_can_be_counted(void) {
    ns_trace_table_settings settings = settings_of(errors_only);
    settings.wait_after_root_ns = 0; /* decided with the last root that is counted, whatever is open */
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

/* Spans whose start nobody announced, in a trace that is held: neither the open spans nor the roots fall below zero. */
static void test_ends_without_starts(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    start_span(&table, 1, false);
    for (uint32_t i = 0; i < 3; i++) end_span(&table, i, (sent){.trace = 1, .size = 64});
    CHECK(table.traces_held == 1); /* of a trace without a root nobody knows that it is whole */
    ns_trace_table_forget(&table, 7, 1, NS_INNER);
    CHECK(table.traces_held == 1);
    end_span(&table, 3, (sent){.trace = 1, .size = 64, .root = true, .error = true});
    CHECK(table.traces_held == 0 && table.counts.spans_kept == 4);
    CHECK(read_all(&table, 10, 1 << 20, serials) == 4);
    finish(&table);
}

/* Same lower half, same bucket, another upper half: two traces. And the one id whose bits mix to zero. */
static void test_colliding_ids(void) {
    ns_trace_table table = made_of(settings_of(errors_only));
    uint64_t low = 99, twin = 8;
    uint64_t bucket = ns_trace_mix(7, low) & table.index_mask;
    while ((ns_trace_mix(twin, low) & table.index_mask) != bucket) twin++;
    start_span(&table, low, true); /* of the upper half 7 */
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

/* What is kept while the consumer is at work follows what it reads; a consumer that has claimed nothing reads nothing. */
static void test_claims_while_reading(void) {
    ns_trace_table table = made_of(settings_of(everything));
    ns_kept_batch haul;
    CHECK(!ns_trace_table_acquire(&table));
    CHECK(ns_trace_table_read(&table, 10, 1 << 20, &haul) == 0 && haul.count == 0 && haul.bytes == NULL);
    for (uint32_t i = 0; i < 4; i++) {
        end_span(&table, i, (sent){.trace = 1 + i, .size = 64, .root = true});
        CHECK(ns_trace_table_acquire(&table));
    }
    CHECK(read_all(&table, 3, 1 << 20, serials) == 4);
    for (uint32_t i = 0; i < 4; i++) CHECK(serials[i] == i);
    finish(&table);
}

/* A trace that runs is as slow as it has been waited for, or as it says itself, whichever is more. */
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
    /* From the start of one span to the end of another, whichever ends first. */
    start_span(&table, 3, true);
    start_span(&table, 3, false);
    end_span(&table, 3, (sent){.trace = 3, .size = 64, .start = 8 * SECOND, .end = 9 * SECOND});
    end_span(&table, 4, (sent){.trace = 3, .size = 64, .start = 5 * SECOND, .end = 6 * SECOND, .root = true});
    CHECK(table.counts.traces_kept == 3 && read_all(&table, 10, 1 << 20, serials) == 4);
    finish(&table);
}

/* --- trace states -------------------------------------------------------------------------------------------------- */

static void end_as(ns_trace_table *table, uint64_t low, const char *state, uint32_t flags, bool root) {
    static const uint8_t span[64]; /* without fields, so that a trace state comes first */
    const ns_facts facts = {.trace_low = low, .has_parent = !root, .flags = flags, .trace_state = state,
                            .trace_state_size = strlen(state)};
    retain(holds, 0);
    if (!ns_trace_table_end(table, &facts, 0, 0, span, sizeof span)) release(holds, 0);
}

static void end_with_state(ns_trace_table *table, uint64_t low, const char *state, bool root) {
    end_as(table, low, state, 1, root);
}

/* Reads the one span that is queued; returns its size. */
static uint32_t read_one(ns_trace_table *table) {
    ns_kept_batch haul;
    CHECK(ns_trace_table_acquire(table) && ns_trace_table_read(table, 10, 1 << 20, &haul) == 0 && haul.count == 1);
    uint32_t size = haul.records[0].size;
    retain(holds, 0);
    ns_trace_table_release(table, &haul);
    release(holds, 0);
    free(haul.bytes);
    free(haul.records);
    return size;
}

enum { PLAIN = 64, WITH_THRESHOLD = PLAIN + 9 }; /* a field of the seven characters ot=th:8 */

static const ns_policy half = {.kind = NS_POLICY_PROBABILITY, .extent = 1, .threshold = UINT64_C(1) << 55};
static const uint64_t kept_id = UINT64_C(0xffffffffffffff);

/* The spans of a trace that is kept by chance say so. Not if the head did not sample it; and not if the trace was decided
 * on by its id, before any span had ended, and has a randomness of its own by which it would have been dropped. */
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

/* The largest threshold of first span and root is the trace's; a member that cannot be read, and what inner spans say after
 * the first, are nobody's business. Kept by chance, a trace says what its last threshold is. */
static void test_states_are_merged(void) {
    ns_policies *by_chance = ns_policies_new(&half, 1);
    CHECK(by_chance != NULL);
    ns_trace_table table = made_of(settings_of(by_chance));
    /* The randomness that counts is the first span's `rv`, not the id's, which is the smallest. */
    end_with_state(&table, 1 << 20, "ot=rv:ffffffffffffff;th:4", false);
    end_with_state(&table, 1 << 20, "ot=rv:00000000000000", false);
    end_with_state(&table, 1 << 20, "ot=th:2", true);
    CHECK(table.counts.traces_kept == 1);
    /* A state without that member, or one that cannot be read, leaves it at the id. */
    end_with_state(&table, 2 << 20, "vendor=1", false);
    end_with_state(&table, 2 << 20, "ot=rv:no;", true);
    CHECK(table.counts.traces_sampled_out == 1);
    ns_trace_table_decide_all(&table);
    while (ns_trace_table_acquire(&table)) {
        ns_kept_batch haul;
        CHECK(ns_trace_table_read(&table, 10, 1 << 20, &haul) == 0 && haul.count == 3);
        for (size_t i = 0; i < haul.count; i++) retain(holds, 0);
        ns_trace_table_release(&table, &haul);
        for (size_t i = 0; i < haul.count; i++) release(holds, 0);
        free(haul.bytes);
        free(haul.records);
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
    test_claims_while_reading();
    test_slow_by_its_own_account();
    test_states_are_merged();
    test_who_raises_thresholds();
    free_policies();
    return ns_test_summary("test_traces_edges");
}
