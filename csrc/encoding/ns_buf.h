/* A growable byte buffer that starts in storage of its caller (usually the stack) and moves to the heap when that is
 * used up.
 *
 *      data                     data + len          data + cap
 *       |-------- written --------|------- room --------|          cap never exceeds the larger of limit and len
 *
 * Errors are sticky: once an append did not fit, `failed` stays set, later appends write nothing, and the caller looks
 * once, at the end of a field. A savepoint takes the buffer back to before that field, error included.
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

/* Makes room for `extra` more bytes. On failure sets `failed`, leaves the content as it is and returns false. */
bool ns_buf_grow(ns_buf *buf, size_t extra);

void ns_buf_free(ns_buf *buf);

/* Room for `size` bytes at the end, or NULL. The caller writes there and then adds what it used to len. */
static inline uint8_t *ns_buf_room(ns_buf *buf, size_t size) {
    if (NS_UNLIKELY(buf->failed)) return NULL;
    if (NS_UNLIKELY(buf->cap - buf->len < size) && !ns_buf_grow(buf, size)) return NULL;
    return buf->data + buf->len;
}

static inline void ns_buf_append(ns_buf *buf, const void *bytes, size_t size) {
    uint8_t *out = ns_buf_room(buf, size);
    if (out && size) {
        __builtin_memcpy(out, bytes, size);
        buf->len += size;
    }
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
