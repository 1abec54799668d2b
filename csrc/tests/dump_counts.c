// Linked into each module of a build for coverage: writes what gcov has counted, for processes that leave by _exit, where
// gcov's own exit handler is not called.
extern void __gcov_dump(void);

__attribute__((visibility("default"))) void ns_dump_counts(void);

void ns_dump_counts(void)
{
    __gcov_dump();
}
