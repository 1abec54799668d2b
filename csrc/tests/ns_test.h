/* The test framework of the ground floor: CHECK stops at the first failure, the summary says how much ran. */
#ifndef NS_TEST_H
#define NS_TEST_H

#include <stdio.h>
#include <stdlib.h>

/* Counted without a lock: check from one thread, or join the others first. */
static unsigned long ns_test_checks = 0;

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        ns_test_checks++;                                                                     \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition);     \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

/* The last statement of main: prints the summary line and gives the exit status. */
static inline int ns_test_summary(const char *name) {
    printf("%s: ok, %lu checks\n", name, ns_test_checks);
    return ns_test_checks == 0;
}

#endif
