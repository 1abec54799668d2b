#include "tail/ns_trace_table.h"

#include "sampling/ns_ot.h"
#include "sampling/ns_threshold.h"
#include "tail/ns_trace_internal.h"

#define MILLISECOND UINT64_C(1000000)

/* --- entries: found by trace id, in one of two lists by time ------------------------------------------------------- */

static uint32_t find(const ns_trace_table *table, uint64_t mix, uint64_t high, uint64_t low) {
    uint32_t number = table->index[mix & table->index_mask];
    while (number) {
        const ns_trace_entry *entry = ns_entry_at(table, number);
        if (entry->facts.trace_low == low && entry->facts.trace_high == high) return number;
        number = entry->next_in_bucket;
    }
    return 0;
}

static void list_append(ns_trace_table *table, uint32_t *first, uint32_t *last, uint32_t number) {
    ns_trace_entry *entry = ns_entry_at(table, number);
    entry->earlier = *last;
    entry->later = 0;
    if (*last) ns_entry_at(table, *last)->later = number;
    else *first = number;
    *last = number;
}

static void list_remove(ns_trace_table *table, uint32_t *first, uint32_t *last, uint32_t number) {
    ns_trace_entry *entry = ns_entry_at(table, number);
    if (entry->earlier) ns_entry_at(table, entry->earlier)->later = entry->later;
    else *first = entry->later;
    if (entry->later) ns_entry_at(table, entry->later)->earlier = entry->earlier;
    else *last = entry->earlier;
}

static void leave_list(ns_trace_table *table, uint32_t number) {
    if (ns_entry_at(table, number)->linger_ms) list_remove(table, &table->lingering_first, &table->lingering_last, number);
    else list_remove(table, &table->waiting_first, &table->waiting_last, number);
}

static void linger(ns_trace_table *table, uint32_t number) {
    ns_trace_entry *entry = ns_entry_at(table, number);
    uint64_t waited = table->settings.clock() - entry->since;
    uint64_t until = (waited + table->settings.wait_after_root_ns) / MILLISECOND + 1;
    leave_list(table, number);
    entry->linger_ms = until < UINT32_MAX ? (uint32_t)until : UINT32_MAX;
    list_append(table, &table->lingering_first, &table->lingering_last, number);
}

static void remove_entry(ns_trace_table *table, uint32_t number, uint64_t mix) {
    ns_trace_entry *entry = ns_entry_at(table, number);
    uint32_t *link = &table->index[mix & table->index_mask];
    while (*link != number) link = &ns_entry_at(table, *link)->next_in_bucket;
    *link = entry->next_in_bucket;
    leave_list(table, number);
    entry->next_in_bucket = table->free_entry;
    table->free_entry = number;
    table->traces_held--;
}

/* --- deciding ------------------------------------------------------------------------------------------------------ */

typedef enum cause { COMPLETE, BY_TIME, FOR_ROOM, AT_THE_END } cause;

static void enqueue(ns_trace_table *table, uint32_t first_chunk) {
    ns_chain *chain = ns_chain_at(table, first_chunk);
    if (table->queue_last) ns_chain_at(table, table->queue_last)->next = first_chunk;
    else table->queue_first = first_chunk;
    table->queue_last = first_chunk;
    table->chunks_queued += chain->chunks;
    table->spans_queued += chain->spans;
    table->counts.spans_kept += chain->spans;
}

static void enqueue_entry(ns_trace_table *table, const ns_trace_entry *entry, ns_verdict verdict) {
    ns_chain *chain = ns_chain_at(table, entry->first_chunk);
    *chain = (ns_chain){
        .threshold = verdict.threshold,
        .bytes = entry->facts.bytes,
        .spans = entry->facts.spans,
        .last = entry->last_chunk,
        .chunks = entry->chunks,
        .th_action = verdict.th_action,
        .source_count = entry->source_count,
    };
    memcpy(chain->sources, entry->sources, sizeof chain->sources);
    enqueue(table, entry->first_chunk);
}

static void count_dropped(ns_trace_table *table, ns_fate fate, uint64_t spans) {
    if (fate == NS_FATE_SAMPLED_OUT) table->counts.spans_sampled_out += spans;
    else if (fate == NS_FATE_EVICTED) table->counts.spans_evicted += spans;
    else table->counts.spans_queue_full += spans;
}

static void count_trace(ns_trace_table *table, ns_fate fate, cause why) {
    if (fate == NS_FATE_KEPT) table->counts.traces_kept++;
    else if (fate == NS_FATE_SAMPLED_OUT) table->counts.traces_sampled_out++;
    else if (fate == NS_FATE_EVICTED) table->counts.traces_evicted++;
    else table->counts.traces_queue_full++;
    if (why == FOR_ROOM) table->counts.decided_early++;
    if (why == BY_TIME) table->counts.decided_by_time++;
}

/* The facts for the policies. A running trace has lasted at least since its first span, so a slow trace is recognised before
 * it ends. */
static ns_trace_facts facts_now(const ns_trace_entry *entry, uint64_t now) {
    ns_trace_facts facts = entry->facts;
    uint64_t waited = now > entry->since ? now - entry->since : 0;
    if (facts.spans == 0) facts.start = facts.end = 0;
    if (entry->open && (facts.end < facts.start || facts.end - facts.start < waited)) facts.end = facts.start + waited;
    return facts;
}

static void decide(ns_trace_table *table, uint32_t number, uint64_t mix, cause why) {
    ns_trace_entry *entry = ns_entry_at(table, number);
    uint64_t now = table->settings.clock();
    ns_trace_facts facts = facts_now(entry, now);
    ns_verdict verdict = ns_policies_decide(table->settings.policies, &facts, now);
    ns_fate fate = verdict.keep ? NS_FATE_KEPT : why == FOR_ROOM && !verdict.dropped ? NS_FATE_EVICTED : NS_FATE_SAMPLED_OUT;
    /* The head sampler did not sample this trace, and the traces that it sampled already represent it. A threshold would
     * make this trace represent others once more, so leave `th` unchanged. */
    if (verdict.th_action == NS_TH_RAISE && facts.spans && !(facts.flags & 1) && !facts.has_threshold)
        verdict.th_action = NS_TH_LEAVE;
    if (fate == NS_FATE_KEPT && why != AT_THE_END && table->chunks_queued + entry->chunks > table->max_queued)
        fate = NS_FATE_QUEUE_FULL;
    remove_entry(table, number, mix);
    ns_decisions_put(&table->decisions, mix,
                     (ns_decision){.fate = fate, .th_action = verdict.th_action, .threshold = verdict.threshold});
    count_trace(table, fate, why);
    if (!entry->first_chunk) return;
    table->spans_held -= entry->facts.spans;
    table->bytes_held -= entry->facts.bytes;
    if (fate == NS_FATE_KEPT) {
        enqueue_entry(table, entry, verdict);
        return;
    }
    count_dropped(table, fate, entry->facts.spans);
    ns_release_sources(table, entry->sources, entry->source_count, entry->first_chunk, entry->facts.spans);
    ns_chunks_give_back(table, entry->first_chunk, entry->last_chunk, entry->chunks);
}

static uint64_t mix_of(const ns_trace_entry *entry) { return ns_trace_mix(entry->facts.trace_high, entry->facts.trace_low); }

/* Makes room by deciding early: lingering traces first, which are nearly complete, then the oldest. Returns false if no
 * undecided trace is left. */
static bool evict_one(ns_trace_table *table) {
    uint32_t victim = table->lingering_first ? table->lingering_first : table->waiting_first;
    if (!victim) return false;
    decide(table, victim, mix_of(ns_entry_at(table, victim)), FOR_ROOM);
    return true;
}

static bool make_room(ns_trace_table *table, uint32_t chunks) {
    while (table->chunks_free < chunks)
        if (!evict_one(table)) return false;
    return true;
}

static void decide_if_complete(ns_trace_table *table, uint32_t number, uint64_t mix) {
    ns_trace_entry *entry = ns_entry_at(table, number);
    if (!entry->root_ended || entry->roots) return;
    if (entry->open == 0 || table->settings.wait_after_root_ns == 0) decide(table, number, mix, COMPLETE);
    else if (!entry->linger_ms &&
             table->settings.clock() - entry->since + table->settings.wait_after_root_ns < table->settings.wait_ns)
        linger(table, number);
}

static uint32_t new_entry(ns_trace_table *table, uint64_t mix, uint64_t high, uint64_t low) {
    if (table->traces_held == table->settings.max_traces) evict_one(table);
    uint32_t number = table->free_entry;
    ns_trace_entry *entry;
    if (number) {
        entry = ns_entry_at(table, number);
        table->free_entry = entry->next_in_bucket;
        memset(entry, 0, sizeof *entry);
    } else {
        number = ++table->entries_used;
        entry = ns_entry_at(table, number);
    }
    entry->facts.trace_high = high;
    entry->facts.trace_low = low;
    entry->facts.randomness = ns_randomness_of_trace(low);
    entry->since = table->settings.clock();
    entry->next_in_bucket = table->index[mix & table->index_mask];
    table->index[mix & table->index_mask] = number;
    list_append(table, &table->waiting_first, &table->waiting_last, number);
    table->traces_held++;
    return number;
}

/* --- spans --------------------------------------------------------------------------------------------------------- */

void ns_trace_table_start(ns_trace_table *table, uint64_t trace_high, uint64_t trace_low, ns_place place) {
    uint64_t mix = ns_trace_mix(trace_high, trace_low);
    uint32_t number = find(table, mix, trace_high, trace_low);
    table->starts_are_announced = true;
    if (!number) {
        if (place == NS_ROOT) {
            /* A new root has no earlier decision. Prefetch the cache lines where its decision will be stored. */
            ns_decisions_prefetch(&table->decisions, mix);
        } else {
            ns_fate fate = ns_decisions_find(&table->decisions, mix).fate;
            if (fate == NS_FATE_KEPT || (fate != NS_FATE_UNKNOWN && place == NS_INNER)) return;
        }
        number = new_entry(table, mix, trace_high, trace_low);
    }
    ns_trace_entry *entry = ns_entry_at(table, number);
    entry->open++;
    if (place != NS_INNER && entry->roots < UINT16_MAX) entry->roots++;
}

static void note_end(ns_trace_entry *entry, bool is_local_root) {
    if (entry->open) entry->open--;
    if (!is_local_root) return;
    if (entry->roots) entry->roots--;
    entry->root_ended = true;
}

void ns_trace_table_forget(ns_trace_table *table, uint64_t trace_high, uint64_t trace_low, ns_place place) {
    uint64_t mix = ns_trace_mix(trace_high, trace_low);
    uint32_t number = find(table, mix, trace_high, trace_low);
    if (!number) return;
    note_end(ns_entry_at(table, number), place != NS_INNER);
    decide_if_complete(table, number, mix);
}

/* The spans of a trace share their trace state. It is read from the first span and again from the local root. */
static void merge_state(ns_trace_facts *trace, const ns_facts *facts) {
    const char *value;
    size_t size;
    ns_ot ot;
    if (!ns_ot_find(facts->trace_state, facts->trace_state_size, &value, &size) || !ns_ot_read(value, size, &ot)) return;
    if (ot.has_randomness) trace->randomness = ot.randomness;
    if (ot.has_threshold && (!trace->has_threshold || ot.threshold > trace->threshold)) {
        trace->has_threshold = true;
        trace->threshold = ot.threshold;
    }
}

/* A trace that was decided before any of its spans ended was decided by its id. If it has an `rv` below the threshold, that
 * threshold is wrong. */
static void check_threshold(ns_decision *decision, const ns_facts *facts) {
    ns_trace_facts seen = {.randomness = ns_randomness_of_trace(facts->trace_low)};
    if (facts->trace_state_size) merge_state(&seen, facts);
    if (!ns_threshold_keeps(seen.randomness, decision->threshold)) decision->th_action = NS_TH_ERASE;
}

static void merge(ns_trace_facts *trace, const ns_facts *facts, uint64_t resource_matches, uint32_t size) {
    if (facts->trace_state_size && (trace->spans == 0 || ns_facts_is_local_root(facts))) merge_state(trace, facts);
    if (trace->spans == 0 || facts->start < trace->start) trace->start = facts->start;
    if (facts->end > trace->end) trace->end = facts->end;
    trace->matches |= facts->matches | resource_matches;
    trace->bytes += size;
    trace->spans++;
    trace->statuses |= (uint8_t)(1u << facts->status);
    trace->flags |= (uint8_t)facts->flags;
}

/* Returns true if the entry keeps the caller's reference to the source. */
static bool hold_source(ns_trace_entry *entry, uint32_t source) {
    if (entry->source_count > NS_TRACE_SOURCES) return true;
    for (uint8_t i = 0; i < entry->source_count; i++)
        if (entry->sources[i] == source) return false;
    if (entry->source_count < NS_TRACE_SOURCES) {
        entry->sources[entry->source_count++] = (uint16_t)source;
        return true;
    }
    return false; /* unreachable: ns_spill_sources was called before */
}

/* Whether a new source exceeds the room of an entry. */
static bool needs_spill(const ns_trace_entry *entry, uint32_t source) {
    if (entry->source_count != NS_TRACE_SOURCES) return false;
    for (uint8_t i = 0; i < NS_TRACE_SOURCES; i++)
        if (entry->sources[i] == source) return false;
    return true;
}

/* Handles a span of a decided trace. Returns true if the table keeps the reference to the source. */
static bool end_late(ns_trace_table *table, ns_decision decision, uint32_t source, const uint8_t *span, uint32_t size) {
    /* May exceed the queue's share of the memory: earlier spans of this trace are already queued. */
    if (decision.fate == NS_FATE_KEPT && !make_room(table, ns_chunks_for(size + sizeof(ns_chain))))
        decision.fate = NS_FATE_QUEUE_FULL;
    if (decision.fate != NS_FATE_KEPT) {
        count_dropped(table, decision.fate, 1);
        table->counts.late_dropped++;
        return false;
    }
    uint32_t free_before = table->chunks_free;
    uint32_t first = ns_chunk_take(table), last = first;
    uint16_t used = NS_FIRST_RECORD;
    ns_chain_append(table, &last, &used, source, span, size);
    *ns_chain_at(table, first) = (ns_chain){
        .threshold = decision.threshold,
        .bytes = size,
        .spans = 1,
        .last = last,
        .chunks = free_before - table->chunks_free,
        .th_action = decision.th_action,
        .source_count = 1,
        .sources = {(uint16_t)source},
    };
    enqueue(table, first);
    table->counts.late_kept++;
    return true;
}

/* Drops a span for lack of room. Its trace has no entry, and no later span of it may be kept either. */
static void refuse(ns_trace_table *table, uint64_t mix) {
    ns_decisions_put(&table->decisions, mix, (ns_decision){.fate = NS_FATE_QUEUE_FULL});
    table->counts.spans_queue_full++;
    table->counts.traces_queue_full++;
}

bool ns_trace_table_end(ns_trace_table *table, const ns_facts *facts, uint64_t resource_matches, uint32_t source,
                        const uint8_t *span, uint32_t size) {
    uint64_t high = facts->trace_high, low = facts->trace_low;
    uint64_t mix = ns_trace_mix(high, low);
    uint32_t chunks = ns_chunks_for(size + sizeof(ns_chain));
    /* make_room may decide this very trace. */
    bool room = NS_LIKELY(table->chunks_free >= chunks) || make_room(table, chunks);
    uint32_t number = find(table, mix, high, low);
    if (!number) {
        ns_decision decision = ns_decisions_find(&table->decisions, mix);
        /* The start of this span made an entry, and its decision is forgotten (or the span started before the table was in
         * use). Most traces are dropped, so drop this one too rather than start a new trace with its last span. Does not
         * apply if the starts of spans are not reported. */
        if (decision.fate == NS_FATE_UNKNOWN && table->starts_are_announced) {
            decision.fate = NS_FATE_EVICTED;
            table->counts.late_forgotten++;
        }
        if (decision.fate == NS_FATE_KEPT && decision.th_action == NS_TH_RAISE) check_threshold(&decision, facts);
        if (decision.fate != NS_FATE_UNKNOWN) return end_late(table, decision, source, span, size);
        if (!room) {
            refuse(table, mix);
            return false;
        }
        number = new_entry(table, mix, high, low);
    }
    ns_trace_entry *entry = ns_entry_at(table, number);
    uint32_t free_before = table->chunks_free;
    if (!entry->first_chunk) {
        entry->first_chunk = entry->last_chunk = ns_chunk_take(table);
        entry->used = NS_FIRST_RECORD;
    }
    if (NS_UNLIKELY(needs_spill(entry, source))) ns_spill_sources(table, entry);
    bool held = hold_source(entry, source);
    ns_chain_append(table, &entry->last_chunk, &entry->used, source, span, size);
    entry->chunks += free_before - table->chunks_free;
    merge(&entry->facts, facts, resource_matches, size);
    table->spans_held++;
    table->bytes_held += size;
    bool is_local_root = ns_facts_is_local_root(facts);
    note_end(entry, is_local_root);
    if (entry->root_ended) decide_if_complete(table, number, mix);
    return held;
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

static bool linger_is_over(ns_trace_table *table, uint32_t number, uint64_t now) {
    const ns_trace_entry *entry = ns_entry_at(table, number);
    return now >= entry->since + entry->linger_ms * MILLISECOND;
}

size_t ns_trace_table_sweep(ns_trace_table *table, size_t limit) {
    uint64_t now = table->settings.clock();
    size_t decided = 0;
    while (decided < limit) {
        uint32_t lingering = table->lingering_first, waiting = table->waiting_first;
        if (lingering && linger_is_over(table, lingering, now)) {
            ns_trace_entry *entry = ns_entry_at(table, lingering);
            /* Another root has started: wait for it, within wait_ns. */
            if (entry->roots && now < entry->since + table->settings.wait_ns) linger(table, lingering);
            else decide(table, lingering, mix_of(entry), BY_TIME);
        } else if (waiting && now >= ns_entry_at(table, waiting)->since + table->settings.wait_ns) {
            decide(table, waiting, mix_of(ns_entry_at(table, waiting)), BY_TIME);
        } else {
            break;
        }
        decided++;
    }
    return decided;
}

void ns_trace_table_decide_all(ns_trace_table *table) {
    for (;;) {
        uint32_t number = table->waiting_first ? table->waiting_first : table->lingering_first;
        if (!number) return;
        decide(table, number, mix_of(ns_entry_at(table, number)), AT_THE_END);
    }
}
