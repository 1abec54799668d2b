/* Fuzzes the `ot` member against a second implementation that copies and compares whole strings, and the restating of spans
 * around it. An input is a byte that says what is asked, and a tracestate header.
 *
 * For libFuzzer as it is; with -DNS_FUZZ_MAIN a program that runs the files it is given and then as many mutations of
 * legal headers as NS_FUZZ_MAIN_INPUTS says. */
#include <stdlib.h>
#include <string.h>

#include "ns_ot.h"
#include "ns_require.h"
#include "ns_restate.h"
#include "ns_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096, MOST_PARTS = LONGEST + 1 };

/* --- the second implementation ------------------------------------------------------------------------------------- */

typedef struct text {
    size_t size;
    char chars[2 * LONGEST];
} text;

static bool among(char c, const char *chars) { return c && strchr(chars, c); }

static void add(text *to, const char *chars, size_t size) {
    REQUIRE(to->size + size <= sizeof to->chars);
    memcpy(to->chars + to->size, chars, size);
    to->size += size;
}

static void add_item(text *to, const char *separator, const char *chars, size_t size) {
    if (to->size) add(to, separator, 1);
    add(to, chars, size);
}

typedef struct part {
    const char *start;
    size_t size;
} part;

static size_t split(const char *chars, size_t size, char separator, part *parts) {
    size_t count = 0;
    part current = {chars, 0};
    for (size_t i = 0; i < size; i++) {
        if (chars[i] == separator) {
            parts[count++] = current;
            current = (part){chars + i + 1, 0};
        } else {
            current.size++;
        }
    }
    parts[count++] = current;
    return count;
}

static bool is_ot_member(part member) { return member.size >= 3 && memcmp(member.start, "ot=", 3) == 0; }

/* The members of a header without the blanks around them, the empty ones left out. */
static size_t split_header(const char *header, size_t size, part *members) {
    size_t count = split(header, size, ',', members), kept = 0;
    for (size_t i = 0; i < count; i++) {
        part member = members[i];
        for (; member.size && among(*member.start, " \t"); member.size--) member.start++;
        while (member.size && among(member.start[member.size - 1], " \t")) member.size--;
        if (member.size) members[kept++] = member;
    }
    return kept;
}

static size_t key_size(part item) {
    const char *colon = item.size ? memchr(item.start, ':', item.size) : NULL;
    return colon ? (size_t)(colon - item.start) : 0;
}

static bool is_keyed(part item, const char *key) { return key_size(item) == 2 && memcmp(item.start, key, 2) == 0; }

static bool is_legal_item(part item) {
    size_t key = key_size(item);
    for (size_t i = 0; i < item.size; i++) {
        const char *legal = i == 0    ? "abcdefghijklmnopqrstuvwxyz"
                            : i < key ? "abcdefghijklmnopqrstuvwxyz0123456789"
                                      : "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ._-";
        if (i != key && !among(item.start[i], legal)) return false;
    }
    return key != 0;
}

/* The items of a legal value; 0 for any other. */
static size_t split_value(const char *value, size_t size, part *items) {
    if (size == 0 || size > 256) return 0;
    size_t count = split(value, size, ';', items);
    for (size_t i = 0; i < count; i++) {
        if (!is_legal_item(items[i])) return 0;
        for (size_t j = 0; j < i; j++) {
            /* With its colon, a sub-key is no longer the beginning of another. */
            size_t with_colon = key_size(items[i]) + 1;
            if (items[j].size >= with_colon && memcmp(items[i].start, items[j].start, with_colon) == 0) return 0;
        }
    }
    return count;
}

/* Of 1 to 14 digits, read as if zeros followed; NS_OT_NONE for anything else. */
static uint64_t number_of(part item) {
    char digits[15] = "00000000000000";
    size_t length = item.size - 3;
    if (length < 1 || length > 14) return NS_OT_NONE;
    for (size_t i = 0; i < length; i++) {
        if (!among(item.start[3 + i], "0123456789abcdef")) return NS_OT_NONE;
        digits[i] = item.start[3 + i];
    }
    return strtoull(digits, NULL, 16);
}

typedef struct said {
    uint64_t threshold, randomness; /* NS_OT_NONE where absent */
} said;

static said understand(const part *items, size_t count) {
    said found = {NS_OT_NONE, NS_OT_NONE};
    for (size_t i = 0; i < count; i++) {
        if (is_keyed(items[i], "th")) found.threshold = number_of(items[i]);
        if (is_keyed(items[i], "rv") && items[i].size == 3 + 14) found.randomness = number_of(items[i]);
    }
    return found;
}

/* The value that is to be written; false if it would be too long. */
static bool rewrite(const part *items, size_t count, uint64_t threshold, uint64_t randomness, text *value) {
    char number[32];
    value->size = 0;
    if (threshold != NS_OT_NONE) {
        int length = snprintf(number, sizeof number, "th:%014llx", (unsigned long long)threshold);
        while (length > 4 && number[length - 1] == '0') length--;
        add_item(value, ";", number, (size_t)length);
    }
    bool adds = randomness != NS_OT_NONE && understand(items, count).randomness == NS_OT_NONE;
    if (adds) {
        int length = snprintf(number, sizeof number, "rv:%014llx", (unsigned long long)randomness);
        add_item(value, ";", number, (size_t)length);
    }
    for (size_t i = 0; i < count; i++)
        if (!is_keyed(items[i], "th") && !(adds && is_keyed(items[i], "rv")))
            add_item(value, ";", items[i].start, items[i].size);
    return value->size <= 256;
}

static void rewrite_header(const part *members, size_t count, const text *value, text *header) {
    header->size = 0;
    size_t left = 32;
    if (value->size) {
        add(header, "ot=", 3);
        add(header, value->chars, value->size);
        left--;
    }
    for (size_t i = 0; i < count && left; i++) {
        if (is_ot_member(members[i])) continue;
        add_item(header, ",", members[i].start, members[i].size);
        left--;
    }
}

/* --- what is asked ------------------------------------------------------------------------------------------------- */

typedef struct question {
    uint64_t threshold, randomness;
    int action;
    bool has_parent;
} question;

static uint64_t any_threshold(const uint8_t *data, size_t size) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash >> 8 >> (hash & 3) * 12 << (hash & 3) * 12;
}

static question ask(uint8_t choice, const uint8_t *data, size_t size) {
    const uint64_t thresholds[] = {NS_OT_NONE, 0, any_threshold(data, size), UINT64_C(0xffffffffffffff)};
    question asked = {.threshold = thresholds[choice & 3],
                      .randomness = choice & 4 ? thresholds[2] : NS_OT_NONE,
                      .has_parent = (choice & 8) != 0};
    /* Raising needs a threshold to raise to. */
    asked.action = asked.threshold == NS_OT_NONE ? NS_COUNT_ERASE : choice & 16 ? NS_COUNT_LEAVE : NS_COUNT_RAISE;
    return asked;
}

static bool equals(const text *expected, const char *chars, size_t size) {
    return size == expected->size && memcmp(chars, expected->chars, size) == 0;
}

/* A block of just this size, so that a sanitizer sees what goes past its end. */
static void *block(size_t size) {
    void *made = malloc(size ? size : 1);
    REQUIRE(made != NULL);
    return made;
}

static part items[MOST_PARTS], members[MOST_PARTS];
static text wanted_value, wanted_header;

/* --- the value ----------------------------------------------------------------------------------------------------- */

static bool says(const ns_ot *ot, said expected) {
    return ot->has_threshold == (expected.threshold != NS_OT_NONE) &&
           ot->has_randomness == (expected.randomness != NS_OT_NONE) &&
           ot->threshold == (ot->has_threshold ? expected.threshold : 0) &&
           ot->randomness == (ot->has_randomness ? expected.randomness : 0);
}

static void check_value(const char *value, size_t size, const question *asked) {
    size_t count = split_value(value, size, items);
    said expected = understand(items, count);
    ns_ot ot;
    REQUIRE(ns_ot_read(value, size, &ot) == (count != 0) && says(&ot, expected));
    bool fits = rewrite(items, count, asked->threshold, asked->randomness, &wanted_value);
    char *out = block(NS_OT_MOST);
    int length = ns_ot_write(value, size, asked->threshold, asked->randomness, out);
    REQUIRE(fits ? length >= 0 && equals(&wanted_value, out, (size_t)length) : length == -1);
    if (length > 0) {
        if (expected.randomness == NS_OT_NONE) expected.randomness = asked->randomness;
        expected.threshold = asked->threshold;
        REQUIRE(ns_ot_read(out, (size_t)length, &ot) && says(&ot, expected));
    }
    free(out);
}

/* --- the header ---------------------------------------------------------------------------------------------------- */

static void check_header(const char *header, size_t size, const question *asked) {
    size_t count = split_header(header, size, members), first = 0;
    while (first < count && !is_ot_member(members[first])) first++;
    const char *value = NULL;
    size_t value_size = 0;
    REQUIRE(ns_ot_find(header, size, &value, &value_size) == (first < count));
    if (first < count) REQUIRE(value == members[first].start + 3 && value_size == members[first].size - 3);
    check_value(value, value_size, asked);

    size_t item_count = split_value(value, value_size, items);
    if (!rewrite(items, item_count, asked->threshold, asked->randomness, &wanted_value)) return;
    rewrite_header(members, count, &wanted_value, &wanted_header);
    size_t room = size + wanted_value.size + 4;
    char *out = block(room);
    size_t length = ns_ot_in_header(header, size, wanted_value.chars, wanted_value.size, out);
    REQUIRE(length <= room && equals(&wanted_header, out, length));
    free(out);
}

/* --- the span ------------------------------------------------------------------------------------------------------ */

static const uint8_t before[] = {0x0a, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                 0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t behind[] = {0x22, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x2a, 4, 'n', 'a', 'm', 'e'};

static uint8_t *make_span(const char *header, size_t size, bool has_parent, size_t *span_size) {
    const uint8_t *rest = behind + (has_parent ? 0 : 10);
    size_t rest_size = sizeof behind - (has_parent ? 0 : 10);
    *span_size = sizeof before + (size ? ns_delimited_size(size) : 0) + rest_size;
    uint8_t *span = block(*span_size), *to = span + sizeof before;
    memcpy(span, before, sizeof before);
    if (size) {
        *to++ = 0x1a;
        to = ns_varint_write(to, size);
        memcpy(to, header, size);
        to += size;
    }
    memcpy(to, rest, rest_size);
    return span;
}

/* Whether the header is to change, and then to wanted_header. */
static bool wants_change(const char *header, size_t size, const question *asked, bool *refused) {
    size_t count = split_header(header, size, members), first = 0;
    while (first < count && !is_ot_member(members[first])) first++;
    part old = first < count ? (part){members[first].start + 3, members[first].size - 3} : (part){NULL, 0};
    size_t item_count = split_value(old.start, old.size, items);
    uint64_t own = understand(items, item_count).threshold;
    if (asked->action == NS_COUNT_LEAVE) return false;
    if (asked->action == NS_COUNT_RAISE) {
        if (own != NS_OT_NONE && own >= asked->threshold) return false;
    } else {
        bool has_any = false;
        for (size_t i = 0; i < item_count; i++) has_any |= is_keyed(items[i], "th");
        if (!has_any) return false;
    }
    *refused = !rewrite(items, item_count, asked->threshold, NS_OT_NONE, &wanted_value);
    if (*refused) return false;
    rewrite_header(members, count, &wanted_value, &wanted_header);
    return true;
}

static void check_span(const char *header, size_t size, const question *asked) {
    bool refused = false;
    size_t span_size, wanted_size;
    uint64_t unchanged = 0;
    uint8_t *span = make_span(header, size, asked->has_parent, &span_size), *out = block(span_size + NS_RESTATE_ROOM);
    bool changes = wants_change(header, size, asked, &refused);
    uint8_t *wanted = make_span(changes ? wanted_header.chars : header, changes ? wanted_header.size : size,
                                asked->has_parent, &wanted_size);
    size_t got = ns_restate_span(span, span_size, asked->action, asked->threshold, out, &unchanged);
    REQUIRE(unchanged == refused && got <= span_size + NS_RESTATE_ROOM);
    REQUIRE(got == wanted_size && memcmp(out, wanted, got) == 0);
    free(span);
    free(wanted);
    free(out);
}

/* Bytes that need not be a span: nothing but the bounds is sure. */
static void check_bytes(const uint8_t *data, size_t size, const question *asked) {
    uint8_t *span = block(size), *out = block(size + NS_RESTATE_ROOM);
    memcpy(span, data, size);
    uint64_t unchanged = 0;
    size_t got = ns_restate_span(span, size, asked->action, asked->threshold, out, &unchanged);
    REQUIRE(got <= size + NS_RESTATE_ROOM && (!unchanged || (got == size && memcmp(out, span, size) == 0)));
    free(span);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    question asked = ask(data[0], data, size);
    data++;
    size = size - 1 < LONGEST ? size - 1 : LONGEST;
    char *header = block(size);
    memcpy(header, data, size);
    check_value(header, size, &asked);
    check_header(header, size, &asked);
    check_span(header, size, &asked);
    check_bytes(data, size, &asked);
    free(header);
    return 0;
}

#ifdef NS_FUZZ_MAIN
#include "fuzz_main.h"

static uint64_t state = 1;

static size_t below(size_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % limit;
}

/* Replaces, inserts or removes a byte: any byte, or one that means something here; or doubles a run of bytes. */
static size_t mutate(uint8_t *input, size_t size) {
    static const char meaning[] = ",,;;::==  \t\totthrv0f1aAzZ.";
    size_t where = 1 + below(size), run = below(size - where + 1);
    uint8_t byte = below(4) ? (uint8_t)meaning[below(sizeof meaning - 1)] : (uint8_t)below(256);
    switch (below(4)) {
    case 0:
        if (where < size) input[where] = byte;
        return size;
    case 1:
        memmove(input + where + 1, input + where, size - where);
        input[where] = byte;
        return size + 1;
    case 2:
        if (size + run > 2 * LONGEST) return size;
        memmove(input + where + run, input + where, size - where);
        return size + run;
    default:
        if (where == size) return size;
        memmove(input + where, input + where + 1, size - where - 1);
        return size - 1;
    }
}

int main(int argc, char **argv) {
    static const char *const seeds[] = {
        "ot=th:8",
        "ot=th:fd70a;rv:6e6d1a75832a2f",
        "a=1,ot=rv:6e6d1a75832a2f;x1:Y_.-;th:0,b=2",
        "vendor@tenant=opaque value , ot=p:8;r:62,\tc=3",
        "ot=a:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;th:1234",
        "a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=0,k=1,l=2,m=3,n=4,o=5,p=6,q=7,r=8,s=9,t=0,u=1,v=2,w=3,x=4,y=5,z=6,a1=1,"
        "b1=2,c1=3,d1=4,ot=th:c",
        "\x1a\x07ot=th:8\x2a\x01n",
        "th:8;rv:6e6d1a75832a2f;a:1",
    };
    fuzz_run_files(argc, argv);
    for (int i = 0; i < NS_FUZZ_MAIN_INPUTS * 100; i++) {
        const char *seed = seeds[below(sizeof seeds / sizeof *seeds)];
        size_t size = 1 + strlen(seed);
        fuzz_buffer[0] = (uint8_t)below(256);
        memcpy(fuzz_buffer + 1, seed, size - 1);
        for (size_t mutations = below(6); mutations > 0; mutations--) size = mutate(fuzz_buffer, size);
        LLVMFuzzerTestOneInput(fuzz_buffer, size);
    }
    printf("fuzz_ot: ok, %d files and %d mutated headers\n", argc - 1, NS_FUZZ_MAIN_INPUTS * 100);
    return 0;
}
#endif
