/* Synchronization on free-threaded builds (Py_GIL_DISABLED).
 *
 * With the interpreter lock everything here compiles to plain loads and stores, or to nothing, except nspy_claim and
 * nspy_release_flag. docs/free-threading.md lists what protects each piece of state.
 *
 *      section   critical section of one object. The interpreter releases it while the thread blocks, so that Python code
 *                may run inside it; other threads can enter then, as with the interpreter lock. Of nested sections only the
 *                innermost is certainly locked. A nested section on the same object releases the outer one
 *      lock      a mutex that stays locked until it is left. Its owner runs no Python code and does not block
 *      flag      a single word, read and written with relaxed order: it publishes no other data
 *      pointer   to an immutable object: release store, acquire load, no lock. Readers take no reference, therefore the
 *                writer keeps the old object alive for as long as the owner lives (`keep_alive`) */
#ifndef NANOSPAN_THREADS_H
#define NANOSPAN_THREADS_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(Py_GIL_DISABLED)
#define NSPY_FREE       1
#define NS_FREE_THREADS 1 /* for csrc, which does not include Python.h */
#else
#define NSPY_FREE 0
#endif

/* --- sections and locks ---------------------------------------------------------------------------------------------- */

#if defined(Py_GIL_DISABLED)

typedef PyCriticalSection nspy_section;
#define nspy_enter(section, object) PyCriticalSection_Begin(section, (PyObject *)(object))
#define nspy_leave(section)         PyCriticalSection_End(section)

typedef PyMutex nspy_lock;
#define nspy_lock_take(lock)  PyMutex_Lock(lock)
#define nspy_lock_leave(lock) PyMutex_Unlock(lock)
/* For a forked child, in which the owner may not exist. */
#define nspy_lock_reset(lock) (*(lock) = (PyMutex){0})

#else

typedef char nspy_section;
#define nspy_enter(section, object) ((void)(section))
#define nspy_leave(section)         ((void)(section))

typedef char nspy_lock;
#define nspy_lock_take(lock)        ((void)(lock))
#define nspy_lock_leave(lock)       ((void)(lock))
#define nspy_lock_reset(lock)       ((void)(lock))

#endif

/* --- words ------------------------------------------------------------------------------------------------------------ */

#if NSPY_FREE

/* Acquire load, release store: a reader of the new value also sees every write made before the store. */
#define NSPY_LOAD_ACQUIRE(field)         __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define NSPY_STORE_RELEASE(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELEASE)
#define nspy_load_acquire(word)          __atomic_load_n(word, __ATOMIC_ACQUIRE)
#define nspy_store_release(word, new)    __atomic_store_n(word, new, __ATOMIC_RELEASE)

/* Relaxed: sums and single words, which publish no other data. */
#define nspy_load(word)       __atomic_load_n(word, __ATOMIC_RELAXED)
#define nspy_store(word, new) __atomic_store_n(word, new, __ATOMIC_RELAXED)
#define nspy_add(word, by)    ((void)__atomic_fetch_add(word, by, __ATOMIC_RELAXED))

/* Sequentially consistent: one total order with the head of a ring (see EncodedQueue.push). */
#define nspy_load_seq_cst(word)       __atomic_load_n(word, __ATOMIC_SEQ_CST)
#define nspy_store_seq_cst(word, new) __atomic_store_n(word, new, __ATOMIC_SEQ_CST)

#else

#define NSPY_LOAD_ACQUIRE(field)         (field)
#define NSPY_STORE_RELEASE(field, value) ((void)((field) = (value)))
#define nspy_load_acquire(word)          (*(word))
#define nspy_store_release(word, new)    ((void)(*(word) = (new)))

#define nspy_load(word)       (*(word))
#define nspy_store(word, new) ((void)(*(word) = (new)))
#define nspy_add(word, by)    ((void)(*(word) += (by)))

#define nspy_load_seq_cst(word)       (*(word))
#define nspy_store_seq_cst(word, new) ((void)(*(word) = (new)))

#endif

/* Sets a word to 1; true if it was 0. Acquire pairs with the release store of the last owner: its writes are visible.
 * Atomic in every build, because the caller need not hold the interpreter lock. */
#define nspy_claim(word)        (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) == 0)
#define nspy_release_flag(word) __atomic_store_n(word, 0, __ATOMIC_RELEASE)

/* Replaces a published object by a release store. The caller owns the reference to the old one; readers may be using it. */
#define NSPY_REPLACE(field, value) nspy_replaced((PyObject **)(void *)&(field), (PyObject *)(value))

static inline PyObject *nspy_replaced(PyObject **field, PyObject *value) {
    PyObject *old = *field;
    Py_INCREF(value);
    NSPY_STORE_RELEASE(*field, value);
    return old;
}

#endif
