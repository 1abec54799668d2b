/* The expected values are those of the Python package `xxhash` (xxh3_64 of the big-endian bytes). */
#include "sampling/ns_xxh3.h"

#include "ns_test.h"

int main(void) {
    const struct {
        uint64_t high, low, hash;
    } vectors[] = {
        {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000), UINT64_C(0xd0a66a65c7528968)},
        {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000001), UINT64_C(0x4152418f75dd93bb)},
        {UINT64_C(0x0000000000000001), UINT64_C(0x0000000000000000), UINT64_C(0x2fdb403fc99f10cb)},
        {UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffffffffffff), UINT64_C(0x722a202f07a4b313)},
        {UINT64_C(0x0af7651916cd43dd), UINT64_C(0x8448eb211c80319c), UINT64_C(0x1a34e5f1ac650fb2)},
        {UINT64_C(0xfeed000000000000), UINT64_C(0x00ffffffffffffff), UINT64_C(0xeaa4758ef6fa929a)},
        {UINT64_C(0x0102030405060708), UINT64_C(0x090a0b0c0d0e0f10), UINT64_C(0xeb5aeb9a32450f6a)},
        {UINT64_C(0x4bf92f3577b34da6), UINT64_C(0xa3ce929d0e0e4736), UINT64_C(0x0735538b0a4f043a)},
        {UINT64_C(0x8000000000000000), UINT64_C(0x0000000000000000), UINT64_C(0x13a1bc3efe05fc84)},
        {UINT64_C(0x667f0b1a00000000), UINT64_C(0x0000000000000001), UINT64_C(0xbc2c7a579e10052d)},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        CHECK(ns_xxh3_16(vectors[i].high, vectors[i].low) == vectors[i].hash);

    uint64_t high = UINT64_C(0x0123456789abcdef), low = UINT64_C(0xfedcba9876543210), sum = 0;
    for (int i = 0; i < 1000; i++) {
        high = high * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        low = low * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum = sum * 31 + ns_xxh3_16(high, low);
    }
    CHECK(sum == UINT64_C(0xbac9a62abdfe3138));
    return ns_test_summary();
}
