"""Declarations of text_match.h."""

from cpython.object cimport PyObject

cdef extern from "sampling/text_match.h":
    bint nspy_same_text(PyObject *one, PyObject *other)
    bint nspy_like(PyObject *pattern, PyObject *text)
    PyObject *nspy_dict_value(PyObject *dictionary, PyObject *key)
