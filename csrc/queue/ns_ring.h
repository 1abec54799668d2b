/* A bounded byte ring: many producers, one consumer, records of any length, no lock and no waiting.
 *
 * The memory: one mapping that holds the control block and the data. Only offsets are stored, so that the same bytes
 * can be mapped anywhere.
 *
 *      0                    NS_RING_DATA_OFFSET                                  NS_RING_DATA_OFFSET + capacity
 *      | control block ...  | data: capacity bytes, a power of two                                  |
 *
 *      data    ... free (all zero) |tail  records ...  head| free (all zero) ...
 *
 * A record starts at a multiple of 8 bytes and never wraps; what is left before the end of the data is skipped by a
 * padding record.
 *
 *       0          4          8                    size
 *       | size     | source   | payload ...        | up to 7 zero bytes |
 *         u32, release store = commit; 0 = not committed
 *                    u32, NS_RING_PADDING for a padding record
 *
 * Both bounds are taken in one step. Positions are one 64-bit word, advanced by one compare-and-swap:
 *
 *       63                    32 31                     0
 *       | spans so far, mod 2^32 | units of 8 bytes, mod 2^32 |
 *
 * `head` is what producers have reserved, `tail` its twin, what the consumer has freed. Both bounds are differences of
 * the halves, so that a reservation that does not fit rolls nothing back: it never happened. capacity <= 2^31 units
 * keeps the differences unambiguous.
 *
 *   operation                 order     why
 *   ------------------------  --------  --------------------------------------------------------------------------
 *   producer loads tail       acquire   sees the zeros that the consumer wrote before it freed the space
 *   producer loads head       relaxed   only a guess for the compare-and-swap; loaded after tail, so never behind it
 *   producer swaps head       seq_cst   ordered against the consumer's announcement of sleep (ns_wake.h): either the
 *                                       producer sees the sleeper or the sleeper sees the new head
 *   producer stores size      release   publishes source and payload: the commit
 *   consumer loads size       acquire   sees source and payload of a committed record
 *   consumer loads head       seq_cst   the other half of the pair above
 *   consumer stores tail      release   publishes the zeros to producers
 *   producer counts a drop    release   whoever sees the drop sees that the span was counted as ended (ns_counters.h)
 *   drops are read            acquire   the other half
 *
 * Zeroing is the consumer's: a record may begin at any multiple of 8, so all freed bytes must be zero before a producer
 * can reserve them again, else old payload could look like a commit.
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
    uint64_t capacity;         /* bytes of data, a power of two */
    uint64_t mapped;           /* bytes of the whole mapping */
    uint32_t max_spans;
    uint32_t max_units;        /* the bound in bytes, in units; at most the capacity */
    uint32_t max_record_units; /* a quarter of max_units */
    uint32_t page;             /* of the system: 4 KiB, 16 KiB or 64 KiB */

    _Alignas(NS_CACHE_LINE) _Atomic uint64_t head; /* written by producers */
    _Alignas(NS_CACHE_LINE) _Atomic uint64_t tail; /* written by the consumer */
    uint64_t high_water;                           /* consumer only: bytes zeroed, and so kept, since the last trim */

    _Alignas(NS_CACHE_LINE) _Atomic uint64_t dropped_full;
    _Atomic uint64_t dropped_oversize;
#ifdef NS_DEBUG_COUNTERS
    _Atomic uint64_t retries; /* compare-and-swaps lost */
    _Atomic uint64_t wraps;   /* padding records written */
#endif
} ns_ring;

_Static_assert(sizeof(ns_ring) <= NS_RING_DATA_OFFSET, "the control block must end before the data");
_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "positions must be plain 64-bit words");

typedef enum ns_ring_status { NS_RING_OK = 0, NS_RING_FULL = 1, NS_RING_OVERSIZE = 2 } ns_ring_status;

/* Maps a ring bounded by `max_bytes` (NS_RING_MIN_BYTES to NS_RING_MAX_BYTES, headers and padding included) and by
 * `max_spans` (1 to NS_RING_MAX_SPANS, exact). Memory is taken page by page as it is first written. Returns 0, EINVAL
 * or ENOMEM. */
int ns_ring_map(ns_ring **ring, uint64_t max_bytes, uint32_t max_spans);
void ns_ring_unmap(ns_ring *ring);

/* Empties a ring and forgets its counts, as in a forked child, whose copy holds the parent's records. Nobody else may be
 * using it. */
void ns_ring_reset(ns_ring *ring);

/* --- producers: any thread, any number, at any time ---------------------------------------------------------- */

typedef struct ns_reservation {
    uint64_t offset; /* of the record in the data */
    uint32_t size;   /* header and payload */
    uint32_t spans;  /* spans in the ring, this one included, when it was reserved */
    uint32_t units;  /* units in use, this record included */
} ns_reservation;

/* Takes room for a payload of `size` bytes. NS_RING_FULL and NS_RING_OVERSIZE are counted here, in the same call. */
ns_ring_status ns_ring_reserve(ns_ring *ring, uint32_t size, ns_reservation *reservation);

static inline uint8_t *ns_ring_data(ns_ring *ring) { return (uint8_t *)ring + NS_RING_DATA_OFFSET; }

static inline uint8_t *ns_ring_payload(ns_ring *ring, const ns_reservation *reservation) {
    return ns_ring_data(ring) + reservation->offset + 8;
}

/* Between reserve and commit there may be nothing but the copy of the payload: no record behind this one is seen by
 * the consumer until it is committed. */
void ns_ring_commit(ns_ring *ring, const ns_reservation *reservation, uint32_t source);

/* Whether there is no room for another span, however small; counted as dropped if so. Asked before a span is encoded, so
 * that a queue that cannot keep up costs the least when it matters most. */
bool ns_ring_refuse(ns_ring *ring);

/* Reserve, copy, commit. */
ns_ring_status ns_ring_push(ns_ring *ring, uint32_t source, const void *payload, uint32_t size,
                            ns_reservation *reservation);

static inline uint32_t ns_ring_max_record(const ns_ring *ring) { return ring->max_record_units * NS_RING_UNIT - 8; }

/* --- the consumer: one thread at a time ---------------------------------------------------------------------- */

/* A stretch of committed records that was read and not yet freed: from the tail to `position`. */
typedef struct ns_ring_stretch {
    uint64_t position; /* as `tail` will be */
    size_t count;      /* spans */
    size_t bytes;      /* of their records, headers included */
} ns_ring_stretch;

/* Reads committed records from the tail on into `records`, in order, until `max_records`, the first record that is not
 * committed, or the record that would take the sum of the records beyond `max_bytes` (the first is always taken). The
 * payloads stay in the ring until ns_ring_release. A record's header is no smaller than what framing adds to its payload
 * (ns_frame.h), so that max_bytes bounds the request as well, but for its resources and scopes. */
ns_ring_stretch ns_ring_read(ns_ring *ring, ns_record *records, size_t max_records, size_t max_bytes);

/* Frees the space of what ns_ring_read returned. With `give_back`, whole pages go back to the system instead of being zeroed
 * by hand: cheaper to hold, dearer to fill again. */
void ns_ring_release(ns_ring *ring, ns_ring_stretch stretch, bool give_back);

/* Gives pages that a past burst left behind back to the system. Takes an eighth of an otherwise empty ring at a time,
 * as padding, so that producers always find room. Does nothing while the ring is in use or when little was left. */
void ns_ring_trim(ns_ring *ring);

/* --- anyone -------------------------------------------------------------------------------------------------- */

static inline uint32_t ns_ring_spans_of(uint64_t position) { return (uint32_t)(position >> 32); }
static inline uint32_t ns_ring_units_of(uint64_t position) { return (uint32_t)position; }

/* Spans reserved so far, mod 2^32: a ticket that ns_ring_stretch.position reaches when all of them have been read. */
static inline uint32_t ns_ring_ticket(ns_ring *ring) {
    return ns_ring_spans_of(atomic_load_explicit(&ring->head, memory_order_seq_cst));
}

/* Spans in the ring. Exact at rest. tail first: it can only follow head, so the difference is never negative. */
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
/* Tests stop a thread between two steps to force the order of a race. */
enum { NS_RING_BEFORE_SWAP, NS_RING_BEFORE_COMMIT, NS_RING_BEFORE_TAIL };
extern void (*ns_ring_test_hook)(int point);
#define NS_RING_HOOK(point)                                                                                             \
    do {                                                                                                               \
        if (ns_ring_test_hook) ns_ring_test_hook(point);                                                               \
    } while (0)
#else
#define NS_RING_HOOK(point) ((void)0)
#endif

#endif
