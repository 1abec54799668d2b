/* Comparing str objects without making any: equality, and patterns with * and ?. */
#ifndef NANOSPAN_TEXT_MATCH_H
#define NANOSPAN_TEXT_MATCH_H

#include <Python.h>
#include <stdbool.h>
#include <string.h>

static inline bool nspy_is_ready(PyObject *text) {
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        PyErr_Clear();
        return false;
    }
#endif
    (void)text;
    return true;
}

/* Whether two str objects are equal. */
static inline bool nspy_same_text(PyObject *one, PyObject *other) {
    if (one == other) return true;
    if (!nspy_is_ready(one) || !nspy_is_ready(other)) return false;
    Py_ssize_t length = PyUnicode_GET_LENGTH(one);
    unsigned kind = PyUnicode_KIND(one);
    /* The same characters have the same kind: it is the narrowest that holds them. */
    return PyUnicode_GET_LENGTH(other) == length && PyUnicode_KIND(other) == kind &&
           memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other), (size_t)length * kind) == 0;
}

/* Whether a pattern covers a text from end to end: `*` any characters or none, `?` one character, everything else itself.
 * Where a `*` was too short, it takes one character more; an earlier one need never grow again, so that the steps are at
 * most the product of the lengths. */
static inline bool nspy_like(PyObject *pattern, PyObject *text) {
    if (!nspy_is_ready(pattern) || !nspy_is_ready(text)) return false;
    const void *pattern_data = PyUnicode_DATA(pattern), *text_data = PyUnicode_DATA(text);
    const unsigned pattern_kind = PyUnicode_KIND(pattern), text_kind = PyUnicode_KIND(text);
    const Py_ssize_t pattern_size = PyUnicode_GET_LENGTH(pattern), text_size = PyUnicode_GET_LENGTH(text);
    Py_ssize_t p = 0, t = 0, star = -1, taken = 0; /* the last star, and where its characters end */
    while (t < text_size) {
        Py_UCS4 wanted = p < pattern_size ? PyUnicode_READ(pattern_kind, pattern_data, p) : 0;
        if (p < pattern_size && wanted == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern_size && (wanted == '?' || wanted == PyUnicode_READ(text_kind, text_data, t))) {
            p++;
            t++;
        } else if (star >= 0) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern_size && PyUnicode_READ(pattern_kind, pattern_data, p) == '*') p++;
    return p == pattern_size;
}

/* The value under a key of a dict, a new reference; NULL if it has none, or looking failed (no exception set). */
static inline PyObject *nspy_dict_value(PyObject *dict, PyObject *key) {
    PyObject *value = NULL;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyDict_GetItemRef(dict, key, &value) < 0) PyErr_Clear();
#else
    value = PyDict_GetItemWithError(dict, key);
    if (value) Py_INCREF(value);
    else if (PyErr_Occurred()) PyErr_Clear();
#endif
    return value;
}

#endif
