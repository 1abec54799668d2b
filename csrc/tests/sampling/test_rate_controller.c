/* The rate controller under virtual traffic: where it settles, how fast, and that it never oscillates. The random arrivals
 * are the same in every run, so the bounds are those of chance (about six deviations) and do not depend on the machine.
 * test_rate_controller_threads.c covers threads. */
#include "sampling/ns_rate_controller.h"

#include "ns_test.h"
#include "sampling/traffic.h"

#define SECOND UINT64_C(1000000000)

static ns_rate_controller c;
static traffic t;

static void begin(ns_rate_controller_mode mode, double target) {
    ns_rate_controller_init(&c, target, mode, 0, 0);
    traffic_end(&t);
    traffic_begin(&t, &c, 20250101);
}

static ns_rate_controller_state state(void) {
    ns_rate_controller_state now;
    ns_rate_controller_read(&c, &now);
    return now;
}

static double probability(void) { return state().probability; }

static bool within(double value, double min, double max) {
    if (value >= min && value <= max) return true;
    fprintf(stderr, "%g is not within [%g, %g] at %g s\n", value, min, max, t.now);
    return false;
}

/* Sampled spans per second over the next seconds. */
static double spans_over(double seconds) {
    uint64_t before = t.sampled;
    traffic_run(&t, seconds);
    return (double)(t.sampled - before) / seconds;
}

static double kept_over(double seconds) {
    uint64_t before = t.kept;
    traffic_run(&t, seconds);
    return (double)(t.kept - before) / seconds;
}

/* --- start, silence, clocks ---------------------------------------------------------------------------------------- */

static void test_start(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 500);
    CHECK(ns_rate_controller_ask(&c, 0, 5 * SECOND) == 0); /* nothing is known yet: keeps everything */
    CHECK(state().asked == 1 && state().kept == 1 && state().steps == 0);

    /* A start under full load, 200 times the target: two ticks' worth, then the rate. */
    begin(NS_RATE_CONTROLLER_TRACES, 500);
    t.roots = 100000;
    CHECK(within(kept_over(0.1) * 0.1, 100, 200));
    CHECK(within(kept_over(0.9) * 0.9, 450 - 130, 450 + 130));

    /* A load below the target is never sampled, whatever its pattern. */
    begin(NS_RATE_CONTROLLER_TRACES, 500);
    for (int i = 0; i < 300; i++) {
        t.roots = i % 7 == 0 ? 250 : 20;
        traffic_run(&t, 0.3);
    }
    CHECK(t.kept == t.asked && t.asked > 4000 && probability() == 1);
}

static void test_silence(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 100);
    t.roots = 10000;
    traffic_run(&t, 20);
    CHECK(within(probability(), 0.009, 0.011));
    t.start += 3600;
    CHECK(ns_rate_controller_ask(&c, 0, traffic_clock(&t)) == 0); /* one root per hour: kept */
    /* The load returns at once: a surge. */
    CHECK(within(kept_over(0.1) * 0.1, 20, 65));
    CHECK(within(kept_over(1), 50, 160));

    /* Silence does not mean that traces are smaller now. */
    begin(NS_RATE_CONTROLLER_SPANS, 1000);
    t.roots = 1000, t.spans = 10;
    traffic_run(&t, 20);
    t.start += 3600;
    CHECK(ns_rate_controller_ask(&c, 0, traffic_clock(&t)) == 0);
    CHECK(within(state().spans_per_trace, 9, 11));
}

static void test_clock_that_stands_still(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 100);
    uint64_t kept = 0;
    for (int i = 0; i < 10000000; i++) {
        uint64_t randomness = traffic_randomness(&t);
        kept += randomness >= ns_rate_controller_ask(&c, randomness, 7 * SECOND);
    }
    CHECK(within((double)kept, 50, 200)); /* of ten million */
    CHECK(state().asked == 10000000 && state().kept == kept);

    /* After the silence the controller works as before. */
    traffic_begin(&t, &c, 1);
    t.roots = 1000;
    traffic_run(&t, 10);
    CHECK(within(kept_over(20), 80, 120));

    /* Callers with a late clock change nothing. */
    ns_rate_controller_state before = state();
    for (int i = 0; i < 20; i++) CHECK(ns_rate_controller_ask(&c, 0, (uint64_t)i) == before.threshold);
    CHECK(state().steps == before.steps);
    for (int i = 0; i < 10000; i++) (void)ns_rate_controller_ask(&c, 0, (uint64_t)i); /* not even in a surge */
    CHECK(state().surges > before.surges && c.stepped <= traffic_clock(&t));
    CHECK(within(kept_over(10), 70, 130));
}

/* --- convergence --------------------------------------------------------------------------------------------------- */

/* Constant load, a step, constant load: the threshold moves from one value to the other, never past it, and stays. */
static void check_step(double from, double to, double target, double settling) {
    begin(NS_RATE_CONTROLLER_TRACES, target);
    t.roots = from;
    traffic_run(&t, 5);
    double right = target / to < 1 ? target / to : 1, before = target / from < 1 ? target / from : 1;
    double sign = right < before ? -1 : 1, furthest = before, start = t.now;
    CHECK(within(probability(), before * 0.9, before * 1.1));
    t.roots = to;
    uint64_t kept = t.kept;
    for (double second = t.now + 1; t.now < start + 15;) {
        traffic_run(&t, 0.05);
        double p = probability();
        /* Not past the right value and not back on the way, beyond chance. Chance is larger just after a surge, when the
         * rate comes from few arrivals. */
        double chance = 0.1 + 0.3 * exp((start - t.now) / 0.5);
        if (sign < 0) CHECK(within(p, right * (1 - chance), furthest * (1 + chance)));
        else CHECK(within(p, furthest * (1 - chance), right * (1 + chance)));
        /* At most the right value: a value beyond it may come back. */
        if (sign * p > sign * furthest) furthest = sign * p > sign * right ? right : p;
        if (t.now - start > settling) CHECK(within(p, right * 0.9, right * 1.1));
        if (t.now >= second - 1e-6) {
            double rate = (double)(t.kept - kept), max = to * right;
            /* The rate of a whole second: 7 deviations and a tenth; in the second of a step, 0.6 s worth of it in
             * addition. */
            double allowed = max * 1.1 + 7 * sqrt(max) + (t.now - start < 1.1 && sign < 0 ? 0.6 * target : 0);
            CHECK(within(rate, t.now - start > settling + 1 ? max * 0.9 - 7 * sqrt(max) : 0, allowed));
            kept = t.kept;
            second += 1;
        }
    }
}

static void test_steps(void) {
    const double targets[] = {100, 1000};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        double target = targets[i];
        check_step(1000, 100000, target, 0.5); /* a hundred times up */
        check_step(500, 50000, target, 0.5);
        check_step(1000, 10000, target, 0.5);
        check_step(1000, 1700, target, 6);   /* too little for a surge: follows at the pace of the average */
        check_step(100000, 1000, target, 3); /* a fall: a lull of tau, counted from when the average shows it */
        check_step(10000, 1000, target, 3);
        check_step(1700, 1000, target, 8);
        check_step(50, 100000, target, 0.5); /* from unlimited */
    }
}

static void test_constant_load(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 500);
    t.roots = 10000;
    traffic_run(&t, 20);
    ns_rate_controller_state before = state();
    double min = 1, max = 0, rate = 0;
    for (int i = 0; i < 3000; i++) {
        rate += kept_over(0.1) / 3000;
        double p = probability();
        min = p < min ? p : min, max = p > max ? p : max;
    }
    CHECK(within(rate, 490, 510));
    CHECK(within(min, 0.05 * 0.96, 0.05) && within(max, 0.05, 0.05 * 1.04)); /* five minutes */
    CHECK(state().surges == before.surges && state().lulls == before.lulls);
    CHECK(within((double)(state().steps - before.steps), 2950, 3001));
}

static void test_spikes(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 100);
    t.roots = 1000;
    traffic_run(&t, 20);
    for (int spike = 0; spike < 20; spike++) {
        t.roots = 50000;
        CHECK(within(kept_over(1), 60, 240)); /* 5000 with the earlier threshold */
        t.roots = 1000;
        traffic_run(&t, 4);
        CHECK(within(probability(), 0.085, 0.115));
        CHECK(within(kept_over(5), 60, 140));
    }
    /* And for traces within one tick. */
    for (int spike = 0; spike < 20; spike++) {
        uint64_t kept = t.kept;
        for (int i = 0; i < 5000; i++) {
            uint64_t randomness = traffic_randomness(&t);
            t.kept += randomness >= ns_rate_controller_ask(&c, randomness, traffic_clock(&t));
        }
        CHECK(within((double)(t.kept - kept), 10, 120)); /* 500 with the earlier threshold */
        traffic_run(&t, 10);
        CHECK(within(probability(), 0.085, 0.115));
    }
}

static void test_counts_stay_true(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 200);
    for (int i = 0; i < 400; i++) {
        t.roots = 500 + 20000 * (0.5 + 0.5 * sin(i * 0.1)) + (i % 37 == 0 ? 50000 : 0);
        traffic_run(&t, 1);
    }
    CHECK(within(t.counted / (double)t.asked, 0.98, 1.02)); /* whatever the threshold was */
}

/* --- spans --------------------------------------------------------------------------------------------------------- */

static void test_shapes(void) {
    const double sizes[] = {1, 10, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        begin(NS_RATE_CONTROLLER_SPANS, 4000);
        t.roots = 8000, t.spans = sizes[i], t.seconds = 0.2;
        traffic_run(&t, 15);
        CHECK(within(state().spans_per_trace, sizes[i] * 0.9, sizes[i] * 1.1));
        /* 4 traces per second if a trace is 1000 spans: their number varies. */
        double chance = 5 * sqrt(sizes[i] / 4000 / 100);
        CHECK(within(spans_over(100), 4000 * (0.97 - chance), 4000 * (1.03 + chance)));
    }
    /* One trace in a hundred has a hundred times the spans. */
    begin(NS_RATE_CONTROLLER_SPANS, 10000);
    t.roots = 2000, t.spans = 10, t.large = 1000, t.share = 0.01, t.seconds = 0.5;
    traffic_run(&t, 60);
    CHECK(within(spans_over(300), 8500, 11500));
}

static void test_traces_that_grow(void) {
    begin(NS_RATE_CONTROLLER_SPANS, 1000);
    t.roots = 1000, t.spans = 10, t.seconds = 0.5;
    traffic_run(&t, 60);
    CHECK(within(probability(), 0.09, 0.11));
    t.spans = 100;
    double first = spans_over(5); /* traces that started before the change continue */
    CHECK(within(first, 1000, 5000) && state().swells > 0);
    traffic_run(&t, 15);
    CHECK(within(spans_over(10), 500, 2000));
    traffic_run(&t, 60);
    CHECK(within(spans_over(30), 800, 1200));
    t.spans = 10; /* back to small traces, at the pace of the memory */
    traffic_run(&t, 100);
    CHECK(within(spans_over(30), 800, 1100));
}

/* Spans that start long after their root. Divided by the present traces, they would make the threshold oscillate. */
static void test_long_traces(void) {
    const struct {
        double seconds, settled, until;
    } cases[] = {{2, 60, 300}, {10, 100, 400}, {60, 300, 1500}, {600, 2500, 6000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(NS_RATE_CONTROLLER_SPANS, 100);
        t.roots = 1000, t.spans = 10, t.seconds = cases[i].seconds;
        traffic_run(&t, cases[i].settled);
        double last = 0, swing = 0, turns = 0;
        while (t.now < cases[i].until) {
            double mean = 0;
            for (int k = 0; k < 20; k++) {
                traffic_run(&t, cases[i].seconds / 20);
                mean += probability() / 20;
            }
            CHECK(within(mean, 0.0075, 0.0125));
            if (last > 0 && (mean - last) * swing < 0 && fabs(mean - last) > 0.001) turns++;
            swing = mean - last, last = mean;
        }
        CHECK(turns == 0);
        /* A target ten times as high, the largest disturbance of this loop. */
        ns_rate_controller_retarget(&c, 1000);
        traffic_run(&t, cases[i].settled);
        CHECK(within(probability(), 0.075, 0.13));
        CHECK(within(spans_over(cases[i].settled / 2), 700, 1300));
    }
}

static void test_entries(void) {
    begin(NS_RATE_CONTROLLER_SPANS, 1000);
    t.roots = 1000, t.spans = 10, t.entries = 60, t.seconds = 0.2;
    traffic_run(&t, 60);
    CHECK(within(probability(), 0.03, 0.05)); /* (1000 - 60 * 10) / (1000 * 10) */
    CHECK(within(spans_over(60), 900, 1100));
    t.entries = 200; /* more than the target by themselves */
    traffic_run(&t, 20);
    CHECK(probability() < 2e-6 && probability() > 0);
    uint64_t kept = t.kept;
    traffic_run(&t, 60);
    CHECK(t.kept - kept <= 3 && within(state().spans_per_trace, 9, 11));
    t.entries = 0;
    traffic_run(&t, 10);
    CHECK(within(probability(), 0.08, 0.12));

    begin(NS_RATE_CONTROLLER_TRACES, 100);
    t.roots = 1000, t.entries = 500;
    traffic_run(&t, 20);
    CHECK(within(probability(), 0.09, 0.11));
}

static void test_nothing_kept(void) {
    begin(NS_RATE_CONTROLLER_SPANS, 1000);
    t.roots = 10000, t.spans = 10;
    traffic_run(&t, 30);
    ns_rate_controller_retarget(&c, -5);
    traffic_run(&t, 600);
    CHECK(probability() < 2e-6 && probability() > 0);
    CHECK(within(state().spans_per_trace, 9, 11)); /* unchanged */
    ns_rate_controller_retarget(&c, 1000);
    traffic_run(&t, 0.3);
    CHECK(within(probability(), 0.009, 0.011));
}

static void test_retarget(void) {
    begin(NS_RATE_CONTROLLER_TRACES, 100);
    t.roots = 10000;
    traffic_run(&t, 20);
    const double targets[] = {1000, 10, 100000, 500};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        ns_rate_controller_retarget(&c, targets[i]);
        traffic_run(&t, 0.15);
        double right = targets[i] > 10000 ? 1 : targets[i] / 10000;
        CHECK(within(probability(), right * 0.93, right * 1.07) && state().target == targets[i]);
    }
}

static void test_arguments_and_fork(void) {
    ns_rate_controller_init(&c, 0, NS_RATE_CONTROLLER_TRACES, 0.5, 0.25);
    traffic_end(&t);
    traffic_begin(&t, &c, 3);
    t.roots = 1000;
    traffic_run(&t, 5);
    CHECK(probability() == 0.25);

    /* A forked child starts like its parent: the same traffic gets the same decisions. */
    begin(NS_RATE_CONTROLLER_SPANS, 100);
    t.roots = 3000, t.spans = 4, t.seconds = 1;
    traffic_run(&t, 30);
    ns_rate_controller_state first = state();
    begin(NS_RATE_CONTROLLER_SPANS, 100);
    CHECK(state().asked == 0 && state().kept == 0 && state().threshold == 0);
    t.roots = 3000, t.spans = 4, t.seconds = 1;
    traffic_run(&t, 30);
    ns_rate_controller_state second = state();
    CHECK(first.asked == second.asked && first.kept == second.kept && first.threshold == second.threshold);
    CHECK(first.spans == second.spans && first.steps == second.steps && first.spans_per_trace == second.spans_per_trace);
    CHECK(first.asked == t.asked && first.kept == t.kept && first.spans == t.sampled - t.kept);
}

int main(void) {
    test_start();
    test_silence();
    test_clock_that_stands_still();
    test_steps();
    test_constant_load();
    test_spikes();
    test_counts_stay_true();
    test_shapes();
    test_traces_that_grow();
    test_long_traces();
    test_entries();
    test_nothing_kept();
    test_retarget();
    test_arguments_and_fork();
    traffic_end(&t);
    return ns_test_summary();
}
