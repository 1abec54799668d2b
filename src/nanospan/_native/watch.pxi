# Whether a method of a class is still the one that a shortcut stands for; included by tracer.pyx.
#
# Programs and tests put functions of their own in the place of methods. The interpreter gives a class a new version tag
# whenever it, or a class that it derives from, changes: as long as the tag is the one that was looked at, nothing has.

cdef extern from *:
    """
    static unsigned int nspy_version(PyObject *cls) { return ((PyTypeObject *)cls)->tp_version_tag; }
    """
    unsigned int version_of "nspy_version" (object cls)

cdef struct Watch:
    PyObject *cls         # borrowed: the public classes stay
    PyObject *name
    PyObject *method      # what the shortcut stands for
    unsigned int version  # 0: look
    bint holds

cdef Watch tracer_watch
cdef Watch span_watch


cdef int watch(Watch *watched, object cls, str name) except -1:
    method = getattr(cls, name)
    Py_INCREF(cls)
    Py_INCREF(name)
    Py_INCREF(method)
    watched.cls, watched.name, watched.method = <PyObject *> cls, <PyObject *> name, <PyObject *> method
    watched.version = 0
    return 0


cdef bint look(Watch *watched) except -1:
    watched.holds = getattr(<object> watched.cls, <str> <object> watched.name) is <object> watched.method
    watched.version = version_of(<object> watched.cls)
    return watched.holds


cdef inline bint unpatched(Watch *watched) except -1:
    if watched.version != 0 and watched.version == version_of(<object> watched.cls):
        return watched.holds
    return look(watched)
