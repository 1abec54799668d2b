"""What is asked of a span before it becomes bytes: semantic conventions and redaction."""

# Each part uses only the parts above it.
include "key_facts.pxi"
include "values.pxi"
include "redactor.pxi"
include "contract.pxi"
