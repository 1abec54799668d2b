#include "queue/ns_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIM_PARTS 8u
#define TRIM_MIN   ((uint64_t)1 << 20) /* fewer bytes are not worth a system call */

#ifdef NS_RING_TEST_HOOKS
void (*ns_ring_test_hook)(int point) = NULL;
#endif

static inline uint64_t position_of(uint32_t spans, uint32_t units) { return (uint64_t)spans << 32 | units; }

static inline _Atomic uint32_t *size_word(ns_ring *ring, uint64_t offset) {
    return (_Atomic uint32_t *)(void *)(ns_ring_data(ring) + offset);
}

static inline uint32_t units_for(uint64_t bytes) { return (uint32_t)((bytes + NS_RING_UNIT - 1) / NS_RING_UNIT); }

/* Byte offset of a position in units, within the data. */
static inline uint64_t offset_of(const ns_ring *ring, uint32_t units) {
    return (uint64_t)units * NS_RING_UNIT & (ring->capacity - 1);
}

int ns_ring_map(ns_ring **result, uint64_t max_bytes, uint32_t max_spans) {
    if (max_bytes < NS_RING_MIN_BYTES || max_bytes > NS_RING_MAX_BYTES) return EINVAL;
    if (max_spans == 0 || max_spans > NS_RING_MAX_SPANS) return EINVAL;
    uint64_t capacity = NS_RING_MIN_BYTES;
    while (capacity < max_bytes) capacity *= 2;
    uint64_t mapped = NS_RING_DATA_OFFSET + capacity;
    /* NORESERVE: the bound is a ceiling; most rings never use most of it. */
    void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return ENOMEM;
    ns_ring *ring = memory; /* all zero: positions, counters and data */
    ring->capacity = capacity;
    ring->mapped = mapped;
    ring->max_spans = max_spans;
    ring->max_units = (uint32_t)(max_bytes / NS_RING_UNIT);
    ring->max_record_units = ring->max_units / 4;
    ring->page = (uint32_t)sysconf(_SC_PAGESIZE);
    *result = ring;
    return 0;
}

void ns_ring_unmap(ns_ring *ring) {
    if (ring) munmap(ring, ring->mapped);
}

/* Zeroes a range. With `give_back` whole pages are returned to the system instead. Returns the number of bytes zeroed by
 * memset. Uses the page size of the system: madvise rounds a length up to whole pages, so a page size assumed too small
 * would erase the data behind the range. */
static uint64_t clear(const ns_ring *ring, uint8_t *from, uint64_t size, bool give_back) {
    uint8_t *end = from + size;
    uintptr_t page = ring->page;
    if (give_back && size >= 2 * page) {
        uint8_t *first_page = (uint8_t *)(((uintptr_t)from + page - 1) & ~(page - 1));
        uint8_t *last_page = (uint8_t *)((uintptr_t)end & ~(page - 1));
        /* A private anonymous page reads as zero again after MADV_DONTNEED. */
        if (first_page < last_page && madvise(first_page, (size_t)(last_page - first_page), MADV_DONTNEED) == 0) {
            memset(from, 0, (size_t)(first_page - from));
            memset(last_page, 0, (size_t)(end - last_page));
            return size - (uint64_t)(last_page - first_page);
        }
    }
    memset(from, 0, size);
    return size;
}

void ns_ring_reset(ns_ring *ring) {
    clear(ring, ns_ring_data(ring), ring->capacity, true);
    ring->high_water = 0;
    /* relaxed: there is no other thread */
    atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->dropped_full, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->dropped_oversize, 0, memory_order_relaxed);
}

/* --- producers ----------------------------------------------------------------------------------------------- */

/* Reserves `units` for `spans` spans. If they would wrap, reserves padding up to the end of the data first. Returns false if
 * the ring is full. On success *at is the position of the record (after the padding) and *after the new head. */
static bool take(ns_ring *ring, uint32_t units, uint32_t spans, uint64_t *at, uint64_t *after, uint64_t *tail_seen) {
    for (;;) {
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        uint32_t head_units = ns_ring_units_of(head);
        uint32_t to_end = (uint32_t)((ring->capacity - offset_of(ring, head_units)) / NS_RING_UNIT);
        uint32_t padding = to_end < units ? to_end : 0;
        uint32_t used_spans = ns_ring_spans_of(head) - ns_ring_spans_of(tail);
        uint32_t used_units = head_units - ns_ring_units_of(tail);
        if (used_spans + spans > ring->max_spans || (uint64_t)used_units + padding + units > ring->max_units) {
            /* Full only if it was full at one moment: the tail may have moved since it was loaded. */
            if (atomic_load_explicit(&ring->tail, memory_order_acquire) != tail) continue;
            return false;
        }
        uint64_t next = position_of(ns_ring_spans_of(head) + spans, head_units + padding + units);
        NS_RING_HOOK(NS_RING_BEFORE_SWAP);
        if (!atomic_compare_exchange_weak_explicit(&ring->head, &head, next, memory_order_seq_cst, memory_order_relaxed))
            continue;
        if (padding) {
            uint64_t offset = offset_of(ring, head_units);
            ns_store_u32(ns_ring_data(ring) + offset + 4, NS_RING_PADDING);
            atomic_store_explicit(size_word(ring, offset), padding * NS_RING_UNIT, memory_order_release);
        }
        *at = position_of(ns_ring_spans_of(head), head_units + padding);
        *after = next;
        *tail_seen = tail;
        return true;
    }
}

ns_ring_status ns_ring_reserve(ns_ring *ring, uint32_t size, ns_reservation *reservation) {
    uint32_t units = units_for((uint64_t)size + 8);
    if (NS_UNLIKELY(units > ring->max_record_units)) {
        atomic_fetch_add_explicit(&ring->dropped_oversize, 1, memory_order_release);
        return NS_RING_OVERSIZE;
    }
    uint64_t at, after, tail;
    if (NS_UNLIKELY(!take(ring, units, 1, &at, &after, &tail))) {
        atomic_fetch_add_explicit(&ring->dropped_full, 1, memory_order_release);
        return NS_RING_FULL;
    }
    reservation->offset = offset_of(ring, ns_ring_units_of(at));
    reservation->size = size + 8;
    reservation->spans = ns_ring_spans_of(after) - ns_ring_spans_of(tail);
    reservation->units = ns_ring_units_of(after) - ns_ring_units_of(tail);
    return NS_RING_OK;
}

void ns_ring_commit(ns_ring *ring, const ns_reservation *reservation, uint32_t source) {
    ns_store_u32(ns_ring_data(ring) + reservation->offset + 4, source);
    NS_RING_HOOK(NS_RING_BEFORE_COMMIT);
    atomic_store_explicit(size_word(ring, reservation->offset), reservation->size, memory_order_release);
}

bool ns_ring_refuse(ns_ring *ring) {
    uint64_t tail, head;
    do {
        tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        if (NS_LIKELY(ns_ring_spans_of(head) - ns_ring_spans_of(tail) < ring->max_spans)) return false;
        /* As in take(): full only if it was full at one moment. */
    } while (atomic_load_explicit(&ring->tail, memory_order_acquire) != tail);
    atomic_fetch_add_explicit(&ring->dropped_full, 1, memory_order_release);
    return true;
}

ns_ring_status ns_ring_push(ns_ring *ring, uint32_t source, const void *payload, uint32_t size,
                            ns_reservation *reservation) {
    ns_ring_status status = ns_ring_reserve(ring, size, reservation);
    if (NS_UNLIKELY(status != NS_RING_OK)) return status;
    memcpy(ns_ring_payload(ring, reservation), payload, size);
    ns_ring_commit(ring, reservation, source);
    return NS_RING_OK;
}

/* --- the consumer -------------------------------------------------------------------------------------------- */

ns_ring_stretch ns_ring_read(ns_ring *ring, ns_record *records, size_t max_records, size_t max_bytes) {
    /* relaxed: only the consumer writes the tail */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
    uint32_t units = ns_ring_units_of(tail), end = ns_ring_units_of(head);
    ns_ring_stretch stretch = {.position = tail};
    while (units != end) {
        uint64_t offset = offset_of(ring, units);
        uint32_t size = atomic_load_explicit(size_word(ring, offset), memory_order_acquire);
        if (size == 0) break; /* reserved, not committed */
        const uint8_t *record = ns_ring_data(ring) + offset;
        uint32_t source;
        memcpy(&source, record + 4, sizeof source);
        if (source != NS_RING_PADDING) {
            if (stretch.count == max_records) break;
            if (stretch.count && stretch.bytes + size > max_bytes) break;
            records[stretch.count++] = (ns_record){.data = record + 8, .size = size - 8, .source = source};
            stretch.bytes += size;
        }
        units += units_for(size);
        stretch.position = position_of(ns_ring_spans_of(tail) + (uint32_t)stretch.count, units);
    }
    return stretch;
}

void ns_ring_release(ns_ring *ring, ns_ring_stretch stretch, bool give_back) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t size = (uint64_t)(ns_ring_units_of(stretch.position) - ns_ring_units_of(tail)) * NS_RING_UNIT;
    if (size == 0) return;
    uint64_t offset = offset_of(ring, ns_ring_units_of(tail));
    uint64_t first = ring->capacity - offset < size ? ring->capacity - offset : size;
    ring->high_water += clear(ring, ns_ring_data(ring) + offset, first, give_back);
    ring->high_water += clear(ring, ns_ring_data(ring), size - first, give_back);
    NS_RING_HOOK(NS_RING_BEFORE_TAIL);
    atomic_store_explicit(&ring->tail, stretch.position, memory_order_release);
}

void ns_ring_trim(ns_ring *ring) {
    if (ring->high_water < TRIM_MIN) return;
    uint32_t part = (uint32_t)(ring->capacity / NS_RING_UNIT / TRIM_PARTS);
    for (uint32_t i = 0; i <= TRIM_PARTS; i++) {
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        uint64_t at, after, seen;
        if (atomic_load_explicit(&ring->head, memory_order_seq_cst) != tail) return;
        if (!take(ring, part, 0, &at, &after, &seen)) return;
        uint64_t offset = offset_of(ring, ns_ring_units_of(at));
        ns_store_u32(ns_ring_data(ring) + offset + 4, NS_RING_PADDING);
        /* release, as for every commit, although only this thread reads it */
        atomic_store_explicit(size_word(ring, offset), part * NS_RING_UNIT, memory_order_release);
        ns_ring_release(ring, ns_ring_read(ring, NULL, 0, 0), true);
    }
    ring->high_water = 0;
}
