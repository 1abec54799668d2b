"""The table of resources and scopes of encoded spans.

A record in the ring refers to its resource and scope by a slot of this table. Each record holds a reference to its slot; a
pair is encoded once, when its slot is filled. Equal resources share an id, and so do equal scopes, so that a batch merges
them as the reference encoder does (by hash and equality), but nothing is hashed for each span.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from nanospan._native.base.threads cimport add_u64, load_u32, store_u32
from nanospan._native.encoding.csrc cimport (
    ns_slice, ns_source_slot_close, ns_source_slot_fill, ns_source_slot_open, ns_source_slot_release, ns_source_slot_retain,
    ns_source_slot_take
)

cdef enum:
    MAX_SLOTS = 65536
    FIRST_SLOTS = 16  # of a table that grows
    MIN_SWEEP = 256   # pairs in the table before idle ones are swept
    CACHE_MASK = 63


cdef inline ns_slice slice_of(bytes data) noexcept:
    cdef ns_slice view
    view.data = <const unsigned char *> PyBytes_AS_STRING(data)
    view.size = <size_t> PyBytes_GET_SIZE(data)
    return view


cdef inline size_t cache_index(void *resource, void *scope) noexcept:
    # Objects are aligned to 16 bytes: the low bits are always 0.
    return ((<uintptr_t> resource >> 4) ^ (<uintptr_t> scope >> 4) ^ (<uintptr_t> scope >> 10)) & CACHE_MASK

cdef object id_of(dict ids, object key):
    try:
        return ids.get(key)
    except Exception as error:  # cannot be hashed or compared: gets an id of its own
        note_starved(error)
        return None


cdef int set_id(dict ids, object key, uint32_t number) except -1:
    try:
        ids[key] = number
    except Exception as error:
        note_starved(error)
    return 0


cdef class Source:
    pass


# The collector must not clear it: a batch in the same garbage releases its slots when it is freed.
@cython.no_gc
cdef class SourceTable:
    def __cinit__(self, bint concurrent=True):
        # A consumer reads the arrays without the interpreter lock, so they must not move: a concurrent table allocates all
        # slots at once. Untouched pages use no memory.
        self.may_move = not concurrent
        self.capacity = MAX_SLOTS if concurrent else FIRST_SLOTS
        self.described = <const ns_source **> calloc(self.capacity, sizeof(ns_source *))
        self.slots = <ns_source_slot *> calloc(self.capacity, sizeof(ns_source_slot))
        if self.described == NULL or self.slots == NULL:
            raise MemoryError
        self.used = 0
        self.sweep_at = MIN_SWEEP
        memset(self.cache, 0, sizeof(self.cache))
        memset(&self.counts, 0, sizeof(self.counts))
        self.sources = []
        self.free_slots = []
        self.by_identity = {}
        self.resource_ids = {}
        self.scope_ids = {}
        self.first_resource = None
        self.next_resource_id = 0
        self.next_scope_id = 0

    def __dealloc__(self):
        free(self.described)
        free(self.slots)

    def __len__(self):
        return len(self.by_identity)

    cdef int64_t acquire(self, object resource, object scope) except -2:
        """A new reference to the slot of a pair; -1: all slots are taken, or the pair cannot be encoded."""
        cdef uint32_t *guess = &self.cache[cache_index(<void *> resource, <void *> scope)]
        cdef int64_t slot = load_u32(guess)
        if ns_source_slot_take(&self.slots[slot], <void *> resource, <void *> scope):
            return slot
        slot = self.find(resource, scope)
        if slot >= 0:
            store_u32(guess, <uint32_t> slot)
        return slot

    cdef void retain(self, uint32_t slot) noexcept nogil:
        ns_source_slot_retain(&self.slots[slot])

    cdef void release(self, uint32_t slot) noexcept nogil:
        ns_source_slot_release(&self.slots[slot])

    cdef void release_all(self, const ns_record *records, size_t count) noexcept nogil:
        cdef size_t i
        for i in range(count):
            self.release(records[i].source)

    @cython.critical_section
    cdef int64_t find(self, object resource, object scope) except -2:
        """`acquire` without the cache."""
        identity = (<uintptr_t> <void *> resource, <uintptr_t> <void *> scope)
        if identity not in self.by_identity:
            try:
                return self.add(resource, scope, identity)
            except Exception:
                add_u64(&self.counts.lost, 1)
                return -1
        return self.acquire_known(identity, resource, scope)

    cdef int64_t acquire_known(self, tuple identity, object resource, object scope) except -2:
        cdef int64_t slot = self.by_identity[identity]
        ns_source_slot_take(&self.slots[slot], <void *> resource, <void *> scope)
        return slot

    cdef Source describe(self, object resource, object scope):
        cdef Source source = Source()
        cdef EncodeCounts counts
        cdef uint64_t before = starvations()
        memset(&counts, 0, sizeof(counts))
        source.resource = resource  # a reference: the address must not be reused while it is a key
        source.scope = scope
        source.resource_head = encode_resource(resource, self.contract, &counts)
        source.resource_tail = encode_schema_url(resource, self.contract, &counts)
        source.scope_head = encode_scope(scope, self.contract, &counts)
        source.scope_tail = encode_schema_url(scope, self.contract, &counts)
        if starvations() == before:
            source.described.resource_id = self.resource_id(resource)
            source.described.scope_id = self.scope_id(scope)
        else:
            # Merged with no equal one, which may be whole.
            source.described.resource_id = self.next_resource_id
            source.described.scope_id = self.next_scope_id
            self.next_resource_id += 1
            self.next_scope_id += 1
        source.described.resource_head = slice_of(source.resource_head)
        source.described.resource_tail = slice_of(source.resource_tail)
        source.described.scope_head = slice_of(source.scope_head)
        source.described.scope_tail = slice_of(source.scope_tail)
        add_u64(&self.counts.repaired, counts.repaired)
        add_u64(&self.counts.lost, counts.lost)
        return source

    cdef int64_t add(self, object resource, object scope, tuple identity) except -2:
        cdef Source source
        cdef int64_t slot
        cdef uint64_t before = starvations()
        if <size_t> len(self.by_identity) >= self.sweep_at:
            self.sweep()
        source = self.describe(resource, scope)
        if starvations() != before:
            # Perhaps not whole, because a span ended at the recursion limit: for that span only.
            identity = (None, <uintptr_t> <void *> source)
        # Encoding may have run Python code or let another thread in, and so added the same pair. No Python code runs below.
        if identity in self.by_identity:
            return self.acquire_known(identity, resource, scope)
        if not self.free_slots and self.used >= self.capacity and not self.grow():
            return -1
        slot = self.free_slots[len(self.free_slots) - 1] if self.free_slots else self.used
        self.by_identity[identity] = slot
        try:
            self.place(source, slot)
        except MemoryError:
            del self.by_identity[identity]
            raise
        if identity[0] is None:
            ns_source_slot_fill(&self.slots[slot], NULL, NULL)
        else:
            ns_source_slot_fill(&self.slots[slot], <void *> resource, <void *> scope)
        ns_source_slot_open(&self.slots[slot])
        return slot

    cdef int place(self, Source source, int64_t slot) except -1:
        if self.free_slots:
            self.free_slots.pop()
            self.sources[slot] = source
        else:
            self.sources.append(source)
            self.used += 1
        self.described[slot] = &source.described
        return 0

    cdef bint grow(self) except -1:
        cdef const ns_source **moved
        cdef ns_source_slot *slots
        if not self.may_move or self.capacity >= MAX_SLOTS:
            return False
        slots = <ns_source_slot *> calloc(2 * self.capacity, sizeof(ns_source_slot))
        if slots == NULL:
            return False
        memcpy(slots, self.slots, self.capacity * sizeof(ns_source_slot))
        free(self.slots)
        self.slots = slots
        moved = <const ns_source **> realloc(self.described, 2 * self.capacity * sizeof(ns_source *))
        if moved == NULL:
            return False
        self.described = moved
        self.capacity *= 2
        return True

    cdef uint32_t resource_id(self, object resource) except? 0xFFFFFFFF:
        """Equal resources get one id. The first is hashed only with the second: the SDK's hash serialises it."""
        if self.next_resource_id == 0:
            self.first_resource = resource
            self.next_resource_id = 1
            return 0
        if self.first_resource is not None:
            set_id(self.resource_ids, self.first_resource, 0)
            self.first_resource = None
        number = id_of(self.resource_ids, resource)
        if number is not None:
            return number
        # Incremented first: hashing runs Python code, during which another thread may take an id.
        fresh = self.next_resource_id
        self.next_resource_id += 1
        set_id(self.resource_ids, resource, fresh)
        return fresh

    cdef uint32_t scope_id(self, object scope) except? 0xFFFFFFFF:
        number = id_of(self.scope_ids, scope)
        if number is not None:
            return number
        # Incremented first: hashing runs Python code, during which another thread may take an id.
        fresh = self.next_scope_id
        self.next_scope_id += 1
        set_id(self.scope_ids, scope, fresh)
        return fresh

    cdef int sweep(self) except -1:
        """Removes the pairs without references, and their ids. A pair that is added again gets a new id; no record with the
        old id is left for a batch with both."""
        cdef Source source
        cdef int64_t slot
        live_resources = {}
        live_scopes = {}
        swept = []
        for identity in list(self.by_identity):
            if identity not in self.by_identity:
                continue
            slot = self.by_identity[identity]
            source = <Source> self.sources[slot]
            # Nothing below may fail for want of memory between the close of a slot and its place among the free ones.
            swept.append(source)  # freed last: destructors may run Python code, which needs a consistent table
            self.free_slots.append(slot)
            if not ns_source_slot_close(&self.slots[slot]):
                swept.pop()
                self.free_slots.pop()
                if identity[0] is not None:
                    live_resources[source.described.resource_id] = source.resource
                    live_scopes[source.described.scope_id] = source.scope
                continue
            del self.by_identity[identity]
            self.sources[slot] = None
            self.described[slot] = NULL
        self.first_resource = None
        self.resource_ids = {}
        self.scope_ids = {}
        for number, resource in live_resources.items():
            set_id(self.resource_ids, resource, number)
        for number, scope in live_scopes.items():
            set_id(self.scope_ids, scope, number)
        # Twice the live pairs: the amortized cost of a sweep is constant for each added pair.
        self.sweep_at = max(<size_t> MIN_SWEEP, 2 * <size_t> len(self.by_identity))
        return 0
