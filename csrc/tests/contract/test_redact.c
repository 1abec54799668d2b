/* Each class of ways around a redactor is a row, with what must come out; and innocents that must come out unchanged. */
#include "redactor.h"
#include "ns_test.h"

typedef struct row {
    const char *class_of_bypass;
    const char *in;
    const char *out;
    uint32_t as;
} row;

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWJ5dGVz"

static const row rows[] = {
    {"parameter of a URL", "https://h.example/p?token=abc123&keep=ok", "https://h.example/p?token=REDACTED&keep=ok", 0},
    {"list of the semantic conventions", "https://h/p?X-Amz-Signature=ab1&X-Amz-Credential=c2&X-Amz-Security-Token=d3&keep=ok",
     "https://h/p?X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED&keep=ok", 0},
    {"list of the semantic conventions", "https://h/p?AWSAccessKeyId=a&Signature=b&sig=c&X-Goog-Signature=d&keep=ok",
     "https://h/p?AWSAccessKeyId=REDACTED&Signature=REDACTED&sig=REDACTED&X-Goog-Signature=REDACTED&keep=ok", 0},
    {"blank values, order and escapes are kept", "/p?b=&a=%41%20x&token=s3cret&&c", "/p?b=&a=%41%20x&token=REDACTED&&c", NS_AS_URL},
    {"only a query", "token=abc&keep=ok", "token=REDACTED&keep=ok", NS_AS_URL},
    {"value with blanks in a query", "token=a b c&keep=ok", "token=REDACTED&keep=ok", NS_AS_URL},
    {"other case", "?ACCESS_TOKEN=a1&keep=ok", "?ACCESS_TOKEN=REDACTED&keep=ok", 0},
    {"camel case", "?accessToken=a1&refreshToken=b2", "?accessToken=REDACTED&refreshToken=REDACTED", 0},
    {"dash, underscore, dot", "X-Api-Key=a1 x_api_key=b2 api.key=c3", "X-Api-Key=REDACTED x_api_key=REDACTED api.key=REDACTED", 0},
    {"percent-encoded key", "?%74oken=a1&t%6Fken=b2&toke%6e=c3&keep=ok", "?%74oken=REDACTED&t%6Fken=REDACTED&toke%6e=REDACTED&keep=ok", 0},
    {"percent-encoded key as a whole", "?%74%6F%6B%65%6E=a1&keep=ok", "?%74%6F%6B%65%6E=REDACTED&keep=ok", 0},
    {"percent-encoded mark in a key", "?api%5Fkey=a1&api%2Dkey=b2", "?api%5Fkey=REDACTED&api%2Dkey=REDACTED", 0},
    {"percent-encoded sign", "?next=%2Fp%3Ftoken%3Dabc%26keep%3Dok&x=1", "?next=%2Fp%3Ftoken%3DREDACTED%26keep%3Dok&x=1", 0},
    {"percent-encoded twice", "?next=token%253Dabc&keep=ok", "?next=token%253DREDACTED&keep=ok", 0},
    {"percent-encoded parameter behind another", "?n=a%26token%3Dabc&keep=ok", "?n=a%26token%3DREDACTED&keep=ok", 0},
    {"; as separator", "?a=1;token=abc;keep=ok", "?a=1;token=REDACTED;keep=ok", 0},
    {"fragment", "https://h/cb#access_token=abc&state=xyz", "https://h/cb#access_token=REDACTED&state=xyz", 0},
    {"user information", "https://user:pass@host/p", "https://REDACTED:REDACTED@host/p", 0},
    {"@ in the password", "https://user:p@ss@w@host:8080/p?a=b@c", "https://REDACTED:REDACTED@host:8080/p?a=b@c", 0},
    {"only a user, which is a token", "https://deadbeef@host/p", "https://REDACTED@host/p", 0},
    {"scheme without a host", "postgresql://u:p%40ss@/db", "postgresql://REDACTED:REDACTED@/db", 0},
    {"several hosts", "mongodb://u:pw@a:1,b:2/db", "mongodb://REDACTED:REDACTED@a:1,b:2/db", 0},
    {"URL without a scheme", "//user:pass@host/p", "//REDACTED:REDACTED@host/p", 0},
    {"URL without a scheme and slashes", "user:pass@host.example:5432/db", "REDACTED:REDACTED@host.example:5432/db", 0},
    {"URL without a scheme, with a query", "host.example/p?password=x1", "host.example/p?password=REDACTED", 0},
    {"secret in the path", "/reset/" JWT "/now", "/reset/REDACTED/now", 0},
    {"secret in the path", "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijkl", "https://hooks.slack.com/services/REDACTED", 0},
    {"list in a query", "?token[]=a&token[0]=b&user[password]=c&keep[]=d", "?token[]=REDACTED&token[0]=REDACTED&user[password]=REDACTED&keep[]=d", 0},
    {"list in a query, percent-encoded", "?user%5Bpassword%5D=c&keep=ok", "?user%5Bpassword%5D=REDACTED&keep=ok", 0},
    {"JSON in a text", "{\"token\": \"abc\", \"keep\": \"ok\"}", "{\"token\": \"REDACTED\", \"keep\": \"ok\"}", 0},
    {"JSON without blanks", "{\"a\":1,\"password\":\"x,y\\\"z\",\"keep\":2}", "{\"a\":1,\"password\":\"REDACTED\",\"keep\":2}", 0},
    {"JSON in JSON", "{\"body\": \"{\\\"token\\\": \\\"abc\\\", \\\"keep\\\": 1}\"}", "{\"body\": \"{\\\"token\\\": \\\"REDACTED\\\", \\\"keep\\\": 1}\"}", 0},
    {"JSON in JSON in JSON", "\\\\\\\"token\\\\\\\": \\\\\\\"abc\\\\\\\", \\\\\\\"keep\\\\\\\": 1", "\\\\\\\"token\\\\\\\": \\\\\\\"REDACTED\\\\\\\", \\\\\\\"keep\\\\\\\": 1", 0},
    {"number in JSON", "{\"password\": 12345, \"keep\": 1}", "{\"password\": REDACTED, \"keep\": 1}", 0},
    {"list in JSON", "{\"tokens\": 1, \"token\": [\"a\", \"b]\"], \"keep\": 1}", "{\"tokens\": 1, \"token\": REDACTED, \"keep\": 1}", 0},
    {"table in JSON", "{\"credentials\": {\"user\": \"u\", \"x\": {}}, \"keep\": 1}", "{\"credentials\": REDACTED, \"keep\": 1}", 0},
    {"percent-encoded JSON", "%7B%22token%22%3A%22abc%22%2C%22keep%22%3A1%7D", "%7B%22token%22%3A%22REDACTED%22%2C%22keep%22%3A1%7D", 0},
    {"names and values", "[{\"name\": \"authorization\", \"value\": \"Bearer q\"}]", "[{\"name\": \"authorization\", \"value\": \"REDACTED\"}]", 0},
    {"Python's repr", "{'password': 'x\\'y', 'keep': 'ok'}", "{'password': 'REDACTED', 'keep': 'ok'}", 0},
    {"Python's repr of headers", "[(b'authorization', b'Bearer q'), (b'accept', b'*/*')]", "[(b'authorization', b'REDACTED'), (b'accept', b'*/*')]", 0},
    {"Python's repr of an object", "Config(host='h', password='x', n=1)", "Config(host='h', password='REDACTED', n=1)", 0},
    {"Ruby's table", "{:token => \"abc\", \"password\"=>\"x\"}", "{:token => \"REDACTED\", \"password\"=>\"REDACTED\"}", 0},
    {"header", "Authorization: Bearer abc\r\nAccept: */*", "Authorization: Bearer REDACTED\r\nAccept: */*", 0},
    {"header with parts", "authorization: Digest username=\"u\", response=\"r\"\r\nAccept: */*", "authorization: REDACTED\r\nAccept: */*", 0},
    {"header with parts", "Cookie: a=b; c=d\nAccept: */*", "Cookie: REDACTED\nAccept: */*", 0},
    {"header of a command", "curl -H 'Cookie: a=b; c=d' https://h/", "curl -H 'Cookie: REDACTED' https://h/", 0},
    {"header in a repr", "b'Set-Cookie: a=b; c=d\\r\\nAccept: */*'", "b'Set-Cookie: REDACTED\\r\\nAccept: */*'", 0},
    {"credentials alone", "Bearer abcdef", "Bearer REDACTED", 0},
    {"credentials in a text", "got bearer abc123 from x", "got bearer REDACTED from x", 0},
    {"credentials in a text", "sent Basic dXNlcjpwYXNz to x", "sent Basic REDACTED to x", 0},
    {"credentials behind a key", "token=Bearer abc keep=ok", "token=Bearer REDACTED keep=ok", 0},
    {"settings", "host=db user=u password=hunter2 port=5432", "host=db user=u password=REDACTED port=5432", 0},
    {"settings", "Server=db;User Id=u;Password=hun,ter2;Timeout=3", "Server=db;User Id=u;Password=REDACTED;Timeout=3", 0},
    {"settings", "password: hunter2\nuser: u", "password: REDACTED\nuser: u", 0},
    {"settings", "password = \"hun ter2\"", "password = \"REDACTED\"", 0},
    {"SQL with a literal", "UPDATE u SET password = 'x''y' WHERE id = 1", "UPDATE u SET password = 'REDACTED''y' WHERE id = 1", 0},
    {"option of a command", "mysql --password hunter2 --host db", "mysql --password REDACTED --host db", 0},
    {"option of a command", "--api-key abc", "--api-key REDACTED", 0},
    {"option of a command", "run --token=abc --keep=ok", "run --token=REDACTED --keep=ok", 0},
    {"variable", "export AWS_SECRET_ACCESS_KEY=wJalr/bPx", "export AWS_SECRET_ACCESS_KEY=REDACTED", 0},
    {"message of an exception", "401 for url: https://h/p?api_key=abc (try 2)", "401 for url: https://h/p?api_key=REDACTED (try 2)", 0},
    {"text around a URL", "see <https://h/?token=abc>, then", "see <https://h/?token=REDACTED>, then", 0},
    {"text around a URL", "(https://h/?token=abc)", "(https://h/?token=REDACTED)", 0},
    {"name of a span", "GET /p?token=abc", "GET /p?token=REDACTED", NS_AS_NAME},
    {"token by its form", JWT, "REDACTED", 0},
    {"token by its form", "id " JWT ", x", "id REDACTED, x", 0},
    {"token by its form", "AKIAIOSFODNN7EXAMPLE", "REDACTED", 0},
    {"token by its form", "a=%20ASIAIOSFODNN7EXAMPLE", "a=%20REDACTED", 0},
    {"token by its form", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "REDACTED", 0},
    {"token by its form", "github_pat_11ABCDEFG0abcdefghijkl_mnop", "REDACTED", 0},
    {"token by its form", "glpat-abcdefghij-ABCDEFGHIJ", "REDACTED", 0},
    {"token by its form", "xoxb-123456789012-abcdef", "REDACTED", 0},
    {"token by its form", "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234", "REDACTED", 0},
    {"token by its form", "sk_live_abcdefghijklmnop", "REDACTED", 0},
    {"token by its form", "sk-proj-abcdefghijklmnopqrstuvwxyz012345", "REDACTED", 0},
    {"token by its form", "npm_abcdefghijklmnopqrstuvwxyz0123456789", "REDACTED", 0},
    {"private key", "k: -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n",
     "k: -----BEGIN RSA PRIVATE KEY-----REDACTED-----END RSA PRIVATE KEY-----\n", 0},
    {"private key", "-----BEGIN PRIVATE KEY-----\\nMIIE", "-----BEGIN PRIVATE KEY-----REDACTED", 0},
    {"e-mail", "mail bob.b+c@mail.example.com now", "mail REDACTED now", 0},
    {"e-mail", "?email=bob%40example.com&keep=ok", "?email=REDACTED&keep=ok", 0},
    {"e-mail", "?to=%3Cbob%40example.com%3E", "?to=%3CREDACTED%3E", 0},
    {"e-mail", "mailto:bob@example.com", "mailto:REDACTED", 0},
    {"card", "pay 4111111111111111 now", "pay REDACTED now", 0},
    {"card with blanks", "4111 1111 1111 1111", "REDACTED", 0},
    {"card with dashes", "2026-11-30 5555-5555-5555-4444, ok", "2026-11-30 REDACTED, ok", 0},
    {"card of another form", "3782 822463 10005", "REDACTED", 0},
    {"card in a query", "?n=4111+1111+1111+1111&keep=ok", "?n=REDACTED&keep=ok", 0},
    {"card behind an encoded byte", "?n=%204111111111111111", "?n=%20REDACTED", 0},
    {"cut by a limit of length", "https://h/?token=a", "https://h/?token=REDACTED", NS_AS_OPEN_END},
    {"cut by a limit of length", "x eyJhbGci", "x REDACTED", NS_AS_OPEN_END},
    {"cut by a limit of length", "AKIAIOSF", "REDACTED", NS_AS_OPEN_END},
    {"cut by a limit of length", "n 41111111111", "n REDACTED", NS_AS_OPEN_END},
    {"cut by a limit of length", "https://user:pass", "https://REDACTED:REDACTED", NS_AS_OPEN_END},
    {"cut by a limit of length", "{\"token\": \"ab", "{\"token\": \"REDACTED", NS_AS_OPEN_END},
    {"not ASCII around it", "\xc3\xa9t\xc3\xa9?token=\xc3\xa9\xc3\xa9&keep=\xc3\xa9", "\xc3\xa9t\xc3\xa9?token=REDACTED&keep=\xc3\xa9", 0},
    {"zeros", "token=a", "token=REDACTED", 0},
};

static const char *const innocents[] = {
    "", "a", "ab", "GET", "GET /users/{id}", "https://api.example.com/v1/items?page=2&limit=50", "/static/app.3f2a9c.js",
    "https://example.com/author/tokenizer?keyboard=qwerty&passport=none", "http://localhost:8080/health", "redis://cache:6379/0",
    "http://auth:8080/v1/login", "auth:8080", "postgresql://db.example:5432/app", "ssh://git@github.com/org/repo.git",
    "git@github.com:org/repo.git", "SELECT id, name FROM users WHERE id = %s AND token = %s", "SELECT 1 WHERE password = ?",
    "UPDATE t SET password = $1, token = :token WHERE a.session_id = s.session_id AND t.token = s.token",
    "INSERT INTO sessions (id, token) VALUES ($1, $2)", "SELECT count(*) FROM tokens -- all of them\nWHERE x >= 4",
    "SELECT *\n                                FROM a\n                                WHERE b = 1",
    "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "123e4567-e89b-12d3-a456-426614174000", "550e8400-e29b-41d4-a716-446655440000",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "python-requests/2.32.3", "1.45.0", "3.11.2+build.7", "2026-11-30T22:10:59.123456Z", "2026-11-30 22:10:59,123", "22:10:59",
    "127.0.0.1", "192.168.100.200:65535", "2001:db8::8a2e:370:7334", "[::1]:8080", "fe80::1%eth0",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "nginx:1.25@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "author", "tokenizer", "sessionless", "keyboard", "passport", "authority=x", "author=bob", "tokens=5", "max_tokens=100",
    "tokenizer=bpe", "passwordless", "secretary: Ann", "design=flat", "signal: 9", "assign=x", "keyboard=us", "monkey=1",
    "1700000000000000000", "1764540659123", "4111111111111112", "id=6221261234567890123", "41111111-1111-1111-1111-111111111111",
    "a4111111111111111", "x-request-id: 8c2f", "content-type: application/json; charset=utf-8", "accept: */*",
    "session: closed", "auth: failed", "signature: (int) -> str", "auth::login", "token://x", "TokenError: bad thing",
    "unexpected token: }", "bearer of bad news", "basic usage", "Basic authentication is off", "the bearer token is missing",
    "react@18.2.0", "/node_modules/@scope/pkg@1.2.3/index.js", "icon@2x.png", "@app.route", "user@localhost",
    "{\"id\": 1, \"name\": \"x\", \"items\": [1, 2], \"ok\": true, \"token\": null, \"password\": \"\"}",
    "{'a': 1, 'b': [2, 3], 'c': {'d': None}}", "?token=&keep=ok", "?token=REDACTED&keep=ok", "password=****", "token={token}",
    "https://REDACTED:REDACTED@host/p", "/users/{token}/x", "token: <token>", "password=${DB_PASSWORD}", "password=%(password)s",
    "    response = client.get(url, auth=auth)\n    token = get_token(request)\n    session = requests.Session()\n",
    "  File \"/app/auth.py\", line 12, in login\n    self.session = session.create(user)\nValueError: bad value",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "==========================", "--------------------------------",
    "eyJ", "AKIA", "ghp_", "sk-", "task-list-of-many-things-to-do", "-- --", "a=b&c=d;e=f", "key=value", "code=200", "state=open",
    "%E4%BD%A0%E5%A5%BD%20%D0%BF%D1%80", "/a%20b%2Fc?d=%5B1%5D&e=%7B%7D", "messages: 10, errors: 0", "C:\\Users\\bob\\x.txt",
    "SET LOCAL statement_timeout = 5000", "us-east-1", "arn:aws:s3:::bucket/key", "urn:ietf:rfc:4648", "12:30@room",
    "+1 555 123 4567", "4.5e-10", "0x7fffdeadbeef", "k8s.io/api/core/v1", "kafka://orders-eu.v1", "grpc.health.v1.Health/Check",
};

static void check_versions(const ns_redactor *redactor, const char *in, uint32_t as, const char *out, const char *about) {
    ns_redact_hits hits = {{0}, 0};
    size_t size = strlen(in);
    char *got = redacted(redactor, in, size, as, &hits);
    if (got ? !out || strcmp(got, out) != 0 : out != NULL) {
        fprintf(stderr, "%s\n  in       %s\n  expected %s\n  got      %s\n", about, in, out ? out : "(unchanged)", got ? got : "(unchanged)");
        exit(1);
    }
    ns_text text = {in, size, NS_TEXT_UTF8};
    CHECK(ns_redact_suspect(redactor, &text, as) == (out != NULL));
    /* What came out is as innocent as can be. */
    if (got) {
        char *again = redacted(redactor, got, strlen(got), as, NULL);
        if (again) fprintf(stderr, "%s\n  first %s\n  then  %s\n", about, got, again);
        CHECK(again == NULL);
    }
    free(got);
}

static void test_tables(void) {
    ns_scan_version versions[NS_SCAN_VERSIONS];
    for (size_t v = ns_scan_versions(versions); v-- > 0;) {
        ns_redactor *redactor = redactor_with(NS_DETECT_ALL, versions[v].name);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            check_versions(redactor, rows[i].in, rows[i].as, rows[i].out, rows[i].class_of_bypass);
        }
        for (size_t i = 0; i < sizeof innocents / sizeof *innocents; i++) {
            check_versions(redactor, innocents[i], 0, NULL, "innocent");
        }
        ns_redactor_free(redactor);
    }
}

int main(void) {
    test_tables();
    return ns_test_summary();
}
