#define _GNU_SOURCE /* memmem */
#include "contract/search/ns_tokens.h"

#include <string.h>

#define TEXT(text)                          text, sizeof text - 1
#define SERVICE(text, alphabet, least)      {TEXT(text), NS_TOKEN_SERVICE, NS_RULE_SERVICE_KEY, false, false, alphabet, least}
#define SERVICE_WORD(text, alphabet, least) {TEXT(text), NS_TOKEN_SERVICE, NS_RULE_SERVICE_KEY, false, true, alphabet, least}

const ns_token ns_tokens[] = {
    {TEXT("eyJ"), NS_TOKEN_JWT, NS_RULE_JWT, false, false, NS_ALPHABET_BASE64, 9},
    {TEXT("Bearer"), NS_TOKEN_SCHEME, NS_RULE_CREDENTIALS, true, true, NS_ALPHABET_BASE64, 0},
    {TEXT("Basic"), NS_TOKEN_BASIC, NS_RULE_CREDENTIALS, true, true, NS_ALPHABET_BASE64, 0},
    {TEXT("-----BEGIN"), NS_TOKEN_PEM, NS_RULE_PRIVATE_KEY, false, false, NS_ALPHABET_BASE64, 0},
    /* AWS: ids of access keys */
    SERVICE_WORD("AKIA", NS_ALPHABET_UPPER, 16),
    SERVICE_WORD("ASIA", NS_ALPHABET_UPPER, 16),
    /* GitHub */
    SERVICE("ghp_", NS_ALPHABET_ALNUM, 30),
    SERVICE("gho_", NS_ALPHABET_ALNUM, 30),
    SERVICE("ghu_", NS_ALPHABET_ALNUM, 30),
    SERVICE("ghs_", NS_ALPHABET_ALNUM, 30),
    SERVICE("ghr_", NS_ALPHABET_ALNUM, 30),
    SERVICE("github_pat_", NS_ALPHABET_BASE64, 20),
    /* GitLab */
    SERVICE("glpat-", NS_ALPHABET_BASE64, 20),
    /* Slack */
    SERVICE("xoxb-", NS_ALPHABET_BASE64, 10),
    SERVICE("xoxp-", NS_ALPHABET_BASE64, 10),
    SERVICE("xoxa-", NS_ALPHABET_BASE64, 10),
    SERVICE("xoxr-", NS_ALPHABET_BASE64, 10),
    SERVICE("xoxs-", NS_ALPHABET_BASE64, 10),
    SERVICE("xoxe-", NS_ALPHABET_BASE64, 10),
    SERVICE("hooks.slack.com/services/", NS_ALPHABET_PATH, 20),
    /* Google: API keys */
    SERVICE("AIza", NS_ALPHABET_BASE64, 35),
    /* Stripe */
    SERVICE_WORD("sk_live_", NS_ALPHABET_ALNUM, 16),
    SERVICE_WORD("rk_live_", NS_ALPHABET_ALNUM, 16),
    SERVICE_WORD("sk_test_", NS_ALPHABET_ALNUM, 16),
    /* OpenAI, Anthropic */
    SERVICE_WORD("sk-", NS_ALPHABET_BASE64, 32),
    /* npm, PyPI, Hugging Face, SendGrid */
    SERVICE_WORD("npm_", NS_ALPHABET_ALNUM, 30),
    SERVICE_WORD("pypi-", NS_ALPHABET_BASE64, 50),
    SERVICE_WORD("hf_", NS_ALPHABET_ALNUM, 30),
    SERVICE_WORD("SG.", NS_ALPHABET_BASE64, 20),
};

const size_t ns_tokens_count = sizeof ns_tokens / sizeof *ns_tokens;

enum { SCHEME_CHANCE = 24, BASIC_LEAST = 4, PEM_LABEL_MAX = 40, JWT_PART_LEAST = 4 };

static bool is_of(uint8_t byte, ns_alphabet alphabet) {
    switch (alphabet) {
    case NS_ALPHABET_UPPER:
        return ns_is_digit(byte) || (byte >= 'A' && byte <= 'Z');
    case NS_ALPHABET_ALNUM:
        return ns_is_alnum(byte);
    case NS_ALPHABET_PATH:
        return ns_is_alnum(byte) || byte == '_' || byte == '-' || byte == '/';
    default:
        return ns_is_alnum(byte) || byte == '_' || byte == '-';
    }
}

/* The end of the bytes of an alphabet from `at` on; `limit` bytes at most, if it is not 0. */
static size_t run_end(ns_find *find, size_t at, ns_alphabet alphabet, size_t limit) {
    size_t end = at;
    while (end < find->size && is_of(find->data[end], alphabet) && (limit == 0 || end - at < limit)) end++;
    find->visited += end - at;
    return end;
}

static void service(ns_find *find, const ns_token *token, size_t at) {
    if (at < find->service_until) return;
    size_t begin = at + token->size, end = run_end(find, begin, token->alphabet, token->least);
    if (end - begin < token->least && !ns_find_is_cut(find, end)) return;
    end = run_end(find, end, token->alphabet, 0);
    /* SG. has one more part behind a dot */
    if (token->text[token->size - 1] == '.') {
        while (end + 1 < find->size && find->data[end] == '.' && is_of(find->data[end + 1], token->alphabet)) {
            end = run_end(find, end + 1, token->alphabet, 0);
        }
    }
    ns_find_add(find, token->alphabet == NS_ALPHABET_PATH ? begin : at, end, token->rule);
    find->service_until = end;
}

/* Two parts at least, and as many as follow: a signed token has three, an encrypted one five. */
static void jwt(ns_find *find, const ns_token *token, size_t at) {
    if (at < find->token_until) return;
    size_t end = run_end(find, at, NS_ALPHABET_BASE64, 0), first = end;
    find->token_until = end;
    if (ns_find_is_cut(find, end)) {
        ns_find_add(find, at, end, NS_RULE_JWT);
        return;
    }
    if (end - at < token->least || end >= find->size || find->data[end] != '.') return;
    end = run_end(find, end + 1, NS_ALPHABET_BASE64, 0);
    if (end - first - 1 < JWT_PART_LEAST && !ns_find_is_cut(find, end)) return;
    while (end < find->size && find->data[end] == '.') end = run_end(find, end + 1, NS_ALPHABET_BASE64, 0);
    ns_find_add(find, at, end, NS_RULE_JWT);
    find->token_until = end;
}

/* Skips blanks behind the name of a scheme, also + and %20. */
static size_t behind_blanks(const ns_find *find, size_t at) {
    for (size_t left = 8; left > 0 && at < find->size; left--) {
        size_t size = 1;
        int byte = find->data[at] == '%' ? ns_find_percent(find, at, &size) : find->data[at];
        if (byte != ' ' && byte != '\t' && byte != '+') break;
        at += size;
    }
    return at;
}

static bool is_token68(uint8_t byte) { return ns_is_alnum(byte) || (byte && strchr("-._~+/=", byte)); }

static size_t token68_end(ns_find *find, size_t at, bool *has_digit) {
    size_t end = at;
    for (; end < find->size && is_token68(find->data[end]); end++) *has_digit |= ns_is_digit(find->data[end]);
    find->visited += end - at;
    return end;
}

/* In plain language a word without digits follows "bearer". */
static void scheme(ns_find *find, const ns_token *token, size_t at) {
    size_t behind = at + token->size, begin = behind_blanks(find, behind);
    if (begin == behind || begin < find->token_until) return;
    bool has_digit = false;
    size_t end = token68_end(find, begin, &has_digit);
    while (end > begin && (find->data[end - 1] == '.' || find->data[end - 1] == '-')) end--;
    bool is_all = at == 0 && end == find->size;
    if (has_digit || end - begin >= SCHEME_CHANCE || is_all || (end > begin && ns_find_is_cut(find, end))) {
        ns_find_add(find, begin, end, NS_RULE_CREDENTIALS);
        find->token_until = end;
    }
}

static int value_of_base64(uint8_t byte) {
    if (byte >= 'A' && byte <= 'Z') return byte - 'A';
    if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
    if (ns_is_digit(byte)) return byte - '0' + 52;
    return byte == '+' || byte == '-' ? 62 : byte == '/' || byte == '_' ? 63 : -1;
}

/* Base64 of user:password. The colon must come early, so that words and paths are none. */
static void basic(ns_find *find, const ns_token *token, size_t at) {
    size_t behind = at + token->size, begin = behind_blanks(find, behind), end = begin;
    if (begin == behind || begin < find->basic_until) return;
    uint32_t bits = 0;
    int held = 0;
    bool has_colon = false, is_text = true;
    for (; end < find->size && value_of_base64(find->data[end]) >= 0; end++) {
        bits = bits << 6 | (uint32_t)value_of_base64(find->data[end]);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        uint8_t byte = (uint8_t)(bits >> held);
        is_text = is_text && byte >= ' ' && byte != 127;
        has_colon = has_colon || byte == ':';
        if (!is_text) break;
    }
    find->visited += end - begin;
    find->basic_until = end;
    bool is_cut = end > begin && is_text && ns_find_is_cut(find, end);
    if ((!is_text || !has_colon || end - begin < BASIC_LEAST) && !is_cut) return;
    while (end < find->size && find->data[end] == '=') end++;
    ns_find_add(find, begin, end, NS_RULE_CREDENTIALS);
}

static size_t find_text(ns_find *find, size_t at, const char *text) {
    const uint8_t *found = memmem(find->data + at, find->size - at, text, strlen(text));
    size_t end = found ? (size_t)(found - find->data) : find->size;
    find->visited += end - at;
    return end;
}

/* Masks what lies between the two lines. Certificates and public keys are no secrets. */
static void pem(ns_find *find, const ns_token *token, size_t at) {
    if (at < find->token_until) return;
    size_t label = at + token->size, end = label;
    bool is_private = false;
    for (; end < find->size && end - label < PEM_LABEL_MAX && find->data[end] != '-'; end++) {
        is_private = is_private || ns_find_has(find, end, "private key");
    }
    find->visited += end - label;
    if (!is_private) return;
    while (end < find->size && find->data[end] == '-') end++;
    size_t stop = find_text(find, end, "-----END");
    ns_find_add(find, end, stop, NS_RULE_PRIVATE_KEY);
    find->token_until = stop;
}

void ns_find_token(ns_find *find, const ns_token *token, size_t at) {
    if (token->kind != NS_TOKEN_LITERAL && !ns_find_wants(find, token->rule)) return;
    if (token->at_word && at > 0 && ns_is_alnum(find->data[at - 1])) {
        /* %20AKIA: the letter or digit is part of an encoded byte */
        size_t size;
        if (at < 3 || ns_find_percent(find, at - 3, &size) < 0) return;
    }
    switch (token->kind) {
    case NS_TOKEN_JWT:
        jwt(find, token, at);
        break;
    case NS_TOKEN_SCHEME:
        scheme(find, token, at);
        break;
    case NS_TOKEN_BASIC:
        basic(find, token, at);
        break;
    case NS_TOKEN_PEM:
        pem(find, token, at);
        break;
    case NS_TOKEN_SERVICE:
        service(find, token, at);
        break;
    default:
        ns_find_add(find, at, at + token->size, NS_RULE_LITERAL);
    }
}
