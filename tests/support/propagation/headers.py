"""Headers for the tests of the propagator: legal ones, legal ones damaged, and text of any kind."""

from __future__ import annotations

from hypothesis import strategies as st

IDS = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
HEADER = f"00-{IDS}-01"

HEX = "0123456789abcdef"
# What means something to a reader of headers, or looks as if it did: other blanks, other digits, ends of line.
TELLING = "-- \t\n\r\v\f0129afgAF,=@_*/x\x00\x1c\x85\xa0\u0660\u2028\u2002\uff10\ud800\U0001d7ce"


def hex_of(digits: int) -> st.SearchStrategy[str]:
    ends = st.sampled_from(["0" * digits, "0" * (digits - 1) + "1", "8" + "0" * (digits - 1), "f" * digits])
    return st.text(HEX, min_size=digits, max_size=digits) | ends


@st.composite
def damaged(draw: st.DrawFn, legal: st.SearchStrategy[str]) -> str:
    """A legal header with up to three characters replaced, put in or taken out."""
    text = draw(legal)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        character = draw(st.sampled_from(["", *TELLING]) | st.characters())
        text = text[:place] + character + text[place + draw(st.integers(0, 1)) :]
    return text


blanks = st.text(" \t", max_size=3)
versions = st.sampled_from(["00", "00", "00", "01", "cc", "fe", "ff"]) | hex_of(2)
rests = st.sampled_from(["", "", "", "-", "-later", "-\t ", "\n", " \n", "-later\n", "-la\nter", "\n\n", "\r\n"]) | st.text(
    TELLING, max_size=4
)
legal_traceparents = st.builds(
    lambda before, version, trace_id, span_id, flags, rest, after: (
        f"{before}{version}-{trace_id}-{span_id}-{flags}{rest}{after}"
    ),
    blanks,
    versions,
    hex_of(32),
    hex_of(16),
    hex_of(2),
    rests,
    blanks,
)
# Around the longest that is read, 512 characters.
long_traceparents = st.builds(
    lambda version, filling, length: f"{version}-{IDS}-01{filling}".ljust(length, filling[-1]),
    versions,
    st.sampled_from([" ", "-", "-x", "-\xe9", "\t"]),
    st.integers(508, 516) | st.integers(56, 600),
)
traceparents = st.one_of(
    legal_traceparents,
    damaged(legal_traceparents),
    damaged(st.just(HEADER)),
    long_traceparents,
    st.text(max_size=80),
    st.text(TELLING + HEX, min_size=50, max_size=60),
)

keys = (
    st.from_regex(r"[a-z][_0-9a-z\-*/]{0,8}(@[a-z][_0-9a-z\-*/]{0,13})?", fullmatch=True)
    | st.from_regex(r"[a-z0-9][_0-9a-z\-*/@]{0,8}", fullmatch=True)
    | st.sampled_from(["a", "b", "1", "1a@b", "a" * 256, "a" * 257, "A", "", "a@", "@a", "a" * 241 + "@b", "a" * 242 + "@b"])
)
values = st.text([chr(code) for code in range(0x20, 0x7F)], max_size=12) | st.sampled_from(
    ["1", "", " ", "v" * 256, "v" * 257, "a=b", "\x1f", "\xe9"]
)
members = st.builds(
    lambda before, key, value, after: f"{before}{key}={value}{after}", blanks, keys, values, blanks
) | st.sampled_from(["", " ", "=", "a", "a=1", "b=2"])
listed = st.builds(",".join, st.lists(members, max_size=5))
# Around the 32 members that a list may have, and the 8192 characters.
many = st.integers(30, 35).map(lambda count: ",".join(f"k{index}={index}" for index in range(count)))
long_lists = st.builds(
    lambda size, filling: "a=1".ljust(size, filling), st.integers(8188, 8196), st.sampled_from([" ", ",", "x", "\t"])
)
tracestates = st.one_of(
    listed, listed, damaged(listed), many, damaged(many), long_lists, st.text(max_size=20), st.just("a=1,b=2,a=3")
)
