#include "sampling/ns_cpu_budget.h"

static double seconds_of(uint64_t nanoseconds) { return (double)nanoseconds * 1e-9; }

static void set(_Atomic double *result, double value) { atomic_store_explicit(result, value, memory_order_relaxed); }

static double get(const _Atomic double *result) { return atomic_load_explicit(result, memory_order_relaxed); }

static void publish(ns_cpu_budget *budget) {
    double process = ns_rate_of(&budget->process);
    double unsampled = ns_rate_of(&budget->unsampled) * ns_mean_of(&budget->unsampled_cost) * 1e-9;
    double span = (ns_mean_of(&budget->sampled_cost) + ns_mean_of(&budget->worker_cost)) * 1e-9;
    set(&budget->process_cores, process);
    set(&budget->unsampled_cores, unsampled);
    set(&budget->span_seconds, span);
    set(&budget->allowed, ns_cpu_budget_allowed(budget->fraction, process, unsampled, span));
}

void ns_cpu_budget_init(ns_cpu_budget *budget, double fraction, double tau) {
    *budget = (ns_cpu_budget){
        .fraction = fraction,
        .tau = tau > 0 ? tau : NS_CPU_BUDGET_TAU,
        .sampled_cost = ns_mean_start(NS_CPU_BUDGET_GUESSED_SAMPLED, NS_CPU_BUDGET_GUESSED_SPANS),
        .unsampled_cost = ns_mean_start(NS_CPU_BUDGET_GUESSED_UNSAMPLED, NS_CPU_BUDGET_GUESSED_SPANS),
        /* One span in 64 is timed, but every sampled span uses the worker. */
        .worker_cost = ns_mean_start(NS_CPU_BUDGET_GUESSED_WORKER, NS_CPU_BUDGET_GUESSED_SPANS * NS_COST_METER_EVERY),
    };
    publish(budget);
}

static void measure(ns_cpu_budget *budget, const ns_cost_meter_reading *reading, uint64_t process_cpu, double seconds) {
    const ns_cost_meter_reading *last = &budget->reading;
    double sampled = (double)(reading->sampled - last->sampled);
    double unsampled = (double)(reading->spans - last->spans) - sampled;
    /* A span is counted before its sampling decision; another thread may read between the two counts. */
    if (unsampled < 0) unsampled = 0;
    uint64_t cpu = process_cpu > budget->process_cpu ? process_cpu - budget->process_cpu : 0;
    ns_rate_add(&budget->process, seconds_of(cpu), seconds, budget->tau);
    ns_rate_add(&budget->unsampled, unsampled, seconds, budget->tau);
    double memory = NS_CPU_BUDGET_COST_MEMORY * budget->tau;
    ns_mean *const costs[2] = {&budget->unsampled_cost, &budget->sampled_cost};
    for (int kind = 0; kind < 2; kind++)
        ns_mean_add(costs[kind], (double)(reading->nanoseconds[kind] - last->nanoseconds[kind]),
                    (double)(reading->timed[kind] - last->timed[kind]), seconds, memory);
    ns_mean_add(&budget->worker_cost, (double)(reading->worker - last->worker), sampled, seconds, memory);
    publish(budget);
}

double ns_cpu_budget_step(ns_cpu_budget *budget, const ns_cost_meter *meter, uint64_t process_cpu, uint64_t now) {
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong_explicit(&budget->stepping, &nobody, 1, memory_order_acquire, memory_order_relaxed))
        return get(&budget->allowed);
    ns_cost_meter_reading reading;
    ns_cost_meter_read(meter, &reading);
    /* No time has passed: this thread lost a race for the last step, or the clock stands still. */
    if (!budget->started || now > budget->stepped) {
        if (budget->started) measure(budget, &reading, process_cpu, seconds_of(now - budget->stepped));
        budget->started = true;
        budget->stepped = now;
        budget->process_cpu = process_cpu;
        budget->reading = reading;
        atomic_store_explicit(&budget->due, now + NS_CPU_BUDGET_TICK, memory_order_relaxed);
    }
    atomic_store_explicit(&budget->stepping, 0, memory_order_release);
    return get(&budget->allowed);
}

void ns_cpu_budget_read(const ns_cpu_budget *budget, ns_cpu_budget_state *state) {
    state->allowed = get(&budget->allowed);
    state->process_cores = get(&budget->process_cores);
    state->unsampled_cores = get(&budget->unsampled_cores);
    state->span_seconds = get(&budget->span_seconds);
}
