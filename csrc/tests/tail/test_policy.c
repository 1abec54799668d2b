/* Decisions of tail sampling: each policy alone, their combination, and the change of `th`. */
#include "tail/ns_policy.h"

#include <pthread.h>
#include <string.h>

#include "ns_test.h"
#include "sampling/ns_threshold.h"

#define SECOND UINT64_C(1000000000)

static const ns_policy always = {.kind = NS_POLICY_ALWAYS, .extent = 1};
/* For a trace without facts, one says no and the other yes. */
static const ns_policy no = {.kind = NS_POLICY_MATCH, .extent = 1, .bits = 1};
static const ns_policy yes = {.kind = NS_POLICY_NO_MATCH, .extent = 1, .bits = 1};

static ns_policy with_parts(ns_policy_kind kind, uint32_t parts) { return (ns_policy){.kind = kind, .extent = 1 + parts}; }

static ns_policy probability(uint64_t threshold) {
    return (ns_policy){.kind = NS_POLICY_PROBABILITY, .extent = 1, .threshold = threshold};
}

static ns_policy spans_rate(double rate, double burst) {
    return (ns_policy){.kind = NS_POLICY_SPANS_RATE, .extent = 1, .rate = rate, .burst = burst};
}

static ns_policies *make(const ns_policy *nodes, size_t count) {
    ns_policies *policies = ns_policies_new(nodes, count);
    CHECK(policies != NULL);
    return policies;
}

#define COUNT(...)         (sizeof((const ns_policy[]){__VA_ARGS__}) / sizeof(ns_policy))
#define DECIDE(trace, ...) decide((const ns_policy[]){__VA_ARGS__}, COUNT(__VA_ARGS__), trace)

static ns_verdict decide(const ns_policy *nodes, size_t count, ns_trace_facts trace) {
    ns_policies *policies = make(nodes, count);
    ns_verdict verdict = ns_policies_decide(policies, &trace, SECOND);
    ns_policies_free(policies);
    return verdict;
}

static bool leaves(ns_verdict verdict) { return verdict.keep && verdict.th_action == NS_TH_LEAVE; }
static bool erases(ns_verdict verdict) { return verdict.keep && verdict.th_action == NS_TH_ERASE; }
static bool raises(ns_verdict verdict, uint64_t threshold) {
    return verdict.keep && verdict.th_action == NS_TH_RAISE && verdict.threshold == threshold;
}
static bool drops(ns_verdict verdict) { return !verdict.keep && verdict.th_action == NS_TH_LEAVE; }

/* --- each policy ------------------------------------------------------------------------------------------------- */

static void test_status(void) {
    for (unsigned sought = 1; sought < 8; sought++) {
        ns_policy policy = {.kind = NS_POLICY_STATUS, .extent = 1, .bits = sought};
        for (unsigned seen = 0; seen < 8; seen++)
            CHECK(DECIDE((ns_trace_facts){.statuses = (uint8_t)seen}, policy).keep == ((seen & sought) != 0));
    }
}

static bool slow(uint64_t min, uint64_t max, uint64_t start, uint64_t end) {
    ns_policy policy = {.kind = NS_POLICY_LATENCY, .extent = 1, .min_value = min, .max_value = max};
    return DECIDE(((ns_trace_facts){.start = start, .end = end}), policy).keep;
}

static void test_latency(void) {
    const uint64_t start = UINT64_C(1795395071635305223), ms = 1000000;
    CHECK(!slow(1000, 0, start, start + 999 * ms));
    CHECK(!slow(1000, 0, start, start + 1000 * ms)); /* above, not equal */
    CHECK(!slow(1000, 0, start, start + 1001 * ms - 1));
    CHECK(slow(1000, 0, start, start + 1001 * ms));
    CHECK(slow(1000, 0, start, start + UINT64_C(3600000) * ms));
    CHECK(slow(1000, 2000, start, start + 2000 * ms));
    CHECK(slow(1000, 2000, start, start + 2001 * ms - 1));
    CHECK(!slow(1000, 2000, start, start + 2001 * ms));
    CHECK(!slow(1000, 2000, start, start + 1000 * ms));
    CHECK(!slow(0, 0, start, start));
    CHECK(!slow(0, 0, start, start - 5000 * ms)); /* the clock was set back */
    CHECK(slow(0, 0, start, start + ms));
}

static void test_matches(void) {
    ns_policy any = {.kind = NS_POLICY_MATCH, .extent = 1, .bits = 0x8000000000000002u};
    ns_policy none = {.kind = NS_POLICY_NO_MATCH, .extent = 1, .bits = 0x8000000000000002u};
    const uint64_t seen[] = {0, 1, 2, 3, 0x8000000000000000u, 0x7FFFFFFFFFFFFFFDu};
    const bool expected[] = {false, false, true, true, true, false};
    for (int i = 0; i < 6; i++) {
        CHECK(DECIDE((ns_trace_facts){.matches = seen[i]}, any).keep == expected[i]);
        CHECK(DECIDE((ns_trace_facts){.matches = seen[i]}, none).keep == !expected[i]);
    }
}

static bool counted(uint64_t min, uint64_t max, uint32_t spans) {
    ns_policy policy = {.kind = NS_POLICY_SPAN_COUNT, .extent = 1, .min_value = min, .max_value = max};
    return DECIDE((ns_trace_facts){.spans = spans}, policy).keep;
}

static void test_span_count(void) {
    CHECK(!counted(3, 5, 2) && counted(3, 5, 3) && counted(3, 5, 5) && !counted(3, 5, 6));
    CHECK(!counted(3, 0, 2) && counted(3, 0, 3) && counted(3, 0, UINT32_MAX));
}

static void test_flags(void) {
    ns_policy policy = {.kind = NS_POLICY_TRACE_FLAGS, .extent = 1};
    CHECK(!DECIDE((ns_trace_facts){.flags = 0}, policy).keep);
    CHECK(!DECIDE((ns_trace_facts){.flags = 2}, policy).keep);
    CHECK(leaves(DECIDE((ns_trace_facts){.flags = 3}, policy)));
}

static void test_probability(void) {
    const uint64_t half = NS_THRESHOLD_LIMIT / 2;
    CHECK(raises(DECIDE((ns_trace_facts){.randomness = half}, probability(half)), half));
    CHECK(drops(DECIDE((ns_trace_facts){.randomness = half - 1}, probability(half))));
    CHECK(leaves(DECIDE((ns_trace_facts){.randomness = 0}, probability(0)))); /* keeps all of them, so `th` stays */
}

/* Reference values of the 64-bit FNV-1a hash: of "", "a" and "foobar". */
static void test_hash(void) {
    CHECK(ns_fnv1a_start("", 0) == 0xcbf29ce484222325u);
    CHECK(ns_fnv1a_start("a", 1) == 0xaf63dc4c8601ec8cu);
    CHECK(ns_fnv1a_start("foobar", 6) == 0x85944171f73967e8u);
    const ns_trace_facts trace = {.trace_high = 0x0102030405060708u, .trace_low = 0x090A0B0C0D0E0F10u};
    uint64_t hash = ns_fnv1a_start("salt\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10", 20);
    ns_policy policy = {.kind = NS_POLICY_HASH, .extent = 1, .salt = ns_fnv1a_start("salt", 4), .threshold = hash};
    CHECK(erases(DECIDE(trace, policy)));
    policy.threshold = hash - 1;
    CHECK(drops(DECIDE(trace, policy)));
}

static void test_rates(void) {
    ns_policy bytes = {.kind = NS_POLICY_BYTES_RATE, .extent = 1, .rate = 100, .burst = 200};
    ns_policies *policies = make(&bytes, 1);
    ns_trace_facts trace = {.spans = 1, .bytes = 201};
    CHECK(!ns_policies_decide(policies, &trace, 10 * SECOND).keep); /* more than the burst */
    trace.bytes = 150;
    CHECK(erases(ns_policies_decide(policies, &trace, 10 * SECOND)));
    CHECK(!ns_policies_decide(policies, &trace, 10 * SECOND).keep);
    CHECK(ns_policies_decide(policies, &trace, 11 * SECOND).keep); /* 50 left, 100 more */
    ns_policies_free(policies);

    ns_policy spans = spans_rate(10, 20);
    policies = make(&spans, 1);
    trace = (ns_trace_facts){.spans = 7, .bytes = 1 << 20};
    unsigned kept = 0;
    for (int i = 0; i < 5; i++) kept += ns_policies_decide(policies, &trace, 10 * SECOND).keep;
    CHECK(kept == 2);
    CHECK(!ns_policies_decide(policies, &trace, 10 * SECOND + SECOND / 20).keep);
    CHECK(ns_policies_decide(policies, &trace, 10 * SECOND + SECOND / 2).keep);
    ns_policies_free(policies);
}

/* 1,000 traces per second of 10 spans each, with a target of 100 spans per second: about 10 traces per second are kept, each
 * by a threshold, namely those with the largest R. */
static void test_target(void) {
    ns_policy policy = {.kind = NS_POLICY_SPANS_TARGET, .extent = 1, .rate = 100};
    ns_policies *policies = make(&policy, 1);
    ns_trace_facts trace = {.spans = 10};
    uint64_t now = 100 * SECOND, random = 88172645463325252u, kept = 0;
    for (int i = 0; i < 60000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        trace.randomness = random & (NS_THRESHOLD_LIMIT - 1);
        ns_verdict verdict = ns_policies_decide(policies, &trace, now += SECOND / 1000);
        if (!verdict.keep) continue;
        CHECK(verdict.th_action == (verdict.threshold ? NS_TH_RAISE : NS_TH_LEAVE));
        CHECK(trace.randomness >= verdict.threshold);
        kept += i >= 30000; /* after convergence */
    }
    CHECK(kept > 200 && kept < 400);
    ns_policies_free(policies);
}

/* --- combinations ------------------------------------------------------------------------------------------------ */

static void test_any(void) {
    const ns_trace_facts trace = {.randomness = 10};
    CHECK(drops(DECIDE(trace, no)));
    CHECK(drops(DECIDE(trace, no, no, probability(11))));
    CHECK(leaves(DECIDE(trace, no, yes, no)));
    CHECK(leaves(DECIDE(trace, probability(5), always)));
    CHECK(raises(DECIDE(trace, probability(5), no), 5));
    CHECK(raises(DECIDE(trace, probability(5), probability(3), probability(10), probability(11)), 3));
    CHECK(raises(DECIDE(trace, spans_rate(1, 1), probability(5)), 5));
    CHECK(erases(DECIDE(trace, spans_rate(1, 1), probability(11))));
}

static void test_and(void) {
    const ns_trace_facts trace = {.randomness = 10};
    const ns_policy and = with_parts(NS_POLICY_AND, 2);
    CHECK(leaves(DECIDE(trace, and, yes, always)));
    CHECK(drops(DECIDE(trace, and, yes, no)));
    CHECK(drops(DECIDE(trace, and, no, yes)));
    CHECK(raises(DECIDE(trace, and, yes, probability(7)), 7));
    CHECK(raises(DECIDE(trace, and, probability(9), probability(7)), 9));
    CHECK(erases(DECIDE(trace, and, probability(9), spans_rate(1, 1))));
    CHECK(raises(DECIDE(trace, and, yes, probability(7), probability(8)), 7)); /* the two parts, then another policy */
    CHECK(leaves(DECIDE(trace, and, yes, probability(7), yes)));
    CHECK(raises(DECIDE(trace, with_parts(NS_POLICY_AND, 4), yes, and, probability(2), probability(4)), 4));
}

static void test_not(void) {
    const ns_trace_facts trace = {.randomness = 10};
    const ns_policy not = with_parts(NS_POLICY_NOT, 1), not_all = with_parts(NS_POLICY_NOT, 3);
    const ns_policy and = with_parts(NS_POLICY_AND, 2);
    CHECK(leaves(DECIDE(trace, not, no)));
    CHECK(drops(DECIDE(trace, not, yes)));
    CHECK(erases(DECIDE(trace, not, probability(11))));
    CHECK(drops(DECIDE(trace, not, probability(10))));
    CHECK(drops(DECIDE(trace, not, spans_rate(1, 1))));
    CHECK(leaves(DECIDE(trace, with_parts(NS_POLICY_NOT, 2), not, yes)));
    CHECK(drops(DECIDE(trace, with_parts(NS_POLICY_NOT, 2), not, probability(11))));
    /* The result is certain because one part certainly says no, in either position. */
    CHECK(leaves(DECIDE(trace, not_all, and, no, probability(11))));
    CHECK(leaves(DECIDE(trace, not_all, and, probability(11), no)));
    CHECK(erases(DECIDE(trace, not_all, and, probability(11), yes)));
}

static void test_drop(void) {
    const ns_trace_facts trace = {.randomness = 10};
    const ns_policy drop = with_parts(NS_POLICY_DROP, 1), drop_both = with_parts(NS_POLICY_DROP, 2);
    const ns_policy and = with_parts(NS_POLICY_AND, 2);
    CHECK(drops(DECIDE(trace, always, drop, yes)));
    CHECK(drops(DECIDE(trace, drop, yes, always)));
    CHECK(leaves(DECIDE(trace, drop, no, always)));
    CHECK(leaves(DECIDE(trace, drop_both, yes, no, always)));
    CHECK(drops(DECIDE(trace, drop_both, yes, yes, always)));
    CHECK(drops(DECIDE(trace, drop, no, no)));
    CHECK(drops(DECIDE(trace, drop, no)));
    /* Passed by chance: the number of similar traces that were dropped is unknown. */
    CHECK(erases(DECIDE(trace, drop_both, yes, probability(11), always)));
    CHECK(erases(DECIDE(trace, drop_both, probability(11), yes, probability(3))));
    CHECK(drops(DECIDE(trace, drop_both, yes, probability(9), always)));
    CHECK(leaves(DECIDE(trace, drop_both, no, probability(11), always)));
    CHECK(leaves(DECIDE(trace, drop_both, probability(11), no, always)));
    CHECK(raises(DECIDE(trace, drop_both, probability(11), no, probability(3)), 3));
    /* A part that would have to pay is still evaluated for its certainty. */
    CHECK(leaves(DECIDE(trace, with_parts(NS_POLICY_DROP, 4), probability(11), and, no, spans_rate(1, 1), always)));
    CHECK(erases(DECIDE(trace, with_parts(NS_POLICY_DROP, 4), probability(11), and, yes, spans_rate(1, 1), always)));
}

/* A limiter pays for a trace that another policy keeps, but not for a dropped trace, nor after a part that said no. */
static void test_who_pays(void) {
    const ns_trace_facts one = {.spans = 1}, other = {.spans = 1, .matches = 1};
    const ns_policy free_and_paid[] = {always, spans_rate(1, 2)};
    ns_policies *policies = make(free_and_paid, 2);
    for (int i = 0; i < 3; i++) ns_policies_decide(policies, &one, SECOND);
    CHECK(ns_policies_counts(policies, 1).sampled == 2 && ns_policies_counts(policies, 1).not_sampled == 1);
    ns_policies_free(policies);

    const ns_policy dropped[] = {spans_rate(1, 2), with_parts(NS_POLICY_DROP, 1), no};
    policies = make(dropped, 3);
    for (int i = 0; i < 5; i++) CHECK(!ns_policies_decide(policies, &other, SECOND).keep);
    CHECK(ns_policies_decide(policies, &one, SECOND).keep && ns_policies_decide(policies, &one, SECOND).keep);
    ns_policies_free(policies);

    const ns_policy behind[] = {with_parts(NS_POLICY_AND, 2), no, spans_rate(1, 2)};
    policies = make(behind, 3);
    for (int i = 0; i < 5; i++) CHECK(!ns_policies_decide(policies, &one, SECOND).keep);
    CHECK(ns_policies_decide(policies, &other, SECOND).keep && ns_policies_decide(policies, &other, SECOND).keep);
    CHECK(!ns_policies_decide(policies, &other, SECOND).keep);
    ns_policies_free(policies);

    /* The same for bytes, and for a composite: a trace that another part rejects costs its part nothing. */
    ns_policy part = always;
    part.allowance = 2;
    const ns_policy bytes_rate = {.kind = NS_POLICY_BYTES_RATE, .extent = 1, .rate = 1, .burst = 2};
    const ns_policy behind_no[][4] = {
        {with_parts(NS_POLICY_AND, 2), no, bytes_rate},
        {with_parts(NS_POLICY_AND, 3), no, with_parts(NS_POLICY_COMPOSITE, 1), part},
    };
    for (size_t i = 0; i < 2; i++) {
        policies = make(behind_no[i], 3 + i);
        for (int trace = 0; trace < 5; trace++) CHECK(!ns_policies_decide(policies, &one, SECOND).keep);
        CHECK(ns_policies_decide(policies, &other, SECOND).keep && ns_policies_decide(policies, &other, SECOND).keep);
        CHECK(!ns_policies_decide(policies, &other, SECOND).keep);
        ns_policies_free(policies);
    }
    /* A target that is not evaluated because another part said no does not count the trace. */
    const ns_policy target = {.kind = NS_POLICY_SPANS_TARGET, .extent = 1, .rate = 1000};
    const ns_policy aimed[] = {with_parts(NS_POLICY_AND, 2), no, target};
    policies = make(aimed, 3);
    CHECK(!ns_policies_decide(policies, &one, SECOND).keep);
    CHECK(ns_policies_decide(policies, &other, SECOND).keep);
    ns_policies_free(policies);
}

static void test_composite(void) {
    ns_policy first = no, second = always;
    first.allowance = 10;
    second.allowance = 5;
    const ns_policy nodes[] = {with_parts(NS_POLICY_COMPOSITE, 2), first, second};
    ns_policies *policies = make(nodes, 3);
    ns_trace_facts matching = {.spans = 4, .matches = 1}, other = {.spans = 4};
    CHECK(erases(ns_policies_decide(policies, &matching, 7 * SECOND)));
    CHECK(ns_policies_decide(policies, &matching, 7 * SECOND + 1).keep);
    /* A trace that does not fit is dropped even if the next part would keep it, and it costs a smaller trace nothing. */
    CHECK(!ns_policies_decide(policies, &matching, 7 * SECOND + 2).keep);
    CHECK(ns_policies_decide(policies, &other, 7 * SECOND + 3).keep);
    CHECK(!ns_policies_decide(policies, &other, 7 * SECOND + 4).keep);
    matching.spans = 2;
    CHECK(ns_policies_decide(policies, &matching, 8 * SECOND - 1).keep);
    matching.spans = 1;
    CHECK(!ns_policies_decide(policies, &matching, 8 * SECOND - 1).keep);
    CHECK(ns_policies_decide(policies, &matching, 8 * SECOND).keep); /* the next second */
    other.spans = 6;
    CHECK(!ns_policies_decide(policies, &other, 20 * SECOND).keep);
    other.spans = UINT32_MAX;
    CHECK(!ns_policies_decide(policies, &other, 20 * SECOND).keep);
    ns_policies_free(policies);

    const ns_trace_facts trace = {.spans = 1, .randomness = 10};
    first.allowance = 0;
    CHECK(drops(DECIDE(trace, with_parts(NS_POLICY_COMPOSITE, 1), second, with_parts(NS_POLICY_DROP, 1), yes)));
    CHECK(drops(DECIDE(trace, with_parts(NS_POLICY_COMPOSITE, 1), first)));
    CHECK(leaves(DECIDE(trace, with_parts(NS_POLICY_NOT, 2), with_parts(NS_POLICY_COMPOSITE, 1), first)));
    CHECK(drops(DECIDE(trace, with_parts(NS_POLICY_NOT, 2), with_parts(NS_POLICY_COMPOSITE, 1), second)));
    second.allowance = 0;
    CHECK(erases(DECIDE(trace, with_parts(NS_POLICY_NOT, 2), with_parts(NS_POLICY_COMPOSITE, 1), second)));
    CHECK(erases(DECIDE(trace, with_parts(NS_POLICY_NOT, 2), with_parts(NS_POLICY_COMPOSITE, 1), probability(11))));
}

/* --- counts and shapes ------------------------------------------------------------------------------------------- */

static void test_counts(void) {
    const ns_policy nodes[] = {with_parts(NS_POLICY_DROP, 1),
                               {.kind = NS_POLICY_MATCH, .extent = 1, .bits = 2},
                               with_parts(NS_POLICY_AND, 2),
                               always,
                               no,
                               always};
    ns_policies *policies = make(nodes, 6);
    CHECK(ns_policies_count(policies) == 3);
    const uint64_t matches[] = {0, 1, 1, 2, 3};
    for (int i = 0; i < 5; i++) ns_policies_decide(policies, &(ns_trace_facts){.matches = matches[i], .spans = 10}, SECOND);
    ns_policy_counts drop = ns_policies_counts(policies, 0), and = ns_policies_counts(policies, 1);
    ns_policy_counts all = ns_policies_counts(policies, 2);
    CHECK(drop.dropped == 2 && drop.spans_dropped == 20 && drop.not_sampled == 3);
    CHECK(drop.sampled == 0 && drop.spans_sampled == 0);
    CHECK(and.sampled == 2 && and.not_sampled == 1 && and.spans_sampled == 20 && and.dropped == 0);
    CHECK(all.sampled == 3 && all.not_sampled == 0 && all.spans_sampled == 30 && all.spans_dropped == 0);
    ns_policies_free(policies);
}

static bool is_refused(const ns_policy *nodes, size_t count) {
    ns_policies *policies = ns_policies_new(nodes, count);
    ns_policies_free(policies);
    return policies == NULL;
}

#define REFUSED(...) is_refused((const ns_policy[]){__VA_ARGS__}, COUNT(__VA_ARGS__))

static void test_shapes(void) {
    CHECK(is_refused(NULL, 0));
    CHECK(REFUSED(with_parts(NS_POLICY_ALWAYS, 1), always));
    CHECK(REFUSED(with_parts(NS_POLICY_AND, 0)));
    CHECK(REFUSED(with_parts(NS_POLICY_AND, 2), always));
    CHECK(REFUSED(with_parts(NS_POLICY_NOT, 2), always, always));
    CHECK(REFUSED(with_parts(NS_POLICY_AND, 1), with_parts(NS_POLICY_NOT, 1), always));
    CHECK(REFUSED(with_parts(NS_POLICY_NOT, 2), with_parts(NS_POLICY_DROP, 1), always));
    CHECK(REFUSED((ns_policy){.kind = NS_POLICY_ALWAYS, .extent = 0}));
    ns_policy nodes[NS_POLICIES_MAX + 1];
    for (int i = 0; i <= NS_POLICIES_MAX; i++) nodes[i] = always;
    CHECK(!is_refused(nodes, NS_POLICIES_MAX) && is_refused(nodes, NS_POLICIES_MAX + 1));
    for (uint32_t deep = 1; deep <= NS_POLICIES_MAX_DEPTH + 1; deep++) {
        for (uint32_t i = 0; i + 1 < deep; i++) nodes[i] = with_parts(NS_POLICY_NOT, deep - 1 - i);
        nodes[deep - 1] = always;
        CHECK(is_refused(nodes, deep) == (deep > NS_POLICIES_MAX_DEPTH));
    }
}

enum { THREADS = 4, TRACES = 20000 };

static void *decide_many(void *policies) {
    for (int i = 0; i < TRACES; i++) ns_policies_decide(policies, &(ns_trace_facts){.spans = 2}, SECOND);
    return NULL;
}

/* Concurrent decisions: each token is granted once, and all results are counted. */
static void test_threads(void) {
    ns_policy share = always;
    share.allowance = 1000;
    const ns_policy nodes[] = {spans_rate(1, 500), with_parts(NS_POLICY_COMPOSITE, 1), share};
    ns_policies *policies = make(nodes, 3);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, decide_many, policies) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    ns_policy_counts rate = ns_policies_counts(policies, 0), composite = ns_policies_counts(policies, 1);
    CHECK(rate.sampled == 250 && rate.sampled + rate.not_sampled == THREADS * TRACES);
    CHECK(composite.sampled == 500 && composite.sampled + composite.not_sampled == THREADS * TRACES);
    ns_policies_free(policies);
}

int main(void) {
    test_status();
    test_latency();
    test_matches();
    test_span_count();
    test_flags();
    test_probability();
    test_hash();
    test_rates();
    test_target();
    test_any();
    test_and();
    test_not();
    test_drop();
    test_who_pays();
    test_composite();
    test_counts();
    test_shapes();
    test_threads();
    return ns_test_summary();
}
