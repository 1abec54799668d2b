/* Spans that come back: making and freeing an instance of a Python class costs as much as everything else that starting a
 * span does, so up to NSPY_SPARE_MOST of each class wait to be used again.
 *
 * The class is a Python class over a Cython base. Its instances have room for a dict and for weak references in the base's
 * own struct, which keeps the interpreter from putting either in front of the object, where only it knows the layout.
 *
 * A spare one is not tracked by the garbage collector, holds one reference (the store's) and nothing of its last use.
 */
#ifndef NANOSPAN_SPARE_H
#define NANOSPAN_SPARE_H

#include <Python.h>

#define NSPY_SPARE_MOST 64

typedef struct nspy_spare {
    PyTypeObject *type;
    destructor base_dealloc;   /* of the Cython base: frees the instance */
    int (*reset)(PyObject *);  /* lets go of everything; 0 if the instance cannot be used again */
    int count;
    PyObject *items[NSPY_SPARE_MOST];
} nspy_spare;

/* A new reference to an instance as tp_new leaves it, but for what `reset` does not undo. NULL with an exception set. */
static inline PyObject *nspy_spare_take(nspy_spare *spare, PyObject *no_arguments) {
#ifndef Py_GIL_DISABLED
    if (spare->count) {
        PyObject *instance = spare->items[--spare->count];
        PyObject_GC_Track(instance);
        return instance;
    }
#endif
    return spare->type->tp_new(spare->type, no_arguments, NULL);
}

/* The tp_dealloc of the class and, through the interpreter's own, of those that derive from it. */
static inline void nspy_spare_dealloc(nspy_spare *spare, PyObject *instance) {
    PyTypeObject *type = Py_TYPE(instance);
#ifndef Py_GIL_DISABLED
    if (type == spare->type && spare->count < NSPY_SPARE_MOST) {
        PyObject_GC_UnTrack(instance);
        Py_SET_REFCNT(instance, 1); /* `reset` handles it as any object */
        int usable = spare->reset(instance);
        /* Again: letting go may have run Python code, which ends spans too. */
        if (usable && spare->count < NSPY_SPARE_MOST) {
            spare->items[spare->count++] = instance;
            return;
        }
        Py_SET_REFCNT(instance, 0);
    }
#endif
    spare->base_dealloc(instance);
    Py_DECREF(type); /* instances of heap types hold one; tp_alloc took it */
}

static inline void nspy_spare_install(nspy_spare *spare, PyObject *type, destructor dealloc, int (*reset)(PyObject *)) {
    spare->type = (PyTypeObject *)type;
    spare->base_dealloc = spare->type->tp_base->tp_dealloc;
    spare->reset = reset;
    spare->type->tp_dealloc = dealloc;
}

/* The dict slot of an instance of Identified, which Cython would fill at once if it knew what it is for. */
#define nspy_dict_slot(self)      ((self)->own_dict)
#define nspy_dict_slot_clear(self) Py_CLEAR((self)->own_dict)
#define nspy_dict_offset_set(self, type) \
    (((PyTypeObject *)(type))->tp_dictoffset = (char *)&(self)->own_dict - (char *)(self))

#endif
