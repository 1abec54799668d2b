/* Fuzzes the `ot` member of tracestate against a second implementation (ot_model.h). An input is one byte that selects the
 * request, and a header, which is also read as a value. */
#include "fuzz_main.h"
#include "sampling/ns_ot.h"
#include "sampling/ot_model.h"

static ot_part items[OT_MAX_PARTS], members[OT_MAX_PARTS];
static ot_text wanted_value, wanted_header;

static bool equals(const ot_text *expected, const char *chars, size_t size) {
    return size == expected->size && memcmp(chars, expected->chars, size) == 0;
}

static bool says(const ns_ot *ot, ot_said expected) {
    return ot->has_threshold == (expected.threshold != NS_OT_NONE) &&
           ot->has_randomness == (expected.randomness != NS_OT_NONE) &&
           ot->threshold == (ot->has_threshold ? expected.threshold : 0) &&
           ot->randomness == (ot->has_randomness ? expected.randomness : 0);
}

static void check_value(const char *value, size_t size, const ot_request *asked) {
    size_t count = ot_split_value(value, size, items);
    ot_said expected = ot_understand(items, count);
    ns_ot ot;
    REQUIRE(ns_ot_read(value, size, &ot) == (count != 0) && says(&ot, expected));
    bool fits = ot_rewrite(items, count, asked->threshold, asked->randomness, &wanted_value);
    char *out = fuzz_block(NS_OT_MAX_LENGTH);
    int length = ns_ot_write(value, size, asked->threshold, asked->randomness, out);
    REQUIRE(fits ? length >= 0 && equals(&wanted_value, out, (size_t)length) : length == -1);
    if (length > 0) {
        if (expected.randomness == NS_OT_NONE) expected.randomness = asked->randomness;
        expected.threshold = asked->threshold;
        REQUIRE(ns_ot_read(out, (size_t)length, &ot) && says(&ot, expected));
    }
    free(out);
}

static void check_header(const char *header, size_t size, const ot_request *asked) {
    size_t count = ot_split_header(header, size, members), first = ot_first(members, count);
    const char *value = NULL;
    size_t value_size = 0;
    REQUIRE(ns_ot_find(header, size, &value, &value_size) == (first < count));
    if (first < count) REQUIRE(value == members[first].start + 3 && value_size == members[first].size - 3);
    check_value(value, value_size, asked);

    size_t item_count = ot_split_value(value, value_size, items);
    if (!ot_rewrite(items, item_count, asked->threshold, asked->randomness, &wanted_value)) return;
    ot_rewrite_header(members, count, &wanted_value, &wanted_header);
    size_t room = size + wanted_value.size + 4;
    char *out = fuzz_block(room);
    size_t length = ns_ot_in_header(header, size, wanted_value.chars, wanted_value.size, out);
    REQUIRE(length <= room && equals(&wanted_header, out, length));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > OT_MAX) return 0;
    ot_request asked = ot_request_of(data, size);
    char *header = fuzz_copy(data + 1, size - 1);
    check_value(header, size - 1, &asked);
    check_header(header, size - 1, &asked);
    free(header);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    static const char *const seeds[] = {
        "ot=th:8",
        "ot=th:fd70a;rv:6e6d1a75832a2f",
        "a=1,ot=rv:6e6d1a75832a2f;x1:Y_.-;th:0,b=2",
        "vendor@tenant=opaque value , ot=p:8;r:62,\tc=3",
        "ot=a:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;th:1234",
        "a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=0,k=1,l=2,m=3,n=4,o=5,p=6,q=7,r=8,s=9,t=0,u=1,v=2,w=3,x=4,y=5,z=6,a1=1,"
        "b1=2,c1=3,d1=4,ot=th:c",
        "th:8;rv:6e6d1a75832a2f;a:1",
    };
    const char *seed = seeds[fuzz_below(sizeof seeds / sizeof *seeds)];
    size_t size = 1 + strlen(seed);
    fuzz_buffer[0] = (uint8_t)fuzz_below(256);
    memcpy(fuzz_buffer + 1, seed, size - 1);
    for (size_t left = fuzz_below(6); left > 0; left--) size = fuzz_mutate(size, 1, ",,;;::==  \t\totthrv0f1aAzZ.");
    return size;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 100, make); }

#endif
