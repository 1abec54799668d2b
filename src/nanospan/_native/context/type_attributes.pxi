"""Attributes of types that Python code cannot change."""

from cpython.object cimport PyTypeObject

cdef extern from "Python.h":
    const unsigned long Py_TPFLAGS_IMMUTABLETYPE


def replace_on_type(type cls not None, str name not None, value):
    """Set ``cls.name`` of any class, also of an extension's; the class and its subclasses then call ``value``.

    The interpreter's own types must not be given: it relies on them. Not for builds without the interpreter's lock.
    """
    cdef PyTypeObject *changed = <PyTypeObject *> cls
    cdef unsigned long immutable = changed.tp_flags & Py_TPFLAGS_IMMUTABLETYPE
    changed.tp_flags &= ~immutable
    try:
        # Updates the slots of the class, and of each subclass that inherits them.
        type.__setattr__(cls, name, value)
    finally:
        changed.tp_flags |= immutable
