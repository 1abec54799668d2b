/* A bounded byte ring: many producers, one consumer, records of any length, lock-free and without waiting.
 *
 * One mapping holds the control block and the data. Only offsets are stored, so the same bytes can be mapped at any address.
 *
 *      0                    NS_RING_DATA_OFFSET                                  NS_RING_DATA_OFFSET + capacity
 *      | control block ...  | data: capacity bytes, a power of two                                  |
 *
 *      data    ... free (all zero) |tail  records ...  head| free (all zero) ...
 *
 * A record starts at a multiple of 8 bytes and never wraps. A padding record fills the rest of the data before a wrap.
 *
 *       0          4          8                    size
 *       | size     | source   | payload ...        | up to 7 zero bytes |
 *         u32, release store = commit; 0 = not committed
 *                    u32, NS_RING_PADDING for a padding record
 *
 * The bound in bytes and the bound in spans are checked and taken in one step: a position is one 64-bit word, advanced by
 * one compare-and-swap:
 *
 *       63                    32 31                     0
 *       | spans so far, mod 2^32 | units of 8 bytes, mod 2^32 |
 *
 * `head` counts what producers have reserved, `tail` what the consumer has freed. Each bound is a difference of halves, so a
 * reservation that does not fit changes nothing and needs no rollback. capacity <= 2^31 units keeps the differences
 * unambiguous.
 *
 *   operation                 order     why
 *   ------------------------  --------  --------------------------------------------------------------------------
 *   producer loads tail       acquire   sees the zeros that the consumer wrote before it freed the space
 *   producer loads head       relaxed   a guess for the compare-and-swap; loaded after tail, so never behind it
 *   producer swaps head       seq_cst   ordered with the consumer's announcement of sleep (ns_wake.h): either the
 *                                       producer sees the sleeper or the sleeper sees the new head
 *   producer stores size      release   publishes source and payload: the commit
 *   consumer loads size       acquire   sees source and payload of a committed record
 *   consumer loads head       seq_cst   the counterpart of the producer's swap
 *   consumer stores tail      release   publishes the zeros to producers
 *   producer counts a drop    release   a reader that sees the drop also sees that the span ended (ns_counters.h)
 *   reader loads the drops    acquire   the counterpart
 *
 * The consumer zeroes all freed bytes. A record may start at any multiple of 8, so every byte must be zero before a producer
 * can reserve it again; otherwise old payload could look like a commit.
 */
#ifndef NS_RING_H
#define NS_RING_H

#include <stdatomic.h>

#include "encoding/ns_record.h"

#define NS_RING_UNIT        8u
#define NS_RING_DATA_OFFSET 4096u
#define NS_RING_PADDING     UINT32_MAX
#define NS_RING_MIN_BYTES   4096u
#define NS_RING_MAX_BYTES   ((uint64_t)8 << 30)
#define NS_RING_MAX_SPANS   ((uint32_t)INT32_MAX)

typedef struct ns_ring {
    /* written once, before the ring is shared */
    uint64_t capacity; /* bytes of data, a power of two */
    uint64_t mapped;   /* bytes of the whole mapping */
    uint32_t max_spans;
    uint32_t max_units;        /* bound in bytes, expressed in units; at most the capacity */
    uint32_t max_record_units; /* a quarter of max_units */
    uint32_t page;             /* page size of the system: 4 KiB, 16 KiB or 64 KiB */

    _Alignas(NS_CACHE_LINE) _Atomic uint64_t head; /* written by producers */
    _Alignas(NS_CACHE_LINE) _Atomic uint64_t tail; /* written by the consumer */
    uint64_t high_water; /* consumer only: bytes zeroed by memset, and so still resident, since the last trim */

    _Alignas(NS_CACHE_LINE) _Atomic uint64_t dropped_full;
    _Atomic uint64_t dropped_oversize;
} ns_ring;

_Static_assert(sizeof(ns_ring) <= NS_RING_DATA_OFFSET, "the control block must end before the data");
_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "positions must be plain 64-bit words");

typedef enum ns_ring_status { NS_RING_OK = 0, NS_RING_FULL = 1, NS_RING_OVERSIZE = 2 } ns_ring_status;

/* Maps a ring bounded by `max_bytes` (NS_RING_MIN_BYTES to NS_RING_MAX_BYTES, including headers and padding) and by
 * `max_spans` (1 to NS_RING_MAX_SPANS, exact). The system provides each page when it is first written. Returns 0, EINVAL or
 * ENOMEM. */
int ns_ring_map(ns_ring **ring, uint64_t max_bytes, uint32_t max_spans);
void ns_ring_unmap(ns_ring *ring);

/* Empties a ring and clears its counts, for example in a forked child, whose copy contains the parent's records. No other
 * thread may use the ring meanwhile. */
void ns_ring_reset(ns_ring *ring);

/* --- producers: any thread, any number, at any time ---------------------------------------------------------- */

typedef struct ns_reservation {
    uint64_t offset; /* of the record, in the data */
    uint32_t size;   /* header and payload */
    uint32_t spans;  /* spans in the ring when this one was reserved, including it */
    uint32_t units;  /* units in use, including this record */
} ns_reservation;

/* Reserves room for a payload of `size` bytes. Also counts the drop when it returns NS_RING_FULL or NS_RING_OVERSIZE. */
ns_ring_status ns_ring_reserve(ns_ring *ring, uint32_t size, ns_reservation *reservation);

static inline uint8_t *ns_ring_data(ns_ring *ring) { return (uint8_t *)ring + NS_RING_DATA_OFFSET; }

static inline uint8_t *ns_ring_payload(ns_ring *ring, const ns_reservation *reservation) {
    return ns_ring_data(ring) + reservation->offset + 8;
}

/* Publishes a reserved record. Only the copy of the payload may happen between reserve and commit: the consumer reads no
 * later record until this one is committed. */
void ns_ring_commit(ns_ring *ring, const ns_reservation *reservation, uint32_t source);

/* Whether the ring has no room for another span of any size; if so, counts the span as dropped. Called before a span is
 * encoded, so that an overloaded queue does not pay for encoding. */
bool ns_ring_refuse(ns_ring *ring);

/* Reserves, copies and commits. */
ns_ring_status ns_ring_push(ns_ring *ring, uint32_t source, const void *payload, uint32_t size, ns_reservation *reservation);

static inline uint32_t ns_ring_max_record(const ns_ring *ring) { return ring->max_record_units * NS_RING_UNIT - 8; }

/* --- the consumer: one thread at a time ---------------------------------------------------------------------- */

/* A range of committed records, from the tail to `position`, that was read and is not yet freed. */
typedef struct ns_ring_stretch {
    uint64_t position; /* future value of `tail` */
    size_t count;      /* spans */
    size_t bytes;      /* of the records, including headers */
} ns_ring_stretch;

/* Reads committed records from the tail into `records`, in order. Stops at `max_records`, at the first uncommitted record,
 * or at the record that would raise the sum above `max_bytes` (the first record is always taken). The payloads stay in the
 * ring until ns_ring_release. A record's header is not smaller than the framing of its payload (ns_frame.h), so `max_bytes`
 * also bounds the request, apart from its resources and scopes. */
ns_ring_stretch ns_ring_read(ns_ring *ring, ns_record *records, size_t max_records, size_t max_bytes);

/* Frees the space of a range that ns_ring_read returned. With `give_back`, whole pages return to the system instead of being
 * zeroed: less resident memory, but a page fault on the next write. */
void ns_ring_release(ns_ring *ring, ns_ring_stretch stretch, bool give_back);

/* Returns pages of a past burst to the system. Reserves an eighth of an otherwise empty ring at a time as padding, so that
 * producers always find room. Does nothing while the ring is in use or when little memory is resident. */
void ns_ring_trim(ns_ring *ring);

/* --- any thread ---------------------------------------------------------------------------------------------- */

static inline uint32_t ns_ring_spans_of(uint64_t position) { return (uint32_t)(position >> 32); }
static inline uint32_t ns_ring_units_of(uint64_t position) { return (uint32_t)position; }

/* Spans reserved so far, mod 2^32. `position` of an ns_ring_stretch reaches this value when all of them have been read. */
static inline uint32_t ns_ring_ticket(ns_ring *ring) {
    return ns_ring_spans_of(atomic_load_explicit(&ring->head, memory_order_seq_cst));
}

/* Spans in the ring, exact when no other thread is active. Loads the tail first: the tail only follows the head, so the
 * difference is never negative. */
static inline uint32_t ns_ring_depth(ns_ring *ring) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return ns_ring_ticket(ring) - ns_ring_spans_of(tail);
}

static inline uint64_t ns_ring_used_bytes(ns_ring *ring) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
    return (uint64_t)(ns_ring_units_of(head) - ns_ring_units_of(tail)) * NS_RING_UNIT;
}

static inline uint64_t ns_ring_dropped_full(ns_ring *ring) {
    return atomic_load_explicit(&ring->dropped_full, memory_order_acquire);
}

static inline uint64_t ns_ring_dropped_oversize(ns_ring *ring) {
    return atomic_load_explicit(&ring->dropped_oversize, memory_order_acquire);
}

#ifdef NS_RING_TEST_HOOKS
/* Tests stop a thread at these points to force the order of a race. */
enum { NS_RING_BEFORE_SWAP, NS_RING_BEFORE_COMMIT, NS_RING_BEFORE_TAIL };
extern void (*ns_ring_test_hook)(int point);
#define NS_RING_HOOK(point)                              \
    do {                                                 \
        if (ns_ring_test_hook) ns_ring_test_hook(point); \
    } while (0)
#else
#define NS_RING_HOOK(point) ((void)0)
#endif

#endif
