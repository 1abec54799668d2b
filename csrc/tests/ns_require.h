/* A check that ends the program: for fuzz targets, and for threads, since it counts nothing. */
#ifndef NS_REQUIRE_H
#define NS_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                    \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: REQUIRE failed: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

#endif
