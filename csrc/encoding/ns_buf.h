/* A growable byte buffer. It starts in storage of the caller (usually the stack) and moves to the heap when that is full.
 *
 *      data                     data + len          data + cap
 *       |-------- written --------|------- room --------|          cap never exceeds the larger of limit and len
 *
 * Errors are sticky: after a write that did not fit, `failed` stays set and later writes do nothing. The caller checks once,
 * at the end of a field. A savepoint restores the length and the error of an earlier moment.
 */
#ifndef NS_BUF_H
#define NS_BUF_H

#include "base/ns_base.h"

typedef struct ns_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t limit;
    bool on_heap;
    bool failed;
} ns_buf;

static inline void ns_buf_init(ns_buf *buf, uint8_t *storage, size_t size, size_t limit) {
    buf->data = storage;
    buf->len = 0;
    buf->cap = size < limit ? size : limit;
    buf->limit = limit;
    buf->on_heap = false;
    buf->failed = false;
}

/* Makes room for `extra` more bytes. On failure sets `failed`, leaves the content unchanged and returns false. */
bool ns_buf_grow(ns_buf *buf, size_t extra);

void ns_buf_free(ns_buf *buf);

/* Returns room for `size` bytes at the end, or NULL. The caller writes there and then adds the bytes used to `len`. */
static inline uint8_t *ns_buf_room(ns_buf *buf, size_t size) {
    if (NS_UNLIKELY(buf->failed)) return NULL;
    if (NS_UNLIKELY(buf->cap - buf->len < size) && !ns_buf_grow(buf, size)) return NULL;
    return buf->data + buf->len;
}

typedef struct ns_savepoint {
    size_t len;
    bool failed;
} ns_savepoint;

static inline ns_savepoint ns_buf_save(const ns_buf *buf) { return (ns_savepoint){buf->len, buf->failed}; }

static inline void ns_buf_rewind(ns_buf *buf, ns_savepoint point) {
    buf->len = point.len;
    buf->failed = point.failed;
}

#endif
