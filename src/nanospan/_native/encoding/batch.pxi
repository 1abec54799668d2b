"""Batches: encoded spans framed into ExportTraceServiceRequest messages."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject

from nanospan._native.encoding.csrc cimport ns_buf_init, ns_buf_rewind, ns_buf_save, ns_frame, ns_frame_free, ns_savepoint
from nanospan._native.encoding.span_view cimport SpanView, clear_view, object_or_none, release_view


cdef int frame_records(ns_record *records, size_t count, SourceTable sources, uint8_t **body,
                       size_t *size) noexcept nogil:
    return ns_frame(records, count, sources.described, body, size, records)


@cython.no_gc  # its only object is the table, which the collector does not traverse either
cdef class EncodedBatch:
    """One serialised ExportTraceServiceRequest; ``memoryview(batch)`` is the request.

    The contract for exporters is `nanospan.export.EncodedBatch`.
    """

    def __dealloc__(self):
        if self.sources is not None and self.records != NULL:
            self.sources.release_all(self.records, self.count)
        free(self.records)
        ns_frame_free(self.body)

    cdef int adopt(self, uint8_t *body, size_t size, ns_record *records, size_t count, SourceTable sources) noexcept:
        self.body = body
        self.size = size
        self.records = records
        self.count = count
        self.sources = sources
        return 0

    def __len__(self):
        return self.size

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.body, self.size, 1, flags)

    def __repr__(self):
        return f"<EncodedBatch of {self.count} span{'' if self.count == 1 else 's'}, {self.size} bytes>"

    def split(self):
        """Two batches that together hold the same spans in the same order.

        Raises ValueError if there is only one span.
        """
        if self.count < 2:
            raise ValueError("a batch of one span cannot be split")
        cdef size_t half = self.count // 2
        return self.part(0, half), self.part(half, self.count - half)

    cdef EncodedBatch part(self, size_t first, size_t count):
        cdef uint8_t *body
        cdef size_t size, i
        cdef int failed
        cdef EncodedBatch batch = EncodedBatch.__new__(EncodedBatch)
        cdef ns_record *records = <ns_record *> malloc(count * sizeof(ns_record))
        if records == NULL:
            raise MemoryError
        memcpy(records, self.records + first, count * sizeof(ns_record))
        with nogil:
            failed = frame_records(records, count, self.sources, &body, &size)
        if failed:
            free(records)
            raise MemoryError
        for i in range(count):
            self.sources.retain(records[i].source)
        batch.adopt(body, size, records, count, self.sources)
        return batch

cdef enum:
    FIRST_RECORDS = 64

# The largest message that protobuf allows.
cdef size_t MAX_BYTES = 0x7FFFFFFF


cdef class RecordList:
    """Encoded spans, contiguous in one buffer, to be framed as one batch."""

    def __cinit__(self):
        self.sources = SourceTable(concurrent=False)
        self.records = NULL
        self.count = self.room = self.failed = 0
        memset(&self.counts, 0, sizeof(self.counts))
        ns_buf_init(&self.encoded, NULL, 0, MAX_BYTES)

    def __dealloc__(self):
        buffer_free(&self.encoded)
        free(self.records)

    cdef int append(self, object span) except -1:
        cdef ns_savepoint before = ns_buf_save(&self.encoded)
        cdef int64_t source = -1
        cdef SpanView view
        view.span = <PyObject *> span
        view.calls = readable_calls()
        clear_view(&view)
        try:
            if encode_span(&self.encoded, &view, &self.counts) == 0:
                source = self.source_of(&view)
        finally:
            release_view(&view)
        if source < 0:
            ns_buf_rewind(&self.encoded, before)
            self.failed += 1
            return 0
        if self.count == self.room:
            self.make_room()
        self.records[self.count].data = <const uint8_t *> <size_t> before.len
        self.records[self.count].size = <uint32_t> (self.encoded.len - before.len)
        self.records[self.count].source = <uint32_t> source
        self.count += 1
        return 0

    cdef int64_t source_of(self, const SpanView *view) except -2:
        try:
            return self.sources.acquire(object_or_none(view.resource), object_or_none(view.scope))
        except Exception:
            return -1

    cdef int make_room(self) except -1:
        cdef size_t room = self.room * 2 + FIRST_RECORDS
        cdef ns_record *moved = <ns_record *> realloc(self.records, room * sizeof(ns_record))
        if moved == NULL:
            raise MemoryError
        self.records = moved
        self.room = room
        return 0

    cdef EncodedBatch frame(self):
        """The batch of the appended spans, None if there are none. Empties the list."""
        cdef uint8_t *body
        cdef size_t size, i, count = self.count
        cdef int failed
        cdef ns_record *records = self.records
        cdef EncodedBatch batch
        if count == 0:
            return None
        batch = EncodedBatch.__new__(EncodedBatch)
        for i in range(count):
            records[i].data = self.encoded.data + <size_t> records[i].data
        with nogil:
            failed = frame_records(records, count, self.sources, &body, &size)
        if failed:
            raise MemoryError
        self.records = NULL
        self.count = self.room = 0
        batch.adopt(body, size, records, count, self.sources)
        return batch


def encode_batch(spans):
    """Encode spans into one batch.

    ``spans`` is an iterable of ``opentelemetry.sdk.trace.ReadableSpan`` or of objects with its public properties. A span
    that cannot be encoded is left out. Returns None if no span is left.
    """
    cdef RecordList encoded = RecordList()
    for span in spans:
        encoded.append(span)
    return encoded.frame()


def encode_spans(spans):
    """Encode spans as one serialised ``ExportTraceServiceRequest``.

    ``spans`` is an iterable of ``opentelemetry.sdk.trace.ReadableSpan`` or of objects with its public properties.

    The bytes are those of ``opentelemetry-exporter-otlp-proto-common``, plus two fields that it omits against the OTLP
    specification: bits 0 to 7 of ``flags``, and the trace state of links. No content of a span makes this raise;
    docs/limitations.md lists the values that OTLP cannot carry.
    """
    cdef EncodedBatch batch = encode_batch(spans)
    if batch is None:
        return b""
    return PyBytes_FromStringAndSize(<char *> batch.body, batch.size)
