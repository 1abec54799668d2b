/* The W3C `tracestate` header, read member by member: pure functions on bytes, no allocation, no state.
 *
 *      vendor=value , 1@tenant= a b ,, other=value
 *
 * Level 2 (https://www.w3.org/TR/trace-context-2/#tracestate-header): blanks and tabs around a member are ignored, empty
 * members are allowed. A key has 1 to 256 characters of a-z 0-9 _ - * / @ and begins with a letter or a digit. A value has 1 to
 * 256 printable characters but `,` and `=`, and does not end with a space.
 */
#ifndef NS_TRACESTATE_H
#define NS_TRACESTATE_H

#include "base/ns_base.h"

enum { NS_TRACESTATE_MAX_MEMBERS = 32, NS_TRACESTATE_MAX_TEXT = 256 };

typedef struct {
    const char *key, *value; /* in the header */
    size_t key_length, value_length;
} ns_tracestate_member;

typedef enum { NS_TRACESTATE_END, NS_TRACESTATE_MEMBER, NS_TRACESTATE_MALFORMED } ns_tracestate_step;

static inline bool ns_tracestate_is_letter(char c) { return c >= 'a' && c <= 'z'; }

static inline bool ns_tracestate_begins_key(char c) { return ns_tracestate_is_letter(c) || (c >= '0' && c <= '9'); }

static inline bool ns_tracestate_is_key(const char *text, size_t length) {
    if (length == 0 || length > NS_TRACESTATE_MAX_TEXT || !ns_tracestate_begins_key(text[0])) return false;
    for (size_t i = 1; i < length; i++) {
        char c = text[i];
        if (!ns_tracestate_begins_key(c) && c != '_' && c != '-' && c != '*' && c != '/' && c != '@') return false;
    }
    return true;
}

static inline bool ns_tracestate_is_value(const char *text, size_t length) {
    if (length == 0 || length > NS_TRACESTATE_MAX_TEXT || text[length - 1] == ' ') return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == ',' || text[i] == '=') return false;
    return true;
}

/* Whether a legal key is one of level 1 too: it begins with a letter, or is "tenant@system" with a tenant of at most 241
 * characters and a system of at most 14 that begins with a letter. */
static inline bool ns_tracestate_is_level1_key(const char *key, size_t length) {
    const char *at = __builtin_memchr(key, '@', length);
    if (!at) return ns_tracestate_is_letter(key[0]);
    const char *system = at + 1;
    size_t left = length - (size_t)(system - key);
    return at - key <= 241 && left > 0 && left <= 14 && ns_tracestate_is_letter(*system) &&
           !__builtin_memchr(system, '@', left);
}

/* Reads the next member that is not empty from *at, which it moves to what follows. At the end, and after a malformed member,
 * *member is unspecified. */
static inline ns_tracestate_step ns_tracestate_next(const char **at, const char *end, ns_tracestate_member *member) {
    while (*at < end) {
        const char *text = *at, *stop = __builtin_memchr(text, ',', (size_t)(end - text));
        *at = stop ? stop + 1 : end;
        if (!stop) stop = end;
        while (text < stop && (*text == ' ' || *text == '\t')) text++;
        while (text < stop && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
        if (text == stop) continue;
        const char *sign = __builtin_memchr(text, '=', (size_t)(stop - text));
        if (!sign) return NS_TRACESTATE_MALFORMED;
        *member = (ns_tracestate_member){
            .key = text,
            .value = sign + 1,
            .key_length = (size_t)(sign - text),
            .value_length = (size_t)(stop - sign - 1),
        };
        bool legal = ns_tracestate_is_key(member->key, member->key_length) &&
                     ns_tracestate_is_value(member->value, member->value_length);
        return legal ? NS_TRACESTATE_MEMBER : NS_TRACESTATE_MALFORMED;
    }
    return NS_TRACESTATE_END;
}

#endif
