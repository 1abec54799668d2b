/* What several threads may touch at the same time where the interpreter has no lock of its own (Py_GIL_DISABLED).
 *
 * Where it has one, everything here compiles to the plain load or store that it stands for, or to nothing.
 * docs/free-threading.md says which state is protected by what.
 *
 *      section   the lock of one object. The interpreter lets go of it where a thread has to wait, so that it may be held
 *                while Python code runs; then others come in, as they would with the interpreter lock. Of sections that are
 *                held at once only the innermost is sure to be held; to enter that of an object within itself lets others in
 *      lock      is not let go of; whoever holds it runs no Python code and waits for nothing
 *      flag      a word that says all by itself: it is read without a lock, and publishes nothing
 *      seen      a pointer to what does not change any more, read without a lock. Whoever replaces it keeps what it pointed to
 *                for as long as the owner lives: readers hold no reference
 *
 * NSPY_PRETEND_FREE, for tests: what is done without an interpreter lock, on an interpreter that has one. A section or a lock
 * that is not given back in order, and a lock that is held while another thread runs, end the process. */
#ifndef NANOSPAN_THREADS_H
#define NANOSPAN_THREADS_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(Py_GIL_DISABLED) || defined(NSPY_PRETEND_FREE)
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
/* In a forked child, where whoever held it is no more. */
#define nspy_lock_reset(lock) (*(lock) = (PyMutex){0})

#elif defined(NSPY_PRETEND_FREE)

typedef PyObject *nspy_section;
static inline void nspy_require(bool so, const char *what) {
    if (!so) Py_FatalError(what);
}
#define nspy_enter(section, object) ((void)(*(section) = (PyObject *)(object)))
#define nspy_leave(section)         (nspy_require(*(section), "a section is left that is not held"), (void)(*(section) = NULL))

typedef char nspy_lock;
#define nspy_lock_take(lock)        (nspy_require(!*(lock), "a lock was held while another thread ran"), (void)(*(lock) = 1))
#define nspy_lock_leave(lock)       (nspy_require(*(lock), "a lock is given back that is not held"), (void)(*(lock) = 0))
#define nspy_lock_reset(lock)       ((void)(*(lock) = 0))

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

/* acquire and release: what was done before a store is seen after the load of it. */
#define NSPY_SEEN(field)         __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define NSPY_SHOW(field, value)  __atomic_store_n(&(field), value, __ATOMIC_RELEASE)
#define nspy_seen_u32(word)      __atomic_load_n(word, __ATOMIC_ACQUIRE)
#define nspy_show_u32(word, new) __atomic_store_n(word, new, __ATOMIC_RELEASE)

/* relaxed: sums and single words */
#define nspy_load(word)       __atomic_load_n(word, __ATOMIC_RELAXED)
#define nspy_store(word, new) __atomic_store_n(word, new, __ATOMIC_RELAXED)
#define nspy_add(word, by)    ((void)__atomic_fetch_add(word, by, __ATOMIC_RELAXED))

/* seq_cst: one order over these and the head of a ring (see EncodedQueue.push) */
#define nspy_load_ordered(word)       __atomic_load_n(word, __ATOMIC_SEQ_CST)
#define nspy_store_ordered(word, new) __atomic_store_n(word, new, __ATOMIC_SEQ_CST)

#else

#define NSPY_SEEN(field)         (field)
#define NSPY_SHOW(field, value)  ((void)((field) = (value)))
#define nspy_seen_u32(word)      (*(word))
#define nspy_show_u32(word, new) ((void)(*(word) = (new)))

#define nspy_load(word)       (*(word))
#define nspy_store(word, new) ((void)(*(word) = (new)))
#define nspy_add(word, by)    ((void)(*(word) += (by)))

#define nspy_load_ordered(word)       (*(word))
#define nspy_store_ordered(word, new) ((void)(*(word) = (new)))

#endif

/* Sets a word to 1 and returns whether this call was the one that did. acquire: sees what was done before it was given back;
 * also where there is an interpreter lock, as it need not be held. */
#define nspy_claim(word)     (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) == 0)
#define nspy_give_back(word) __atomic_store_n(word, 0, __ATOMIC_RELEASE)

/* Replaces an object that others may be seeing; the reference to the old one is the caller's. */
#define NSPY_REPLACE(field, value) nspy_replaced((PyObject **)(void *)&(field), (PyObject *)(value))

static inline PyObject *nspy_replaced(PyObject **field, PyObject *value) {
    PyObject *old = *field;
    Py_INCREF(value);
    NSPY_SHOW(*field, value);
    return old;
}

#endif
