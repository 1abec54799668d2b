#include "encoding/ns_frame.h"

#include <stdlib.h>
#include <string.h>

#include "encoding/ns_wire.h"

#define NONE UINT32_MAX

/* The spans of one scope within one resource, linked through `next_span` in their original order. */
typedef struct group {
    const ns_source *source;
    uint32_t next_group; /* next scope of the same resource */
    uint32_t first_span;
    uint32_t last_span;
    size_t spans_size;
    size_t size; /* of the ScopeSpans payload */
} group;

typedef struct resource {
    uint32_t id;
    uint32_t first_group;
    uint32_t last_group;
    size_t size; /* of the ResourceSpans payload */
} resource;

typedef struct plan {
    group *groups;
    resource *resources;
    uint32_t *group_of_source;
    uint32_t *next_span;
    uint32_t group_count;
    uint32_t resource_count;
} plan;

#define TAG_RESOURCE_SPANS NS_TAG(1, NS_WIRE_BYTES)
#define TAG_SCOPE_SPANS    NS_TAG(2, NS_WIRE_BYTES)
#define TAG_SPAN           NS_TAG(2, NS_WIRE_BYTES)

static uint32_t resource_for(plan *plan, uint32_t id) {
    for (uint32_t i = 0; i < plan->resource_count; i++)
        if (plan->resources[i].id == id) return i;
    plan->resources[plan->resource_count] = (resource){.id = id, .first_group = NONE, .last_group = NONE};
    return plan->resource_count++;
}

static uint32_t group_for(plan *plan, const ns_source *source) {
    resource *parent = &plan->resources[resource_for(plan, source->resource_id)];
    for (uint32_t i = parent->first_group; i != NONE; i = plan->groups[i].next_group)
        if (plan->groups[i].source->scope_id == source->scope_id) return i;
    uint32_t added = plan->group_count++;
    plan->groups[added] = (group){.source = source, .next_group = NONE, .first_span = NONE, .last_span = NONE};
    if (parent->first_group == NONE) parent->first_group = added;
    else plan->groups[parent->last_group].next_group = added;
    parent->last_group = added;
    return added;
}

static void assign_spans(plan *plan, const ns_record *records, size_t count, const ns_source *const *sources) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *slot = &plan->group_of_source[records[i].source];
        if (*slot == NONE) *slot = group_for(plan, sources[records[i].source]);
        group *into = &plan->groups[*slot];
        plan->next_span[i] = NONE;
        if (into->last_span == NONE) into->first_span = i;
        else plan->next_span[into->last_span] = i;
        into->last_span = i;
        into->spans_size += ns_delimited_size(records[i].size);
    }
}

static size_t measure(plan *plan) {
    size_t total = 0;
    for (uint32_t r = 0; r < plan->resource_count; r++) {
        resource *res = &plan->resources[r];
        const ns_source *first = plan->groups[res->first_group].source;
        res->size = first->resource_head.size + first->resource_tail.size;
        for (uint32_t g = res->first_group; g != NONE; g = plan->groups[g].next_group) {
            group *grp = &plan->groups[g];
            grp->size = grp->source->scope_head.size + grp->spans_size + grp->source->scope_tail.size;
            res->size += ns_delimited_size(grp->size);
        }
        total += ns_delimited_size(res->size);
    }
    return total;
}

static uint8_t *write_slice(uint8_t *out, ns_slice slice) {
    if (slice.size) memcpy(out, slice.data, slice.size);
    return out + slice.size;
}

static uint8_t *write_head(uint8_t *out, uint8_t tag, size_t size) {
    *out++ = tag;
    return ns_varint_write(out, size);
}

static void write_body(const plan *plan, const ns_record *records, uint8_t *out, ns_record *framed) {
    for (uint32_t r = 0; r < plan->resource_count; r++) {
        const resource *res = &plan->resources[r];
        const ns_source *first = plan->groups[res->first_group].source;
        out = write_head(out, TAG_RESOURCE_SPANS, res->size);
        out = write_slice(out, first->resource_head);
        for (uint32_t g = res->first_group; g != NONE; g = plan->groups[g].next_group) {
            const group *grp = &plan->groups[g];
            out = write_head(out, TAG_SCOPE_SPANS, grp->size);
            out = write_slice(out, grp->source->scope_head);
            for (uint32_t i = grp->first_span; i != NONE; i = plan->next_span[i]) {
                out = write_head(out, TAG_SPAN, records[i].size);
                memcpy(out, records[i].data, records[i].size);
                *framed++ = (ns_record){.data = out, .size = records[i].size, .source = records[i].source};
                out += records[i].size;
            }
            out = write_slice(out, grp->source->scope_tail);
        }
        out = write_slice(out, first->resource_tail);
    }
}

static void plan_free(plan *plan) {
    free(plan->groups);
    free(plan->resources);
    free(plan->group_of_source);
    free(plan->next_span);
}

static bool plan_alloc(plan *plan, size_t count, size_t source_count) {
    size_t max_groups = count < source_count ? count : source_count;
    plan->groups = malloc(max_groups * sizeof *plan->groups);
    plan->resources = malloc(max_groups * sizeof *plan->resources);
    plan->group_of_source = malloc(source_count * sizeof *plan->group_of_source);
    plan->next_span = malloc(count * sizeof *plan->next_span);
    if (!plan->groups || !plan->resources || !plan->group_of_source || !plan->next_span) return false;
    memset(plan->group_of_source, 0xFF, source_count * sizeof *plan->group_of_source); /* all NONE */
    return true;
}

static size_t count_sources(const ns_record *records, size_t count) {
    uint32_t highest = 0;
    for (size_t i = 0; i < count; i++)
        if (records[i].source > highest) highest = records[i].source;
    return (size_t)highest + 1;
}

int ns_frame(const ns_record *records, size_t count, const ns_source *const *sources, uint8_t **body, size_t *size,
             ns_record *framed) {
    plan plan = {0};
    ns_record *placed = NULL;
    int result = -1;
    *body = NULL;
    *size = 0;
    if (count == 0) return 0;
    if (plan_alloc(&plan, count, count_sources(records, count))) {
        assign_spans(&plan, records, count, sources);
        *size = measure(&plan);
        *body = malloc(*size);
        /* `framed` may alias `records`, which write_body still reads. Place the results in a separate array first. */
        placed = malloc(count * sizeof *placed);
        if (*body && placed) {
            write_body(&plan, records, *body, placed);
            memcpy(framed, placed, count * sizeof *placed);
            result = 0;
        } else {
            free(*body);
            *body = NULL;
            *size = 0;
        }
    }
    free(placed);
    plan_free(&plan);
    return result;
}

void ns_frame_free(uint8_t *body) { free(body); }
