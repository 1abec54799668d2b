/* Runs one strategy under one load in virtual time and prints the result as CSV. Compiled and called by simulate.py. The
 * laws are those of csrc/, the traffic is that of its tests.
 *
 *      simulate adaptive|consistent|bucket|budget TARGET SPANS < load
 *
 * TARGET: spans or traces per second, or the share of the CPU. SPANS: per trace. The bucket's burst is one second's worth.
 *
 * The load: lines "seconds roots_per_second", interpolated linearly. */
#include <stdio.h>

#include "sampling/ns_token_bucket.h"
#include "sampling/ns_cpu_budget.h"
#include "sampling/traffic.h"

#define BIN 0.05 /* seconds per line of output */

/* The virtual process of the budget, in seconds of CPU. Spans of unsampled traces start too. */
#define WORK           2e-3 /* of the application per root */
#define SAMPLED_COST   1.5e-6
#define UNSAMPLED_COST 0.3e-6
#define WORKER_COST    1.0e-6 /* per sampled span, DELAY later */
#define DELAY          5.0
enum { DELAY_BINS = 100, POINTS = 100000 };

static ns_rate_controller controller;
static ns_token_bucket bucket;
static ns_cpu_budget budget;
static ns_cost_meter meter;
static traffic t;

static struct {
    double at, roots;
} points[POINTS];
static size_t point_count;

static double roots_at(double now) {
    size_t i = 1;
    while (i + 1 < point_count && points[i].at < now) i++;
    double width = points[i].at - points[i - 1].at, part = width > 0 ? (now - points[i - 1].at) / width : 1;
    return points[i - 1].roots + (points[i].roots - points[i - 1].roots) * (part > 1 ? 1 : part);
}

static bool ask_bucket(traffic *traffic, uint64_t randomness, void *unused) {
    (void)randomness, (void)unused;
    return ns_token_bucket_take(&bucket, traffic_clock(traffic), 1);
}

/* Accounts for the process in one bin. Returns the cores used by tracing. */
static double account(uint64_t roots, uint64_t sampled) {
    static uint64_t late[DELAY_BINS], cpu, bin;
    static double timed[2];
    uint64_t spans = roots * (uint64_t)t.spans, unsampled = spans > sampled ? spans - sampled : 0;
    uint64_t drained = late[bin % DELAY_BINS];
    late[bin++ % DELAY_BINS] = sampled;
    double tracing = (double)sampled * SAMPLED_COST + (double)unsampled * UNSAMPLED_COST + (double)drained * WORKER_COST;
    cpu += (uint64_t)(((double)roots * WORK + tracing) * 1e9);
    ns_cost_meter_add(&meter.spans, sampled + unsampled);
    ns_cost_meter_add(&meter.sampled, sampled);
    ns_cost_meter_worker(&meter, (uint64_t)((double)drained * WORKER_COST * 1e9));
    timed[0] += (double)unsampled / NS_COST_METER_EVERY, timed[1] += (double)sampled / NS_COST_METER_EVERY;
    for (int kind = 0; kind < 2; kind++)
        for (; timed[kind] >= 1; timed[kind]--)
            ns_cost_meter_timed(&meter, kind, (uint64_t)((kind ? SAMPLED_COST : UNSAMPLED_COST) * 1e9));
    uint64_t now = traffic_clock(&t);
    if (ns_cpu_budget_due(&budget, now))
        ns_rate_controller_retarget(&controller, ns_cpu_budget_step(&budget, &meter, cpu, now));
    return tracing / BIN;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    char strategy = arguments[1][2]; /* ad-a-ptive, co-n-sistent, bu-c-ket, bu-d-get */
    double target = atof(arguments[2]);
    ns_rate_controller_mode mode = strategy == 'n' ? NS_RATE_CONTROLLER_TRACES : NS_RATE_CONTROLLER_SPANS;
    ns_rate_controller_init(&controller, target, mode, 0, 0);
    ns_token_bucket_init(&bucket, target, target);
    if (strategy == 'd') {
        ns_cpu_budget_state start;
        ns_cpu_budget_init(&budget, target, 0);
        ns_cpu_budget_read(&budget, &start);
        ns_rate_controller_retarget(&controller, start.allowed);
    }
    traffic_begin(&t, &controller, 7);
    t.spans = atof(arguments[3]);
    t.seconds = 0.2;
    while (point_count < POINTS && scanf("%lf %lf", &points[point_count].at, &points[point_count].roots) == 2) point_count++;
    if (point_count < 2) return 2;

    puts("seconds,roots,asked,kept,sampled,probability,target,tracing_cores,process_cores");
    for (int bin = 0; t.now < points[point_count - 1].at - BIN / 2; bin++) {
        uint64_t asked = t.asked, kept = t.kept, sampled = t.sampled;
        t.roots = roots_at(t.now + BIN / 2);
        traffic_pass(&t, BIN, strategy == 'c' ? ask_bucket : traffic_ask_controller, NULL);
        asked = t.asked - asked, kept = t.kept - kept, sampled = t.sampled - sampled;
        double tracing = strategy == 'd' ? account(asked, sampled) : 0;
        ns_rate_controller_state state;
        ns_rate_controller_read(&controller, &state);
        double share = strategy == 'c' ? (asked ? (double)kept / (double)asked : NAN) : state.probability;
        printf("%.2f,%.6g,%llu,%llu,%llu,%.6g,%.6g,%.6g,%.6g\n", t.now, t.roots, (unsigned long long)asked,
               (unsigned long long)kept, (unsigned long long)sampled, share, strategy == 'c' ? target : state.target,
               tracing, tracing + (double)asked * WORK / BIN);
    }
    traffic_end(&t);
    return 0;
}
