"""The headers of csrc/sampling as Cython sees them: declarations and nothing else."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

cdef extern from "sampling/ns_cost_meter.h" nogil:
    ctypedef struct ns_cost_meter:
        pass

    ctypedef struct ns_cost_meter_reading:
        uint64_t spans
        uint64_t sampled
        uint64_t timed[2]
        uint64_t nanoseconds[2]
        uint64_t worker

    bint ns_cost_meter_start(ns_cost_meter *meter)
    void ns_cost_meter_sampled(ns_cost_meter *meter)
    void ns_cost_meter_timed(ns_cost_meter *meter, bint sampled, uint64_t nanoseconds)
    void ns_cost_meter_surround(ns_cost_meter *meter, uint16_t unsampled, uint16_t sampled, uint16_t call)
    uint32_t ns_cost_meter_call(const ns_cost_meter *meter)
    void ns_cost_meter_reset(ns_cost_meter *meter)
    void ns_cost_meter_worker(ns_cost_meter *meter, uint64_t cpu_nanoseconds)
    void ns_cost_meter_read(const ns_cost_meter *meter, ns_cost_meter_reading *reading)

cdef extern from "sampling/ns_threshold.h" nogil:
    ctypedef struct ns_ratio:
        uint64_t bound
        bint always

    bint ns_ratio_keeps(ns_ratio, uint64_t)
    enum: NS_THRESHOLD_DIGITS
    uint64_t NS_THRESHOLD_LIMIT
    bint ns_threshold_keeps(uint64_t randomness, uint64_t threshold)
    bint ns_threshold_decode(const char *, size_t, uint64_t *)
    bint ns_randomness_decode(const char *, size_t, uint64_t *)
    size_t ns_threshold_encode(uint64_t, char *)
    uint64_t ns_randomness_of_trace(uint64_t trace_id_low)
    bint ns_threshold_of_probability(double probability, unsigned precision, uint64_t *threshold)

cdef extern from "sampling/ns_ot.h" nogil:
    ctypedef struct ns_ot:
        bint has_threshold
        bint has_randomness
        uint64_t threshold
        uint64_t randomness

    const uint64_t NS_OT_NONE
    enum: NS_OT_MAX_LENGTH
    bint ns_ot_read(const char *value, size_t size, ns_ot *ot)
    int ns_ot_write(const char *old, size_t size, uint64_t threshold, uint64_t randomness, char *out)

cdef extern from "sampling/ns_token_bucket.h" nogil:
    ctypedef struct ns_token_bucket:
        pass

    void ns_token_bucket_init(ns_token_bucket *bucket, double per_second, double burst)
    bint ns_token_bucket_take(ns_token_bucket *bucket, uint64_t now_ns, uint64_t tokens)

cdef extern from "sampling/ns_rate_controller.h" nogil:
    ctypedef struct ns_rate_controller:
        pass

    ctypedef enum ns_rate_controller_mode:
        NS_RATE_CONTROLLER_SPANS
        NS_RATE_CONTROLLER_TRACES

    ctypedef struct ns_rate_controller_state:
        uint64_t asked
        uint64_t kept
        uint64_t entries
        uint64_t spans
        double target
        double offered_rate
        double entry_rate
        double spans_per_trace
        double span_lag

    void ns_rate_controller_init(ns_rate_controller *, double target, ns_rate_controller_mode mode, double tau, double p_min)
    uint64_t ns_rate_controller_ask(ns_rate_controller *, uint64_t randomness, uint64_t now_ns)
    uint64_t ns_rate_controller_threshold(const ns_rate_controller *)
    void ns_rate_controller_note_entry(ns_rate_controller *)
    void ns_rate_controller_note_span_of(ns_rate_controller *, uint64_t randomness)
    void ns_rate_controller_retarget(ns_rate_controller *, double target)
    void ns_rate_controller_read(const ns_rate_controller *, ns_rate_controller_state *state)

cdef extern from "sampling/ns_cpu_budget.h" nogil:
    ctypedef struct ns_cpu_budget:
        pass

    ctypedef struct ns_cpu_budget_state:
        double allowed
        double process_cores
        double unsampled_cores
        double span_seconds

    void ns_cpu_budget_init(ns_cpu_budget *budget, double fraction, double tau)
    bint ns_cpu_budget_due(const ns_cpu_budget *budget, uint64_t now_ns)
    double ns_cpu_budget_step(ns_cpu_budget *budget, const ns_cost_meter *meter, uint64_t process_cpu_ns, uint64_t now_ns)
    void ns_cpu_budget_read(const ns_cpu_budget *budget, ns_cpu_budget_state *state)

cdef extern from "sampling/ns_xxh3.h" nogil:
    uint64_t ns_xxh3_16(uint64_t trace_high, uint64_t trace_low)
