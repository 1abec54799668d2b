/* Every request that the system can refuse: memory, mappings, random bytes. The linker redirects these calls to this file
 * (-Wl,--wrap, see the Makefile). */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "encoding/ns_buf.h"
#include "contract/redactor.h"
#include "tail/ns_facts.h"
#include "encoding/ns_frame.h"
#include "context/ns_ids.h"
#include "tail/ns_policy.h"
#include "tail/ns_patch_threshold.h"
#include "queue/ns_ring.h"
#include "ns_test.h"
#include "tail/ns_trace_table.h"

/* --- the system ---------------------------------------------------------------------------------------------------- */

static long granted = -1; /* remaining requests before one is refused; -1: none is refused */

static bool refused(void) { return granted >= 0 && granted-- == 0; }

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __real_madvise(void *at, size_t size, int advice);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __wrap_madvise(void *at, size_t size, int advice);
long __wrap_syscall(long number, ...);

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return refused() ? NULL : __real_realloc(old, size); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return refused() ? NULL : __real_aligned_alloc(alignment, size);
}
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    return refused() ? MAP_FAILED : __real_mmap(at, size, protection, flags, file, offset);
}
int __wrap_madvise(void *at, size_t size, int advice) { return refused() ? -1 : __real_madvise(at, size, advice); }

/* The only system call by number: the kernel's random bytes, replaced by those of the test. */
static ns_random kernels_bytes;
static int interruptions;
static long kernels_answer;

long __wrap_syscall(long number, ...) {
    CHECK(number == SYS_getrandom);
    if (interruptions) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    va_list arguments;
    va_start(arguments, number);
    void *to = va_arg(arguments, void *);
    size_t size = va_arg(arguments, size_t);
    va_end(arguments);
    CHECK(size == sizeof kernels_bytes);
    if (kernels_answer > 0) memcpy(to, &kernels_bytes, (size_t)kernels_answer);
    if (kernels_answer < 0) errno = ENOSYS;
    return kernels_answer;
}

/* --- buffers and frames -------------------------------------------------------------------------------------------- */

static void append(ns_buf *buf, const char *bytes, size_t size) {
    uint8_t *out = ns_buf_room(buf, size);
    if (!out) return;
    memcpy(out, bytes, size);
    buf->len += size;
}

static void test_buffer(void) {
    uint8_t storage[8];
    ns_buf buf;
    ns_buf_init(&buf, storage, sizeof storage, 1000);
    append(&buf, "01234567", 8);
    ns_savepoint full = ns_buf_save(&buf);
    granted = 0;
    append(&buf, "8", 1);
    CHECK(buf.failed && buf.len == 8 && buf.data == storage);
    ns_buf_rewind(&buf, full);
    granted = 1;
    append(&buf, "8", 1);
    CHECK(!buf.failed && buf.on_heap && buf.len == 9);
    ns_savepoint moved = ns_buf_save(&buf);
    CHECK(ns_buf_room(&buf, 500) == NULL && buf.failed); /* the content stays and is not freed twice */
    ns_buf_rewind(&buf, moved);
    CHECK(buf.on_heap && memcmp(buf.data, "012345678", 9) == 0);
    append(&buf, "", 0); /* zero bytes always fit */
    CHECK(!buf.failed && buf.len == 9);
    granted = -1;
    buf.failed = true;
    CHECK(!ns_buf_grow(&buf, 1)); /* memory is available, but errors are sticky */
    ns_buf_free(&buf);
    CHECK(buf.data == NULL && !buf.on_heap);
}

static void test_frame(void) {
    static const uint8_t span[] = "span";
    const ns_source source = {.resource_id = 1, .scope_id = 1};
    const ns_source *sources[] = {&source};
    ns_record record = {.data = span, .size = 4, .source = 0}, framed;
    uint8_t *body;
    size_t size;
    int short_of_memory = 0;
    for (long allowed = 0; granted = allowed, ns_frame(&record, 1, sources, &body, &size, &framed) != 0; allowed++) {
        CHECK(body == NULL && size == 0);
        short_of_memory++;
    }
    granted = -1;
    CHECK(short_of_memory == 6); /* four tables, the body, and the placed records */
    CHECK(size == 4 + 2 * 3 && memcmp(framed.data, span, 4) == 0);
    ns_frame_free(body);
}

/* --- mappings and tables ------------------------------------------------------------------------------------------- */

static void test_ring(void) {
    ns_ring *ring = NULL;
    granted = 0;
    CHECK(ns_ring_map(&ring, NS_RING_MIN_BYTES, 10) == ENOMEM && ring == NULL);
    ns_ring_unmap(ring);
    granted = -1;
    CHECK(ns_ring_map(&ring, 1 << 20, 10) == 0);
    uint8_t *data = ns_ring_data(ring);
    memset(data, 7, 1 << 20);
    granted = 0; /* pages that the system does not take back are zeroed by memset */
    ns_ring_reset(ring);
    granted = -1;
    for (size_t i = 0; i < 1 << 20; i++) CHECK(data[i] == 0);
    ns_ring_unmap(ring);
}

static void test_conditions_and_policies(void) {
    const ns_word value = {"yes", 3};
    const ns_condition condition = {.kind = NS_TEXT_IS, .key = {"key", 3}, .values = &value, .value_count = 1};
    const ns_policy policy = {.kind = NS_POLICY_ALWAYS, .extent = 1};
    granted = 0;
    CHECK(ns_conditions_new(&condition, 1, NULL, NULL) == NULL);
    granted = 0;
    CHECK(ns_policies_new(&policy, 1) == NULL);
    granted = -1;
}

static void ignore_source(void *context, uint32_t source) { (void)context, (void)source; }
static uint64_t no_time(void) { return 1; }

static ns_trace_table_settings settings_with(ns_policies *policies) {
    return (ns_trace_table_settings){
        .max_bytes = 2 << 20,
        .max_traces = 100,
        .remembered = 400,
        .wait_ns = 1,
        .wait_after_root_ns = 1,
        .policies = policies,
        .retain = ignore_source,
        .release = ignore_source,
        .clock = no_time,
    };
}

static void end_root(ns_trace_table *table, uint32_t size) {
    static uint8_t span[1000];                                       /* no other fields, so the trace state comes first */
    const ns_facts facts = {.trace_low = UINT64_C(0xffffffffffffff), /* of the largest randomness */
                            .flags = 1};                             /* sampled, so that it may have a `th` */
    CHECK(ns_trace_table_end(table, &facts, 0, 0, span, size));
}

static void check_one_restated(ns_trace_table *table, uint32_t size) {
    static const char state[] = "\x1a\x07ot=th:8";
    ns_kept_batch batch;
    CHECK(ns_trace_table_read(table, 10, 1 << 20, &batch) == 0 && batch.count == 1);
    CHECK(batch.records[0].size == size + sizeof state - 1 && memcmp(batch.records[0].data, state, sizeof state - 1) == 0);
    ns_trace_table_release(table, &batch);
    free(batch.bytes);
    free(batch.records);
}

static void test_trace_table(void) {
    /* Kept by chance, so the `th` of each span is raised, which needs scratch memory. */
    const ns_policy half = {.kind = NS_POLICY_PROBABILITY, .extent = 1, .threshold = UINT64_C(1) << 55};
    ns_policies *policies = ns_policies_new(&half, 1);
    CHECK(policies != NULL);
    const ns_trace_table_settings settings = settings_with(policies);
    ns_trace_table table;
    granted = 0;
    CHECK(ns_trace_table_make(&table, &settings) == ENOMEM);
    ns_trace_table_free(&table);
    granted = -1;
    CHECK(ns_trace_table_make(&table, &settings) == 0);
    end_root(&table, 100);
    end_root(&table, 900);
    CHECK(ns_trace_table_acquire(&table) && table.spans_queued == 2);
    ns_kept_batch batch;
    for (long allowed = 0; allowed < 3; allowed++) { /* the bytes, the records, the scratch */
        granted = allowed;
        CHECK(ns_trace_table_read(&table, 10, 1 << 20, &batch) == -1);
        CHECK(batch.count == 0 && batch.bytes == NULL && batch.records == NULL);
    }
    granted = 3; /* enough for the first span */
    check_one_restated(&table, 100);
    granted = -1;
    CHECK(ns_trace_table_acquire(&table));
    check_one_restated(&table, 900);
    CHECK(table.chunks_queued == 0 && table.counts.thresholds_unwritten == 0);
    ns_trace_table_free(&table);
    ns_policies_free(policies);
}

/* --- random ids ---------------------------------------------------------------------------------------------------- */

typedef struct first_ids {
    ns_trace_id trace;
    uint64_t span;
    int error; /* errno after the call */
} first_ids;

/* A thread's first ids make its generator call the kernel. */
static void *draw(void *to) {
    first_ids *ids = to;
    errno = EDOM;
    ns_root_ids_new(&ids->trace, &ids->span);
    ids->error = errno;
    return NULL;
}

static first_ids ids_with(ns_random bytes, long answer, int interrupted) {
    first_ids ids;
    pthread_t thread;
    kernels_bytes = bytes;
    kernels_answer = answer;
    interruptions = interrupted;
    CHECK(pthread_create(&thread, NULL, draw, &ids) == 0 && pthread_join(thread, NULL) == 0);
    CHECK((ids.trace.high | ids.trace.low) != 0 && ids.span != 0);
    CHECK(ids.error == EDOM && interruptions == 0);
    return ids;
}

static bool same(first_ids a, first_ids b) {
    return a.span == b.span && a.trace.high == b.trace.high && a.trace.low == b.trace.low;
}

static void test_random_bytes(void) {
    const ns_random bytes = {{1, 2, 3, 4}}, zeros = {{0}};
    const long all = sizeof bytes;
    const first_ids expected = ids_with(bytes, all, 0);
    CHECK(expected.trace.high == 41943041); /* as in test_ids.c: the kernel's bytes are the state */
    CHECK(same(ids_with(bytes, all, 3), expected));
    /* No random bytes, too few, or an all-zero state (which would give ids of zero for ever): seeded from other sources,
     * differently each time. */
    const first_ids refused_once = ids_with(bytes, -1, 0), refused_twice = ids_with(bytes, -1, 0);
    CHECK(!same(refused_once, expected) && !same(refused_once, refused_twice));
    CHECK(!same(ids_with(bytes, all / 2, 0), expected));
    const first_ids from_zeros = ids_with(zeros, all, 0);
    CHECK(!same(from_zeros, ids_with(zeros, all, 0)));
    /* A state whose first two outputs are zero: no trace id of zero is returned. */
    const first_ids later = ids_with((ns_random){{0, 0, 1, 0}}, all, 0);
    CHECK((later.trace.high | later.trace.low) != 0);
}

/* A state whose first output is zero: no span id of zero is returned. */
static void *draw_span_id(void *to) {
    *(uint64_t *)to = ns_span_id_new();
    return NULL;
}

static void test_no_span_id_of_zeros(void) {
    uint64_t id = 0;
    pthread_t thread;
    kernels_bytes = (ns_random){{0, 0, 1, 0}};
    kernels_answer = sizeof kernels_bytes;
    CHECK(pthread_create(&thread, NULL, draw_span_id, &id) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(id != 0);
}

/* Each refusal is told, and leaks nothing. */
static void test_redactor(void) {
    bool made = false;
    for (long allowed = 0; !made; allowed++) {
        granted = allowed;
        ns_redactor *redactor = ns_redactor_new(NS_DETECT_ALL, NS_MAX_BYTES_DEFAULT);
        made = redactor != NULL;
        for (size_t i = 0; made && i < sizeof default_keys / sizeof *default_keys; i++) {
            made = ns_redactor_add_key(redactor, default_keys[i].key, strlen(default_keys[i].key), default_keys[i].flags);
        }
        made = made && ns_redactor_add_literal(redactor, "CANARY", 6) && ns_redactor_finish(redactor);
        granted = -1;
        if (made) {
            uint16_t wide[2000];
            for (size_t i = 0; i < 2000; i++) wide[i] = 0x20AC;
            ns_text innocent = {wide, 2000, NS_TEXT_UCS2};
            CHECK(!ns_redact_suspect(redactor, &innocent, 0));
            granted = 0; /* without memory for a copy it may be one */
            CHECK(ns_redact_suspect(redactor, &innocent, 0));
            granted = -1;
        }
        ns_redactor_free(redactor);
        CHECK(allowed < 1000);
    }
}

int main(void) {
    test_redactor();
    test_buffer();
    test_frame();
    test_ring();
    test_conditions_and_policies();
    test_trace_table();
    test_random_bytes();
    test_no_span_id_of_zeros();
    return ns_test_summary();
}
