"""Headers of messages, links to their producers, and the spans of operations on them."""

# Each part uses only the parts above it.
include "headers.pxi"
include "links.pxi"
include "scope.pxi"
