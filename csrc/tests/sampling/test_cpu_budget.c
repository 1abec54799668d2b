/* The law of the overhead budget, and the cost meter that feeds it. */
#include "sampling/ns_cpu_budget.h"

#include <math.h>
#include <pthread.h>

#include "ns_test.h"

#define SECOND UINT64_C(1000000000)

static bool near(double value, double expected, double part) { return fabs(value - expected) <= part * fabs(expected); }

static void test_law(void) {
    CHECK(near(ns_cpu_budget_allowed(0.02, 1, 0, 4e-6), 5000, 1e-9));
    CHECK(near(ns_cpu_budget_allowed(0.02, 1, 0.01, 4e-6), 2500, 1e-9)); /* half is spent on unsampled spans */
    CHECK(ns_cpu_budget_allowed(0.02, 1, 0.02, 4e-6) == 0);
    CHECK(ns_cpu_budget_allowed(0.02, 1, 0.5, 4e-6) == 0);
    CHECK(near(ns_cpu_budget_allowed(0.02, 0, 0, 4e-6), 250, 1e-9)); /* a twentieth of a core */
    CHECK(ns_cpu_budget_allowed(0.02, 0.05, 0, 4e-6) == ns_cpu_budget_allowed(0.02, 0.01, 0, 4e-6));
    CHECK(near(ns_cpu_budget_allowed(0.1, 8, 0, 1e-3), 800, 1e-9));
}

static void test_meter(void) {
    static ns_cost_meter meter;
    uint64_t timed = 0, places[64] = {0};
    for (int i = 0; i < 64 * 6400; i++)
        if (ns_cost_meter_start(&meter)) {
            timed++;
            places[i % 64]++;
        }
    CHECK(timed >= 6399 && timed <= 6401);
    for (int i = 0; i < 64; i++) CHECK(places[i] >= 80 && places[i] <= 120); /* a hundred each, at any period */

    ns_cost_meter_sampled(&meter);
    ns_cost_meter_timed(&meter, true, 1000);
    ns_cost_meter_timed(&meter, true, 3 * NS_COST_METER_MAX);
    ns_cost_meter_timed(&meter, false, 200);
    ns_cost_meter_worker(&meter, 5000);
    ns_cost_meter_worker(&meter, 1);
    ns_cost_meter_reading reading;
    ns_cost_meter_read(&meter, &reading);
    CHECK(reading.spans == 64 * 6400 && reading.sampled == 1);
    CHECK(reading.timed[true] == 2 && reading.nanoseconds[true] == 1000 + NS_COST_METER_MAX);
    CHECK(reading.timed[false] == 1 && reading.nanoseconds[false] == 200);
    CHECK(reading.worker == 5001);
    ns_cost_meter_surround(&meter, 30, 50, 7);
    ns_cost_meter_timed(&meter, true, 1000);
    ns_cost_meter_timed(&meter, false, 200);
    ns_cost_meter_read(&meter, &reading);
    CHECK(reading.nanoseconds[true] == 1000 + NS_COST_METER_MAX + 1050 && reading.nanoseconds[false] == 200 + 230);
    CHECK(ns_cost_meter_call(&meter) == 7);
    ns_cost_meter_reset(&meter);
    CHECK(ns_cost_meter_call(&meter) == 7);
    ns_cost_meter_read(&meter, &reading);
    CHECK(reading.spans + reading.sampled + reading.worker + reading.timed[0] + reading.timed[1] + reading.nanoseconds[0] +
              reading.nanoseconds[1] ==
          0);
}

/* A process in steady state, in steps of half a second. */
typedef struct process {
    ns_cost_meter meter;
    ns_cpu_budget budget;
    uint64_t now, cpu;
    double cores, spans, sampled; /* per second */
    uint64_t cost[2], worker;     /* nanoseconds per span */
} process;

static double run(process *p, double seconds) {
    double allowed = 0;
    for (double t = 0; t < seconds; t += 0.5) {
        p->now += SECOND / 2;
        p->cpu += (uint64_t)(p->cores * 0.5e9);
        uint64_t sampled = (uint64_t)(p->sampled / 2), spans = (uint64_t)(p->spans / 2);
        ns_cost_meter_add(&p->meter.spans, spans);
        ns_cost_meter_add(&p->meter.sampled, sampled);
        for (uint64_t i = 0; i < spans; i += 64) ns_cost_meter_timed(&p->meter, i < sampled, p->cost[i < sampled]);
        ns_cost_meter_worker(&p->meter, sampled * p->worker);
        CHECK(ns_cpu_budget_due(&p->budget, p->now));
        allowed = ns_cpu_budget_step(&p->budget, &p->meter, p->cpu, p->now);
        CHECK(!ns_cpu_budget_due(&p->budget, p->now + NS_CPU_BUDGET_TICK - 1));
    }
    return allowed;
}

static void begin(process *p, double fraction) {
    *p = (process){.now = 77 * SECOND,
                   .cpu = 3 * SECOND,
                   .cores = 1,
                   .spans = 20000,
                   .sampled = 1000,
                   .cost = {300, 1500},
                   .worker = 1000};
    ns_cpu_budget_init(&p->budget, fraction, 0);
}

static void test_steady_state(void) {
    static process p;
    begin(&p, 0.02);
    /* Before any measurement: the guesses, for a twentieth of a core. */
    CHECK(near(run(&p, 0.5), 0.02 * 0.05 / 4e-6, 1e-6));
    /* Half a second has the weight of 8 timed spans, and 500 spans of the worker, beside the guesses: (32 * 2000 + 8 * 1500)
     * / 40 + (2048 * 2000 + 500 * 1000) / 2548 = 3704 ns */
    ns_cpu_budget_state state;
    CHECK(run(&p, 0.5) > 0);
    ns_cpu_budget_read(&p.budget, &state);
    CHECK(near(state.span_seconds, 3.704e-6, 0.02));
    /* (0.02 - 19000 * 300 ns) / (1500 ns + 1000 ns) = 5720 */
    CHECK(near(run(&p, 60), 5720, 0.02));
    ns_cpu_budget_read(&p.budget, &state);
    CHECK(near(state.process_cores, 1, 0.001) && near(state.unsampled_cores, 0.0057, 0.03));
    CHECK(near(state.span_seconds, 2.5e-6, 0.02) && near(state.allowed, 5720, 0.02));

    /* Idle: spans cost nothing, and the base is a twentieth of a core. */
    p.cores = 0.001, p.spans = 0, p.sampled = 0;
    CHECK(near(run(&p, 60), 0.02 * 0.05 / 2.5e-6, 0.05));
    /* Only unsampled spans, which exceed the budget. */
    p.cores = 1, p.spans = 100000;
    CHECK(run(&p, 60) == 0);
    ns_cpu_budget_read(&p.budget, &state);
    CHECK(near(state.span_seconds, 2.5e-6, 0.1)); /* nothing sampled: unchanged */
}

static void test_silence_and_clocks(void) {
    static process p;
    begin(&p, 0.02);
    double before = run(&p, 60);
    CHECK(ns_cpu_budget_step(&p.budget, &p.meter, p.cpu + 1, p.now) == before);      /* no time has passed */
    CHECK(ns_cpu_budget_step(&p.budget, &p.meter, p.cpu, p.now - SECOND) == before); /* a late caller */
    p.now += 3600 * SECOND;
    double after = ns_cpu_budget_step(&p.budget, &p.meter, p.cpu, p.now);
    CHECK(isfinite(after) && near(after, 0.02 * 0.05 / 2.5e-6, 0.1));
    CHECK(near(run(&p, 120), 5720, 0.03));
    double last =
        ns_cpu_budget_step(&p.budget, &p.meter, 0, p.now + SECOND); /* CPU time that runs backwards counts as none */
    CHECK(isfinite(last) && last < 5720);

    /* A forked child. */
    ns_cost_meter_reset(&p.meter);
    ns_cpu_budget_init(&p.budget, 0.02, 0);
    CHECK(near(run(&p, 0.5), 250, 1e-6));
    CHECK(near(run(&p, 60), 5720, 0.02));
}

/* The worker uses its CPU five seconds after the spans and has a fixed cost: the allowed rate approaches its fixed point
 * from one side and stays there. */
static void test_closed_loop(void) {
    static process p;
    begin(&p, 0.02);
    p.cost[true] = 200, p.worker = 0;
    enum { DELAY = 10, STEPS = 600 };
    double sampled[DELAY] = {0}, min = INFINITY, max = 0, allowed = 250;
    for (int i = 0; i < STEPS; i++) {
        p.sampled = allowed < p.spans ? allowed : p.spans;
        double late = sampled[i % DELAY];
        sampled[i % DELAY] = p.sampled;
        ns_cost_meter_worker(&p.meter, (uint64_t)((0.002 + late * 2300e-9) * 0.5e9));
        allowed = run(&p, 0.5);
        if (i < STEPS / 2) continue;
        if (allowed < min) min = allowed;
        if (allowed > max) max = allowed;
    }
    /* 0.02 = 0.002 + (20000 - x) 300 ns + x 2500 ns: x = 5455 */
    CHECK(max / min < 1.01 && near(max, 5455, 0.03));
}

/* --- threads ------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, SPANS = 40000 };

static ns_cost_meter shared_meter;
static ns_cpu_budget shared_budget;
static _Atomic uint64_t virtual_now;

static void *trace(void *unused) {
    for (int i = 0; i < SPANS; i++) {
        uint64_t now = atomic_fetch_add_explicit(&virtual_now, 100000, memory_order_relaxed);
        bool timed = ns_cost_meter_start(&shared_meter), sampled = i % 4 == 0;
        if (sampled) ns_cost_meter_sampled(&shared_meter);
        if (timed) ns_cost_meter_timed(&shared_meter, sampled, sampled ? 2000 : 100);
        if (ns_cpu_budget_due(&shared_budget, now)) {
            double allowed = ns_cpu_budget_step(&shared_budget, &shared_meter, now / 2, now);
            if (!(allowed >= 0) || isinf(allowed)) return &shared_budget;
        }
    }
    return unused;
}

static void test_threads(void) {
    ns_cost_meter_reset(&shared_meter);
    ns_cpu_budget_init(&shared_budget, 0.02, 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, trace, NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        CHECK(pthread_join(threads[i], &failed) == 0 && failed == NULL);
    }
    ns_cost_meter_reading reading;
    ns_cost_meter_read(&shared_meter, &reading);
    CHECK(reading.spans == THREADS * SPANS && reading.sampled == THREADS * SPANS / 4);
    CHECK(reading.timed[0] + reading.timed[1] >= reading.spans / 64 - 1);
    CHECK(reading.nanoseconds[1] == 2000 * reading.timed[1] && reading.nanoseconds[0] == 100 * reading.timed[0]);
    ns_cpu_budget_state state;
    ns_cpu_budget_read(&shared_budget, &state);
    CHECK(near(state.process_cores, 0.5, 0.05));
}

int main(void) {
    test_law();
    test_meter();
    test_steady_state();
    test_silence_and_clocks();
    test_closed_loop();
    test_threads();
    return ns_test_summary();
}
