/* The look at one pair whose key was seen before: no Python call, no reference, no count. What it cannot decide,
 * Contract.look does.
 *
 *   slot       one key of the table, by the address of the str object, which the slot owns
 *   +------+------+--------+-------+-------+----------+---------+
 *   | key  | type | member | facts | flags | accepted | scan_as |
 *   +------+------+--------+-------+-------+----------+---------+
 *
 * Slots change with the interpreter lock only; a free-threaded build has none. */
#ifndef NANOSPAN_QUICK_LOOK_H
#define NANOSPAN_QUICK_LOOK_H

#include <Python.h>

#include "base/pycompat.h"
#include "contract/ns_redact.h"

/* What the rules say of a key. */
enum {
    KEY_FOUND = 1,     /* the key itself is a finding: deprecated, in a foreign namespace ... */
    KEY_CHANGED = 2,   /* the pair leaves changed, whatever its value: renamed, doubled, masked, dropped */
    KEY_SCANNED = 4,   /* the value is searched for secrets */
    KEY_TYPED = 8,     /* the value must have an accepted type */
    KEY_LISTED = 16,   /* the value must be one of a list, or not one of another */
    KEY_ROUTE = 32,    /* of http.route: the value must be a template */
    TEXT_NEW = 64,     /* of a name or route: not counted yet */
    PATH_UNKNOWN = 128 /* of a name or route: whether it is a path with the values of one request */
};

enum { KIND_STRING = 1, KIND_BOOLEAN = 2, KIND_INT = 4, KIND_DOUBLE = 8 };

enum { LOOK_NOTHING, LOOK_CHANGED, LOOK_CLOSER };

#define KEY_SLOTS   1024 /* a power of two */
#define CUT_LENGTHS 2    /* lengths at which limits cut values */

typedef struct nspy_key_slot {
    PyObject *key;      /* owned */
    PyTypeObject *type; /* the accepted one, borrowed from the interpreter; NULL: none, or several */
    PyObject *member;   /* owned: the last value that was in the list; NULL: none yet */
    PyObject *facts;    /* owned */
    uint32_t flags;
    uint32_t accepted;
    uint32_t scan_as;
} nspy_key_slot;

static inline nspy_key_slot *nspy_slot_of(nspy_key_slot *slots, PyObject *key) {
    /* Objects are aligned to 16 bytes: the low bits are always 0. */
    uintptr_t address = (uintptr_t)key;
    return &slots[((address >> 4) ^ (address >> 14)) & (KEY_SLOTS - 1)];
}

static inline uint32_t nspy_kind_of(PyObject *value) {
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyUnicode_Type) return KIND_STRING;
    if (type == &PyLong_Type) return KIND_INT;
    if (type == &PyBool_Type) return KIND_BOOLEAN;
    return type == &PyFloat_Type ? KIND_DOUBLE : 0;
}

/* Sets the type from the accepted ones. */
static inline void nspy_set_type(nspy_key_slot *slot) {
    slot->type = slot->accepted == KIND_STRING ? &PyUnicode_Type : slot->accepted == KIND_INT ? &PyLong_Type : NULL;
}

/* Whether an int has at most 30 bits, and so is no card number. */
static inline int nspy_is_small(PyObject *number) {
#if PY_VERSION_HEX >= 0x030C0000
    return ((PyLongObject *)number)->long_value.lv_tag < (2 << 3);
#else
    Py_ssize_t size = Py_SIZE(number);
    return size >= -1 && size <= 1;
#endif
}

/* Whether a name or route was seen before, and nothing was found, nor is left to find except what `unless` says. */
static inline int nspy_is_innocent(nspy_key_slot *slots, PyObject *text, uint32_t unless) {
    const nspy_key_slot *slot = nspy_slot_of(slots, text);
    return slot->key == text && !(slot->flags & ~unless);
}

__attribute__((always_inline)) static inline int nspy_quick_look(nspy_key_slot *slots, nspy_key_slot *routes, PyObject *key,
                                                                 PyObject *value, const ns_redactor *redactor,
                                                                 const size_t *cut_lengths) {
    const nspy_key_slot *slot = nspy_slot_of(slots, key);
    PyTypeObject *type = Py_TYPE(value);
    uint32_t flags = slot->flags;
    if (slot->key != key) return LOOK_CLOSER;
    if (!flags) return LOOK_NOTHING;
    if (flags & (KEY_FOUND | KEY_CHANGED)) return LOOK_CLOSER;
    if (flags & KEY_ROUTE && !nspy_is_innocent(routes, value, 0)) return LOOK_CLOSER;
    if (flags & KEY_TYPED && type != slot->type && !(nspy_kind_of(value) & slot->accepted)) return LOOK_CLOSER;
    if (flags & KEY_LISTED && value != slot->member) return LOOK_CLOSER;
    if (flags & KEY_SCANNED) {
        if (type == &PyUnicode_Type) {
            ns_text text = nspy_text(value);
            if (text.length == cut_lengths[0] || text.length == cut_lengths[1]) return LOOK_CLOSER;
            return ns_redact_suspect(redactor, &text, slot->scan_as) ? LOOK_CHANGED : LOOK_NOTHING;
        }
        if (type == &PyLong_Type ? !nspy_is_small(value) : type != &PyBool_Type && type != &PyFloat_Type) return LOOK_CLOSER;
    }
    return LOOK_NOTHING;
}

#endif
