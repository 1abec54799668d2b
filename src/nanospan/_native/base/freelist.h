/* Free list of span instances, at most NSPY_FREELIST_MAX a class. Allocating and freeing an instance of a Python class costs
 * as much as the rest of starting a span.
 *
 * A listed instance is not tracked by the garbage collector, has one reference (the list's) and no state of its last use.
 * The interpreter's own state of an instance (the room for its dict) is reused unchanged: an instance whose dict was
 * accessed, or that has weak references, is freed instead.
 */
#ifndef NANOSPAN_FREELIST_H
#define NANOSPAN_FREELIST_H

#include "base/threads.h"

#define NSPY_FREELIST_MAX 64

typedef struct nspy_freelist {
    PyTypeObject *type;
    destructor dealloc;       /* the caller's, which calls nspy_freelist_dealloc */
    destructor original;      /* the class's tp_dealloc before installation */
    int (*reset)(PyObject *); /* releases all references; 0: the instance cannot be reused */
    int count;
    int depth; /* of nested deallocations: spans that refer to spans */
    PyObject *items[NSPY_FREELIST_MAX];
} nspy_freelist;

/* A new reference to an instance in the state of tp_new, except for state that `reset` keeps. NULL with an exception set. */
static inline PyObject *nspy_freelist_take(nspy_freelist *freelist, PyObject *no_arguments) {
    if (freelist->count) {
        PyObject *instance = freelist->items[--freelist->count];
        PyObject_GC_Track(instance);
        return instance;
    }
    return freelist->type->tp_new(freelist->type, no_arguments, NULL);
}

/* A chain of spans is freed recursively. Deeper levels use the original tp_dealloc, which bounds its recursion. */
#define NSPY_FREELIST_MAX_DEPTH 32

static inline void nspy_freelist_dealloc(nspy_freelist *freelist, PyObject *instance) {
    if (Py_TYPE(instance) == freelist->type && freelist->count < NSPY_FREELIST_MAX &&
        freelist->depth < NSPY_FREELIST_MAX_DEPTH) {
        PyObject_GC_UnTrack(instance);
        _Py_NewReference(instance); /* `reset` needs a live object */
        freelist->depth++;
        int usable = freelist->reset(instance);
        freelist->depth--;
        /* Checked again: releasing references may run Python code that frees spans. */
        if (usable && freelist->count < NSPY_FREELIST_MAX) {
            freelist->items[freelist->count++] = instance;
            return;
        }
        Py_SET_REFCNT(instance, 0);
        PyObject_GC_Track(instance); /* the original tp_dealloc expects a tracked object */
    }
    /* subtype_dealloc calls the first tp_dealloc of the bases that differs from the class's own. The class has the original
     * one meanwhile, so that this is the Cython base's. Instances that other threads free meanwhile only miss the list. */
    freelist->type->tp_dealloc = freelist->original;
    freelist->original(instance);
    freelist->type->tp_dealloc = freelist->dealloc;
}

/* Free-threaded builds have no free list: every span is allocated and freed. */
static inline void nspy_freelist_install(nspy_freelist *freelist, PyObject *type, destructor dealloc,
                                         int (*reset)(PyObject *)) {
    freelist->type = (PyTypeObject *)type;
#if !NSPY_FREE
    freelist->original = freelist->type->tp_dealloc;
    freelist->dealloc = dealloc;
    freelist->reset = reset;
    freelist->type->tp_dealloc = dealloc;
#else
    (void)dealloc, (void)reset;
#endif
}

#endif
