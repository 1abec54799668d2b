"""Declarations of threads.h, and `keep_alive`."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint32_t, uint64_t

cdef extern from "base/threads.h" nogil:
    const bint FREE "NSPY_FREE"  # free-threaded build

    ctypedef struct nspy_section:
        pass
    void leave "nspy_leave"(nspy_section *section)

    ctypedef struct nspy_lock:
        pass
    void take_lock "nspy_lock_take"(nspy_lock *lock)
    void leave_lock "nspy_lock_leave"(nspy_lock *lock)
    void reset_lock "nspy_lock_reset"(nspy_lock *lock)

    bint load_flag "nspy_load"(const bint *flag)
    void store_flag "nspy_store"(bint *flag, bint value)
    bint load_flag_seq_cst "nspy_load_seq_cst"(const bint *flag)
    void store_flag_seq_cst "nspy_store_seq_cst"(bint *flag, bint value)
    bint claim "nspy_claim"(bint *flag)
    void release_flag "nspy_release_flag"(bint *flag)

    uint32_t load_u32 "nspy_load"(const uint32_t *word)
    void store_u32 "nspy_store"(uint32_t *word, uint32_t value)
    void add_u32 "nspy_add"(uint32_t *word, uint32_t by)
    uint32_t load_acquire_u32 "nspy_load_acquire"(const uint32_t *word)
    void store_release_u32 "nspy_store_release"(uint32_t *word, uint32_t value)

    uint64_t load_u64 "nspy_load"(const uint64_t *word)
    void store_u64 "nspy_store"(uint64_t *word, uint64_t value)
    void add_u64 "nspy_add"(uint64_t *word, uint64_t by)

cdef extern from "base/threads.h":
    void enter "nspy_enter"(nspy_section *section, object owner)


cdef inline list keep_alive(list kept_alive, PyObject *owned):
    """Releases a replaced object; free-threaded: only with the field's owner, because a thread may be reading it."""
    was = <object> owned
    Py_DECREF(was)
    if FREE and was is not None:
        if kept_alive is None:
            kept_alive = []
        kept_alive.append(was)
    return kept_alive
