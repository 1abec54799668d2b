/* A Spin model of the ring (csrc/queue/ns_ring.c) and of its wake-up (csrc/queue/ns_wake.h). `make -C models` verifies it.
 *
 * PRODUCERS processes push PUSHES records each, of one or two units (a header, and optionally a unit of payload), through a
 * ring of UNITS units with the bounds MAX_UNITS and MAX_SPANS. One consumer reads, zeroes and frees. Every access to shared
 * memory that another process could observe is a separate step. The halves of the positions count mod 256 and start near
 * the end of that range, so that both wrap during the run, as the 32-bit halves do in a long-lived process.
 *
 * Verified in every interleaving:
 *   content    every record read was reserved at this position, in the order of the reservations, and is completely
 *              written and committed: no torn records, no bytes of an earlier lap, no invented records
 *   bounds     never more than MAX_UNITS units and MAX_SPANS spans are reserved
 *   honest     a push is refused only if the ring was full at some moment between its start and its end
 *   identity   at the end received + dropped == attempted, the ring is empty and no record is uncommitted
 *   awake      if only the sleeper's timeout can make progress, fewer than WAKE spans wait: no wake-up was lost
 *
 * Memory order: steps interleave with sequential consistency, which the code requests where it uses seq_cst. The model does
 * not show that acquire and release are enough elsewhere; ThreadSanitizer and the stress test cover that. Trimming and the
 * oversize check are not modelled.
 *
 * The model must be able to fail. Each switch breaks the protocol in one place (make -C models breaks), and Spin finds
 *   -DBREAK_ZEROING       the consumer frees without zeroing             content
 *   -DBREAK_ZERO_LATE     the consumer publishes the tail, then zeroes   content
 *   -DBREAK_COMMIT        the producer commits before it copies          content
 *   -DBREAK_SWAP          the producer stores the head unconditionally   content
 *   -DBREAK_PADDING       the producer does not commit its padding       identity
 *   -DBREAK_RECHECK       full is decided without a second load of tail  honest
 *   -DBREAK_LOAD_ORDER    head is loaded before tail                     honest
 *   -DBREAK_BOUNDS        the bound in units forgets the padding         bounds
 *   -DBREAK_SECOND_LOOK   the sleeper does not check after announcing    awake
 *   -DBREAK_WAKE_EARLY    the producer checks for a sleeper before it swaps the head  awake
 */

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef MAX_UNITS
#define MAX_UNITS 4
#endif
#ifndef MAX_SPANS
#define MAX_SPANS 3
#endif
#ifndef WAKE
#define WAKE 2
#endif
#define UNITS 4         /* divides 256 */
#define START 253
#define PADDING 255     /* as a source */
#define PAYLOAD 100     /* plus the record's number: never zero, never a size */
#define ATTEMPTED (PRODUCERS * PUSHES)
#define AWAKE 0
#define ASLEEP 1
#define SINCE(later, earlier) (((later) - (earlier)) & 255)
#define AT(units) ((units) % UNITS)

/* --- shared memory --- */
byte size_word[UNITS];       /* of a unit: the size of the record that begins here, or payload, or zero */
byte source_word[UNITS];
byte head_spans = START, head_units = START; /* the two halves of one word: always accessed in one step */
byte tail_spans = START, tail_units = START;
byte wake_state = AWAKE;
byte dropped;

/* --- state of the checks only --- */
byte reserved_source[ATTEMPTED]; /* in the order of the swaps */
byte reserved_size[ATTEMPTED];
byte reserved, received;

/* Whether a record of `units` would be refused at this moment. */
#define PAD_NOW(units) ((UNITS - AT(head_units) < (units)) -> UNITS - AT(head_units) : 0)
#define FULL_NOW(units)                                                                                                \
    (SINCE(head_spans, tail_spans) + 1 > MAX_SPANS || SINCE(head_units, tail_units) + PAD_NOW(units) + (units) > MAX_UNITS)

inline load_tail() {
    d_step { seen_tail_spans = tail_spans; seen_tail_units = tail_units; was_full = was_full || FULL_NOW(units) }
}
inline load_head() { d_step { seen_spans = head_spans; seen_units = head_units; was_full = was_full || FULL_NOW(units) } }

inline look_for_sleeper() {
    if
    :: SINCE(seen_spans + 1, seen_tail_spans) >= WAKE ->
        if
        :: wake_state == ASLEEP ->
            /* compare-and-swap; only its winner makes the system call */
            if
            :: wake_state == ASLEEP -> wake_state = AWAKE
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

/* What lies between reserve and commit is one step: nobody may look at it before the commit, and if somebody does, the
 * checks of the content see that. */
inline copy() {
    d_step {
        source_word[at] = source;
        if
        :: units == 2 -> size_word[at + 1] = PAYLOAD + source; source_word[at + 1] = source
        :: else
        fi
    }
}

inline commit() { size_word[at] = units }

proctype producer(byte number) {
    byte units, source, pushed, padding, at;
    byte seen_spans, seen_units, seen_tail_spans, seen_tail_units;
    bool was_full, refused, swapped;
    do
    :: pushed == PUSHES -> break
    :: else ->
        d_step { source = number * PUSHES + pushed + 1; was_full = false; swapped = false; refused = false }
        if
        :: units = 1
        :: units = 2
        fi;
        do
        :: swapped || refused -> break
        :: else ->
#ifdef BREAK_LOAD_ORDER
            load_head();
            load_tail();
#else
            load_tail();
            load_head();
#endif
            d_step {
                padding = ((UNITS - AT(seen_units) < units) -> UNITS - AT(seen_units) : 0);
#ifdef BREAK_BOUNDS
                refused = SINCE(seen_spans, seen_tail_spans) + 1 > MAX_SPANS ||
                       SINCE(seen_units, seen_tail_units) + units > MAX_UNITS
#else
                refused = SINCE(seen_spans, seen_tail_spans) + 1 > MAX_SPANS ||
                       SINCE(seen_units, seen_tail_units) + padding + units > MAX_UNITS
#endif
            }
            if
            :: refused ->
#ifndef BREAK_RECHECK
                refused = (tail_spans == seen_tail_spans && tail_units == seen_tail_units);
#endif
                skip
            :: else ->
#ifdef BREAK_WAKE_EARLY
                look_for_sleeper();
#endif
                d_step {
#ifdef BREAK_SWAP
                    swapped = true;
#else
                    swapped = (head_spans == seen_spans && head_units == seen_units);
#endif
                    if
                    :: swapped ->
                        head_spans = seen_spans + 1;
                        head_units = seen_units + padding + units;
                        reserved_source[reserved] = source;
                        reserved_size[reserved] = units;
                        reserved++;
                        assert(SINCE(head_spans, tail_spans) <= MAX_SPANS);   /* bounds */
                        assert(SINCE(head_units, tail_units) <= MAX_UNITS)
                    :: else
                    fi
                }
            fi
        od;
        if
        :: refused ->
            d_step { assert(was_full) /* honest */; dropped++ }
        :: else ->
            if
            :: padding > 0 ->
                source_word[AT(seen_units)] = PADDING;
#ifndef BREAK_PADDING
                size_word[AT(seen_units)] = padding;
#endif
                skip
            :: else
            fi;
            at = AT(seen_units + padding);
#ifdef BREAK_COMMIT
            commit();
            copy();
#else
            copy();
            commit();
#endif
#ifndef BREAK_WAKE_EARLY
            look_for_sleeper();
#endif
            skip
        fi;
        d_step { pushed++; units = 0; padding = 0; at = 0; seen_spans = 0; seen_units = 0; seen_tail_spans = 0;
                 seen_tail_units = 0 }
    od
}

/* Reads from the tail up to an uncommitted record, or stops at any record before it; then zeroes and frees. */
inline read_and_release() {
    d_step { spans = tail_spans; units = tail_units }
    end_units = head_units;
    do
    :: units == end_units -> break
    :: units != tail_units -> break    /* enough for this batch */
    :: units != end_units ->
        size = size_word[AT(units)];
        if
        :: size == 0 ->                /* reserved, not committed; must not last for ever */
            assert(!draining);
            break
        :: else ->
            d_step {
                source = source_word[AT(units)];
                if
                :: source == PADDING -> assert(size == UNITS - AT(units))
                :: else ->
                    assert(received < reserved);                              /* content */
                    assert(source == reserved_source[received] && size == reserved_size[received]);
                    assert(size == 1 || size_word[AT(units) + 1] == PAYLOAD + source);
                    assert(size == 1 || source_word[AT(units) + 1] == source);
                    reserved_source[received] = 0; /* forgotten, to reduce the number of states */
                    reserved_size[received] = 0;
                    received++;
                    spans++
                fi;
                units = units + size;
                size = 0;
                source = 0
            }
        fi
    od;
    freed = tail_units;
#ifdef BREAK_ZERO_LATE
    atomic { tail_spans = spans; tail_units = units }
#endif
#ifndef BREAK_ZEROING
    atomic {
        do
        :: freed == units -> break
        :: else -> size_word[AT(freed)] = 0; source_word[AT(freed)] = 0; freed++
        od;
        freed = 0
    }
#endif
#ifndef BREAK_ZERO_LATE
    atomic { tail_spans = spans; tail_units = units }
#endif
    atomic { freed = 0; spans = 0; units = 0; end_units = 0 }
}

proctype consumer() {
    byte spans, units, end_units, size, source, freed;
    bool draining;
    do
    :: draining && head_units == tail_units -> break
    /* Enough spans wait, or the time of a batch is up. */
    :: true -> read_and_release()
    :: !draining ->
        wake_state = ASLEEP;
        if
#ifndef BREAK_SECOND_LOOK
        :: SINCE(head_spans, tail_spans) >= WAKE -> wake_state = AWAKE
        :: SINCE(head_spans, tail_spans) < WAKE ->
#else
        :: true ->
#endif
            if
            :: wake_state == AWAKE
            :: timeout ->
                assert(SINCE(head_spans, tail_spans) < WAKE);                 /* awake */
                d_step { wake_state = AWAKE; draining = true }
            fi
        fi
    od;
    assert(received + dropped == ATTEMPTED);                                  /* identity */
    assert(reserved == received && head_spans == tail_spans)
}

init {
    byte i;
    atomic {
        run consumer();
        do
        :: i == PRODUCERS -> break
        :: else -> run producer(i); i++
        od;
        i = 0
    }
}
