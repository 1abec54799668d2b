#include "encoding/ns_buf.h"

#include <stdlib.h>
#include <string.h>

bool ns_buf_grow(ns_buf *buf, size_t extra) {
    /* len may be above the limit: see limit_restore in ns_otlp.c */
    if (buf->failed || buf->len > buf->limit || extra > buf->limit - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t needed = buf->len + extra;
    size_t wanted = buf->cap < buf->limit / 2 ? buf->cap * 2 : buf->limit;
    if (wanted < needed) wanted = needed;
    uint8_t *moved = buf->on_heap ? realloc(buf->data, wanted) : malloc(wanted);
    if (!moved) {
        buf->failed = true;
        return false;
    }
    if (!buf->on_heap && buf->len) memcpy(moved, buf->data, buf->len); /* the caller's storage may be NULL */
    buf->data = moved;
    buf->cap = wanted;
    buf->on_heap = true;
    return true;
}

void ns_buf_free(ns_buf *buf) {
    if (buf->on_heap) free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
    buf->on_heap = false;
}
