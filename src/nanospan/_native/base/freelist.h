/* Spans that come back: making and freeing an instance of a Python class costs as much as everything else that starting a
 * span does, so up to NSPY_FREELIST_MAX of each class wait to be used again.
 *
 * A spare one is not tracked by the garbage collector, holds one reference (the store's) and nothing of its last use. What the
 * interpreter keeps for an instance of a Python class (room for a dict) stays as it was made, so that an instance whose dict
 * was touched, or that somebody has a weak reference to, is freed and not kept.
 */
#ifndef NANOSPAN_FREELIST_H
#define NANOSPAN_FREELIST_H

#include "base/threads.h"

#define NSPY_FREELIST_MAX 64

typedef struct nspy_freelist {
    PyTypeObject *type;
    destructor dealloc;       /* the caller's, which calls nspy_freelist_dealloc */
    destructor interpreters;  /* the tp_dealloc that the interpreter gave the class */
    int (*reset)(PyObject *); /* lets go of everything; 0 if the instance cannot be used again */
    int count;
    int depth; /* of spans that are let go of by spans that are let go of */
    PyObject *items[NSPY_FREELIST_MAX];
} nspy_freelist;

/* A new reference to an instance as tp_new leaves it, but for what `reset` does not undo. NULL with an exception set. */
static inline PyObject *nspy_freelist_take(nspy_freelist *spare, PyObject *no_arguments) {
    if (spare->count) {
        PyObject *instance = spare->items[--spare->count];
        PyObject_GC_Track(instance);
        return instance;
    }
    return spare->type->tp_new(spare->type, no_arguments, NULL);
}

/* A chain of spans, each referred to by the one before, is freed by recursion; the interpreter's function has a way to bound
 * that, this one leaves what is deeper to it. */
#define NSPY_FREELIST_MAX_DEPTH 32

static inline void nspy_freelist_dealloc(nspy_freelist *spare, PyObject *instance) {
    if (Py_TYPE(instance) == spare->type && spare->count < NSPY_FREELIST_MAX && spare->depth < NSPY_FREELIST_MAX_DEPTH) {
        PyObject_GC_UnTrack(instance);
        _Py_NewReference(instance); /* `reset` handles it as any object */
        spare->depth++;
        int usable = spare->reset(instance);
        spare->depth--;
        /* Again: letting go may have run Python code, which ends spans too. */
        if (usable && spare->count < NSPY_FREELIST_MAX) {
            spare->items[spare->count++] = instance;
            return;
        }
        Py_SET_REFCNT(instance, 0);
        PyObject_GC_Track(instance); /* as the interpreter expects it */
    }
    /* The interpreter's function looks for the first class below whose tp_dealloc is not itself, and must find the Cython
     * base. What ends on other threads meanwhile is freed and not kept, no more. */
    spare->type->tp_dealloc = spare->interpreters;
    spare->interpreters(instance);
    spare->type->tp_dealloc = spare->dealloc;
}

/* Without the interpreter lock there is no such store: every span is made and freed. */
static inline void nspy_freelist_install(nspy_freelist *spare, PyObject *type, destructor dealloc,
                                         int (*reset)(PyObject *)) {
    spare->type = (PyTypeObject *)type;
#if !NSPY_FREE
    spare->interpreters = spare->type->tp_dealloc;
    spare->dealloc = dealloc;
    spare->reset = reset;
    spare->type->tp_dealloc = dealloc;
#else
    (void)dealloc, (void)reset;
#endif
}

#endif
