/* Strings as ns_text and ids as bytes, on CPython 3.11 to 3.14. */
#ifndef NANOSPAN_PYCOMPAT_H
#define NANOSPAN_PYCOMPAT_H

#include <Python.h>
#include <string.h>

#include "base/ns_text.h"

/* A view of a str, valid while the str lives; no conversion, no cached UTF-8. Inlined by order: the compiler declines to where
 * a module has many calls, and a queued span takes 0.5 % more instructions then. */
__attribute__((always_inline)) static inline ns_text nspy_text(PyObject *text) {
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        PyErr_Clear();
        return (ns_text){.data = "", .length = 0, .width = NS_TEXT_UTF8};
    }
#endif
    return (ns_text){
        .data = PyUnicode_DATA(text),
        .length = (size_t)PyUnicode_GET_LENGTH(text),
        .width = PyUnicode_IS_ASCII(text) ? NS_TEXT_UTF8 : (uint32_t)PyUnicode_KIND(text),
    };
}

#if PY_VERSION_HEX < 0x030D0000
/* The value of a non-negative int of at most 128 bits. 0, or -1. Before 3.13 the interpreter converts byte by byte, which is
 * a tenth of the time to encode a span. */
static inline int nspy_digits(PyObject *number, unsigned __int128 *value) {
    PyLongObject *digits = (PyLongObject *)number;
#if PY_VERSION_HEX >= 0x030C0000
    if ((digits->long_value.lv_tag & 3) == 2) return -1; /* negative */
    size_t count = digits->long_value.lv_tag >> 3;
    const digit *digit_at = digits->long_value.ob_digit;
#else
    if (Py_SIZE(digits) < 0) return -1;
    size_t count = (size_t)Py_SIZE(digits);
    const digit *digit_at = digits->ob_digit;
#endif
    const size_t max_count = (128 + PyLong_SHIFT - 1) / PyLong_SHIFT;
    const unsigned top_bits = 128 - (max_count - 1) * PyLong_SHIFT;
    if (count > max_count || (count == max_count && digit_at[max_count - 1] >> top_bits)) return -1;
    unsigned __int128 sum = 0;
    while (count) sum = sum << PyLong_SHIFT | digit_at[--count];
    *value = sum;
    return 0;
}
#endif

/* A trace id from its two halves. Converted from 16 bytes at once: shifting in Python integers makes four objects. */
static inline PyObject *nspy_trace_id(uint64_t high, uint64_t low) {
    const uint64_t little_endian[2] = {low, high};
#if PY_VERSION_HEX >= 0x030E0000
    return PyLong_FromUnsignedNativeBytes(little_endian, sizeof little_endian, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    return _PyLong_FromByteArray((const unsigned char *)little_endian, sizeof little_endian, 1, 0);
#endif
}

/* The hash of an exact str; cannot fail. */
static inline Py_hash_t nspy_hash(PyObject *text) {
    Py_hash_t hash = ((PyASCIIObject *)text)->hash;
    return hash != -1 ? hash : PyObject_Hash(text);
}

/* An id as 16 or 8 big-endian bytes. 0, or -1 (no exception set): not an int, negative or too large. */
static inline int nspy_id_bytes(PyObject *id, uint8_t *out, size_t size) {
    if (!PyLong_Check(id)) return -1;
#if PY_VERSION_HEX >= 0x030D0000
    Py_ssize_t needed = PyLong_AsNativeBytes(id, out, (Py_ssize_t)size,
                                             Py_ASNATIVEBYTES_BIG_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER |
                                                 Py_ASNATIVEBYTES_REJECT_NEGATIVE);
    if (needed >= 0 && (size_t)needed <= size) return 0;
    PyErr_Clear();
    return -1;
#else
    unsigned __int128 value;
    if (nspy_digits(id, &value) < 0) return -1;
    uint64_t low = __builtin_bswap64((uint64_t)value), high = __builtin_bswap64((uint64_t)(value >> 64));
    if (size == 8 && high) return -1;
    if (size == 16) {
        memcpy(out, &high, 8);
        out += 8;
    }
    memcpy(out, &low, 8);
    return 0;
#endif
}

/* The two halves of an id of at most 128 bits. Returns as nspy_id_bytes. */
static inline int nspy_id_halves(PyObject *id, uint64_t *high, uint64_t *low) {
    uint64_t bytes[2];
    if (nspy_id_bytes(id, (uint8_t *)bytes, sizeof bytes) < 0) return -1;
    *high = __builtin_bswap64(bytes[0]);
    *low = __builtin_bswap64(bytes[1]);
    return 0;
}

/* Whether an instance has weak references. */
static inline int nspy_has_weakrefs(PyObject *instance) {
    PyObject **list = PyObject_GET_WEAKREFS_LISTPTR(instance);
    return list && *list;
}

#endif
