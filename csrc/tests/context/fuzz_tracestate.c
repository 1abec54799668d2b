/* Fuzzes the reading of tracestate against a second reader, written as a walk over the grammar, byte by byte. */
#include "fuzz_main.h"
#include "context/ns_tracestate.h"

typedef struct walk {
    const uint8_t *at, *end;
} walk;

static bool is_key(uint8_t c, size_t place) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (place > 0 && c && strchr("_-*/@", c));
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

/* Walks over one member and the comma behind it. Returns 1 with the ends of key and value, 0 if it is empty, -1 if not legal. */
static int walks(walk *w, const uint8_t **key, const uint8_t **sign, const uint8_t **stop) {
    while (w->at < w->end && is_blank(*w->at)) w->at++;
    *key = w->at;
    while (w->at < w->end && is_key(*w->at, (size_t)(w->at - *key))) w->at++;
    *sign = *stop = w->at;
    bool legal = w->at > *key && w->at - *key <= 256 && w->at < w->end && *w->at == '=';
    bool empty = w->at == *key && (w->at == w->end || *w->at == ',');
    if (legal) w->at++;
    for (; w->at < w->end && *w->at != ','; w->at++) {
        if (!is_blank(*w->at)) *stop = w->at + 1;
        if (*w->at == '=' || (*w->at != '\t' && (*w->at < 0x20 || *w->at > 0x7e))) legal = false;
    }
    /* A tab is legal among the blanks behind the value only. */
    for (const uint8_t *at = *sign; at < *stop; at++)
        if (*at == '\t') legal = false;
    if (w->at < w->end) w->at++;
    if (empty) return 0;
    return legal && *stop > *sign + 1 && *stop - *sign - 1 <= 256 ? 1 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = fuzz_copy(data, size);
    walk w = {exact, exact + size};
    const char *at = (const char *)exact;
    for (;;) {
        const uint8_t *key = NULL, *sign = NULL, *stop = NULL;
        int found = 0;
        while (found == 0 && w.at < w.end) found = walks(&w, &key, &sign, &stop);
        ns_tracestate_member member;
        ns_tracestate_step step = ns_tracestate_next(&at, (const char *)exact + size, &member);
        REQUIRE(step == (found == 0 ? NS_TRACESTATE_END : found == 1 ? NS_TRACESTATE_MEMBER : NS_TRACESTATE_MALFORMED));
        if (found != 1) break;
        REQUIRE(member.key == (const char *)key && member.key_length == (size_t)(sign - key));
        REQUIRE(member.value == (const char *)sign + 1 && member.value_length == (size_t)(stop - sign - 1));
        REQUIRE(at == (const char *)w.at);
        (void)ns_tracestate_is_level1_key(member.key, member.key_length);
    }
    free(exact);
    return 0;
}

#ifdef NS_FUZZ_MAIN

static size_t make(void) {
    static const char *const seeds[] = {
        "a=1",
        "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
        " \ta=1 \t,,\t 1@b= 2 3 , ",
        "foo@@bar=1,a_-*/@9=~",
        "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt@v=1",
    };
    const char *seed = seeds[fuzz_below(sizeof seeds / sizeof *seeds)];
    size_t size = strlen(seed);
    memcpy(fuzz_buffer, seed, size);
    for (size_t left = fuzz_below(5); left > 0; left--) size = fuzz_mutate(size, 0, ",=@ \t\na1Z_");
    return size;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, 100, make); }

#endif
