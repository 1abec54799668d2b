// Linked into each extension module of a coverage build. Writes the counts of gcov for processes that end with _exit, which
// skips gcov's own exit handler.
extern void __gcov_dump(void);

__attribute__((visibility("default"))) void ns_dump_counts(void);

void ns_dump_counts(void) { __gcov_dump(); }
