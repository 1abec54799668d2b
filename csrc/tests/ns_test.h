/* The test framework of csrc/: CHECK exits at the first failure, the summary prints the number of checks. */
#ifndef NS_TEST_H
#define NS_TEST_H

#include <stdio.h>
#include <stdlib.h>

/* Not synchronised: call CHECK from one thread only, or after joining the others. */
static unsigned long ns_test_checks = 0;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        ns_test_checks++;                                                                 \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

/* Defined by the C library. Declared here because <errno.h> declares it only under _GNU_SOURCE. */
extern char *program_invocation_short_name;

/* The last statement of main: prints "<program>: ok, ..." and returns the exit status. */
static inline int ns_test_summary(void) {
    printf("%s: ok, %lu checks\n", program_invocation_short_name, ns_test_checks);
    return ns_test_checks == 0;
}

#endif
