"""The resources and scopes that encoded spans came from.

A record in the ring names its resource and scope by a slot of this table. A slot lives while records name it; the pair is
encoded once, when it is first seen. Equal resources and equal scopes share an id, so that a batch merges them as the
reference encoder does (by hash and equality), without hashing anything a span.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uintptr_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from nanospan._native.base.threads cimport add_u64, load_u32, store_u32
from nanospan._native.encoding.csrc cimport (
    ns_slice, ns_source_slot_close, ns_source_slot_fill, ns_source_slot_open, ns_source_slot_release, ns_source_slot_retain, ns_source_slot_take
)
from nanospan._native.encoding.encoder cimport encode_resource, encode_schema_url, encode_scope

# Slots in all, and how many are filled before the idle ones are first swept.
cdef enum:
    SLOTS = 65536
    FIRST_SLOTS = 16
    IDLE_SLOTS = 256
    CACHE_MASK = 63


cdef inline ns_slice slice_of(bytes data) noexcept:
    cdef ns_slice view
    view.data = <const unsigned char *> PyBytes_AS_STRING(data)
    view.size = <size_t> PyBytes_GET_SIZE(data)
    return view


cdef inline size_t cache_index(void *resource, void *scope) noexcept:
    # Objects are at least 16 bytes apart, so the low bits say nothing.
    return ((<uintptr_t> resource >> 4) ^ (<uintptr_t> scope >> 4) ^ (<uintptr_t> scope >> 10)) & CACHE_MASK

cdef object known(dict ids, object key):
    try:
        return ids.get(key)
    except Exception:  # cannot be hashed or compared: stands for itself
        return None


cdef int remember(dict ids, object key, uint32_t number) except -1:
    try:
        ids[key] = number
    except Exception:
        return 0
    return 0


cdef class Source:
    pass


# The collector must not empty it: batches let go of their slots when they go, and may be part of the same garbage.
@cython.no_gc
cdef class SourceTable:
    def __cinit__(self, bint concurrent=True):
        # Read by a consumer without the interpreter lock, it must never move: then all slots are there from the
        # beginning. Untouched pages of them take no memory.
        self.may_move = not concurrent
        self.capacity = SLOTS if concurrent else FIRST_SLOTS
        self.described = <const ns_source **> calloc(self.capacity, sizeof(ns_source *))
        self.slots = <ns_source_slot *> calloc(self.capacity, sizeof(ns_source_slot))
        if self.described == NULL or self.slots == NULL:
            raise MemoryError
        self.used = 0
        self.sweep_at = IDLE_SLOTS
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
        """The slot of a pair, held until released; -1 when all slots are taken or the pair cannot be encoded."""
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
        """The slot of a pair, held; as `acquire`, without the guess."""
        identity = (<uintptr_t> <void *> resource, <uintptr_t> <void *> scope)
        if identity not in self.by_identity:
            try:
                return self.add(resource, scope, identity)
            except Exception:
                add_u64(&self.counts.lost, 1)
                return -1
        return self.held(identity, resource, scope)

    cdef int64_t held(self, tuple identity, object resource, object scope) except -2:
        cdef int64_t slot = self.by_identity[identity]
        ns_source_slot_take(&self.slots[slot], <void *> resource, <void *> scope)
        return slot

    cdef Source describe(self, object resource, object scope):
        cdef Source source = Source()
        cdef EncodeCounts counts
        memset(&counts, 0, sizeof(counts))
        source.resource = resource  # held: an identity must not be reused while it is a key
        source.scope = scope
        source.resource_head = encode_resource(resource, &counts)
        source.resource_tail = encode_schema_url(resource, &counts)
        source.scope_head = encode_scope(scope, &counts)
        source.scope_tail = encode_schema_url(scope, &counts)
        source.described.resource_id = self.resource_id(resource)
        source.described.scope_id = self.scope_id(scope)
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
        if <size_t> len(self.by_identity) >= self.sweep_at:
            self.sweep()
        source = self.describe(resource, scope)
        # Encoding may have run Python code, or let other threads in, that added the same pair. From here on nothing does.
        if identity in self.by_identity:
            return self.held(identity, resource, scope)
        if not self.free_slots and self.used >= self.capacity and not self.grow():
            return -1
        if self.free_slots:
            slot = self.free_slots.pop()
            self.sources[slot] = source
        else:
            slot = self.used
            self.sources.append(source)
            self.used += 1
        ns_source_slot_fill(&self.slots[slot], <void *> resource, <void *> scope)
        self.described[slot] = &source.described
        self.by_identity[identity] = slot
        ns_source_slot_open(&self.slots[slot])
        return slot

    cdef bint grow(self) except -1:
        cdef const ns_source **moved
        cdef ns_source_slot *slots
        if not self.may_move or self.capacity >= SLOTS:
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
        """Equal resources get one id. A resource is hashed (the SDK's hash serialises it) only from the second on."""
        if self.next_resource_id == 0:
            self.first_resource = resource
            self.next_resource_id = 1
            return 0
        if self.first_resource is not None:
            remember(self.resource_ids, self.first_resource, 0)
            self.first_resource = None
        number = known(self.resource_ids, resource)
        if number is not None:
            return number
        # Taken before it is remembered: hashing runs Python code, in which another thread may come here.
        fresh = self.next_resource_id
        self.next_resource_id += 1
        remember(self.resource_ids, resource, fresh)
        return fresh

    cdef uint32_t scope_id(self, object scope) except? 0xFFFFFFFF:
        number = known(self.scope_ids, scope)
        if number is not None:
            return number
        # Taken before it is remembered: hashing runs Python code, in which another thread may come here.
        fresh = self.next_scope_id
        self.next_scope_id += 1
        remember(self.scope_ids, scope, fresh)
        return fresh

    cdef int sweep(self) except -1:
        """Lets go of the pairs that no record names. Ids are forgotten with them: a pair that comes back gets a new
        one, which no record of the old can meet in a batch."""
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
            if not ns_source_slot_close(&self.slots[slot]):
                live_resources[source.described.resource_id] = source.resource
                live_scopes[source.described.scope_id] = source.scope
                continue
            swept.append(source)  # kept until the table is whole again
            del self.by_identity[identity]
            self.sources[slot] = None
            self.described[slot] = NULL
            self.free_slots.append(slot)
        self.first_resource = None
        self.resource_ids = {}
        self.scope_ids = {}
        for number, resource in live_resources.items():
            remember(self.resource_ids, resource, number)
        for number, scope in live_scopes.items():
            remember(self.scope_ids, scope, number)
        # Twice what is alive: sweeping costs a constant per pair added, however many live.
        self.sweep_at = max(<size_t> IDLE_SLOTS, 2 * <size_t> len(self.by_identity))
        return 0
