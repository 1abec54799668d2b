/* Comparison of str objects without allocation: equality, and patterns with * and ?. */
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

static inline bool nspy_same_text(PyObject *one, PyObject *other) {
    if (one == other) return true;
    if (!nspy_is_ready(one) || !nspy_is_ready(other)) return false;
    Py_ssize_t length = PyUnicode_GET_LENGTH(one);
    unsigned kind = PyUnicode_KIND(one);
    /* Equal strings have the same kind: the interpreter stores each in its narrowest kind. */
    return PyUnicode_GET_LENGTH(other) == length && PyUnicode_KIND(other) == kind &&
           memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other), (size_t)length * kind) == 0;
}

/* Whether a pattern matches the whole text: `*` any number of characters, `?` one character, all others themselves.
 * On a mismatch the last `*` takes one more character; earlier ones never need to grow again, so the number of steps is at
 * most the product of the lengths. */
static inline bool nspy_like(PyObject *pattern, PyObject *text) {
    if (!nspy_is_ready(pattern) || !nspy_is_ready(text)) return false;
    const void *pattern_data = PyUnicode_DATA(pattern), *text_data = PyUnicode_DATA(text);
    const unsigned pattern_kind = PyUnicode_KIND(pattern), text_kind = PyUnicode_KIND(text);
    const Py_ssize_t pattern_size = PyUnicode_GET_LENGTH(pattern), text_size = PyUnicode_GET_LENGTH(text);
    Py_ssize_t p = 0, t = 0, star = -1, taken = 0; /* the last star, and the end of the text that it matches */
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

/* A new reference to the value of a key; NULL if it is absent or the lookup failed (no exception set). */
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
